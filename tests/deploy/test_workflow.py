"""The workflows run what is there, by pinned actions, with no more rights than reading."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
Json = dict[str, Any]


@pytest.fixture(params=WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def path(request: pytest.FixtureRequest) -> Path:
    """Each workflow's file."""
    found: Path = request.param
    return found


@pytest.fixture
def workflow(path: Path) -> Json:
    """Each workflow; YAML 1.1 reads its key `on` as true."""
    loaded: Json = yaml.safe_load(path.read_text())
    return loaded


def steps(workflow: Json) -> list[Json]:
    """Return the steps of all jobs."""
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def chart_values() -> Json:
    """Return the chart's own values."""
    loaded: Json = yaml.safe_load((ROOT / "helm/qwen3-vl/values.yaml").read_text())
    return loaded


def test_actions_are_pinned_by_commit(path: Path, workflow: Json) -> None:
    """A tag can be moved to other code; the comment says which version a commit is."""
    used = [line.strip().removeprefix("- ") for line in path.read_text().splitlines()]
    used = [line for line in used if line.startswith("uses:")]
    assert len(used) == sum("uses" in step for step in steps(workflow)) > 0
    assert [line for line in used if not PINNED.fullmatch(line)] == []


def test_one_commit_a_version() -> None:
    """The same action is pinned to one commit, and one commit has one version, everywhere."""
    used = {
        line.partition("uses: ")[2]
        for path in WORKFLOWS
        for line in path.read_text().splitlines()
        if "uses: " in line
    }
    assert len({line.partition("@")[0] for line in used}) == len(used)


def test_rights_time_and_concurrency(workflow: Json) -> None:
    """Reading is all they may, no job runs for ever, and a newer push ends an older run."""
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert 0 < job["timeout-minutes"] <= 120
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert "github.ref" in workflow["concurrency"]["group"]
    assert {"push", "pull_request"} <= set(workflow[True])
    checkouts = [s for s in steps(workflow) if "checkout" in s.get("uses", "")]
    assert [s["with"]["persist-credentials"] for s in checkouts] == [False]


def test_what_they_run_exists(path: Path, workflow: Json) -> None:
    """Every script, file and make target that a workflow names is in the repository."""
    text = path.read_text()
    named = re.findall(r"(?<![\w/.@-])(?:deploy|helm|\.ci|\.github)/[\w./-]*\w", text)
    assert named
    actions = {step["uses"].partition("@")[0] for step in steps(workflow) if "uses" in step}
    files = [name for name in set(named) - actions if "*" not in name]
    assert [name for name in files if not (ROOT / name).exists()] == []
    scripts = [name for name in files if name.endswith((".sh", "/run"))]
    assert scripts
    assert [name for name in scripts if not (ROOT / name).stat().st_mode & 0o100] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets
    for pattern in workflow[True]["push"].get("paths", []):
        assert (ROOT / pattern.removesuffix("/**")).exists()


def test_nothing_is_secret_or_put_into_a_shell(workflow: Json) -> None:
    """A pull request's own words never become a command, and no secret is there to be read."""
    assert "secrets." not in str(workflow)
    for step in steps(workflow):
        assert "${{" not in step.get("run", "")


def test_the_engine_is_the_charts() -> None:
    """The cluster is given the engine's version that the chart installs."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/e2e.yaml").read_text())
    tag = chart_values()["pool"]["engine"]["image"]["tag"]
    assert workflow["env"]["ENGINE_IMAGE"] == f"vllm/vllm-openai-cpu:{tag}"


def test_only_images_built_here_are_loaded() -> None:
    """`kind load` refuses an image for several platforms as Docker keeps it; the node pulls it."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/e2e.yaml").read_text())
    script = next(s["run"] for s in steps(workflow) if "kind load" in s.get("run", ""))
    loaded = re.findall(r'"(\$[\w-]+)"', script[: script.index("kind load")])
    assert loaded == ["$IMAGE", "$IMAGE-tiny"]
    assert 'crictl pull "$ENGINE_IMAGE"' in script


def test_targets_are_the_dockerfiles() -> None:
    """What is built is a stage of the Dockerfile, named as the chart expects it."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/e2e.yaml").read_text())
    builds = [s["with"] for s in steps(workflow) if "build-push" in s.get("uses", "")]
    stages = set(re.findall(r"^FROM .* AS (\S+)$", (ROOT / builds[0]["file"]).read_text(), re.M))
    assert {build["target"] for build in builds} == {"gateway", "tiny"} <= stages
    assert [build["tags"] for build in builds] == ["${{ env.IMAGE }}", "${{ env.IMAGE }}-tiny"]


def test_kinds_node_is_pinned_and_new_enough() -> None:
    """The cluster is one node of a fixed image, no older than the chart's kubeVersion."""
    (node,) = yaml.safe_load((ROOT / "deploy/kind.yaml").read_text())["nodes"]
    version, digest = re.fullmatch(
        r"kindest/node:v1\.(\d+)\.\d+@sha256:([0-9a-f]+)", node["image"]
    ).groups()
    chart = yaml.safe_load((ROOT / "helm/qwen3-vl/Chart.yaml").read_text())
    assert len(digest) == 64
    assert int(version) >= int(chart["kubeVersion"].split(".")[1])

"""What the pages say of Kubernetes stays true: templates, values, commands and names exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.settings import OPTIONS
from tests.helm.rendering import ALL_APIS, CHART, ROOT, Rendered, parse, render, run_helm

PAGES = {
    name: (ROOT / "deploy" / name).read_text() for name in ("kubernetes.md", "upgrading-vllm.md")
}
TEXT = "".join(PAGES.values())
TABLES = (ROOT / "deploy/README.md").read_text().partition("## On Kubernetes: what runs")[2]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = CHART / "templates"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SNIPPETS = [text for language, text in BLOCK.findall(TEXT) if language == "yaml"]
COMMANDS = [
    shlex.split(line.removeprefix("$ "))
    for language, text in BLOCK.findall(TEXT)
    if language == "console"
    for line in text.splitlines()
]
HELM = [words for words in COMMANDS if words[0] == "helm"]
KUBECTL = [
    words[: words.index("|")] if "|" in words else words
    for words in COMMANDS
    if words[0] == "kubectl"
]
# What only a cluster has a use for.
ON_A_CLUSTER = re.compile(r"--wait|--logs|--reset-values|--dry-run.*")
FILES = {"ours.yaml": 0, "next.yaml": -1}  # which of the snippets they are


def template(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Render what a `helm install` or `helm upgrade` of the pages would send."""
    for name, index in FILES.items():
        (folder / name).write_text(SNIPPETS[index])
    kept = [word for word in words[2:] if not ON_A_CLUSTER.fullmatch(word)]
    if "--timeout" in kept:
        at = kept.index("--timeout")
        del kept[at : at + 2]
    kept = [str(CHART) if word == "helm/qwen3-vl" else word for word in kept]
    kept = [str(folder / word) if word in FILES else word for word in kept]
    apis = [word for api in ALL_APIS for word in ("--api-versions", api)]
    return run_helm("4", "template", *kept, "--kube-version", "1.34", *apis)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Rendered]:
    """The objects of each install and upgrade in the pages."""
    folder = tmp_path_factory.mktemp("values")
    found = []
    for words in HELM:
        if words[1] in ("install", "upgrade"):
            done = template(words, folder)
            assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
            found.append(Rendered(parse(done.stdout)))
    return found


@pytest.fixture(scope="module")
def everything(releases: list[Rendered]) -> Rendered:
    """The objects of all of them."""
    return Rendered([each for one in releases for each in one.objects])


def test_every_template_is_in_the_table_and_is_there() -> None:
    """Who looks for how something is done finds its file, and no file is left out."""
    table = TABLES.partition("\n## ")[0]
    named = set(re.findall(r"`([\w/]+\.(?:yaml|tpl|txt))`", table))
    assert named == {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.*")}
    assert "`values.schema.json`" in table


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_every_snippet_is_accepted_by_the_chart(snippet: str) -> None:
    """It can be pasted into a values file."""
    assert render(yaml.safe_load(snippet), release="qwen3-vl").all("Deployment")


def test_every_install_and_upgrade_is_accepted(everything: Rendered) -> None:
    """With the files and keys that they name; both pools are there."""
    names = {each["metadata"]["name"] for each in everything.all("Deployment")}
    assert names == {"qwen3-vl-thinking", "qwen3-vl-next"}
    images = {
        (each["metadata"]["name"], each["spec"]["template"]["spec"]["containers"][0]["image"])
        for each in everything.all("Deployment")
    }
    now = f"vllm/vllm-openai:{VALUES['pool']['engine']['image']['tag']}"
    assert ("qwen3-vl-next", now) in images
    assert ("qwen3-vl-thinking", "vllm/vllm-openai:v0.31.0") in images


def test_no_upgrade_of_the_pages_changes_what_kubernetes_keeps(releases: list[Rendered]) -> None:
    """Claims, selectors and Jobs of one name cannot change, and nobody is told to."""
    kept: dict[str, set[str]] = {}
    for thing in (each for one in releases for each in one.objects):
        spec = thing.get("spec", {})
        fixed = {
            "PersistentVolumeClaim": spec,
            "Deployment": spec.get("selector"),
            "Job": spec.get("template"),
        }.get(thing["kind"])
        if fixed:
            name = f"{thing['kind']}/{thing['metadata']['name']}"
            kept.setdefault(name, set()).add(yaml.safe_dump(fixed))
    assert {"PersistentVolumeClaim/qwen3-vl-thinking-weights", "Deployment/qwen3-vl-next"} <= {
        *kept
    }
    assert {name for name, forms in kept.items() if len(forms) > 1} == set()


def test_helm_is_asked_for_what_it_has() -> None:
    """Verbs and options are Helm's own, of version 3 and 4."""
    assert HELM
    for helm in ("3", "4"):
        for words in HELM:
            shown = run_helm(helm, words[1], "--help").stdout
            assert f"helm {words[1]}" in shown
            options = {word for word in words if word.startswith("--")}
            assert all(re.search(rf"{option}\b", shown) for option in options), words


def test_every_object_that_kubectl_is_asked_for_exists(everything: Rendered) -> None:
    """Deployments, Services, claims and Secrets have the chart's names."""
    known = {(each["kind"].lower(), each["metadata"]["name"]) for each in everything.objects}
    whole = yaml.safe_dump(everything.objects)
    asked = {tuple(word.split("/")) for words in KUBECTL for word in words
             if re.fullmatch(r"(deployment|service)/[\w-]+", word)}  # fmt: skip
    assert asked and asked <= known
    for words in KUBECTL:
        if words[3:5] == ["delete", "persistentvolumeclaim"]:
            assert ("persistentvolumeclaim", words[5]) in known
        secrets = words[6:7] if words[3:6] == ["create", "secret", "generic"] else []
        secrets += words[5:] if words[3:5] == ["delete", "secret"] else []
        assert all(f"secretName: {name}\n" in whole for name in secrets), words
        if words[3:5] == ["delete", "pod"]:
            assert ("pod", words[5]) in known


def test_every_container_and_label_that_kubectl_is_asked_for_exists(everything: Rendered) -> None:
    """Logs and commands find their container, and the load test's pod its label."""
    [pod, *_] = [each["spec"]["template"]["spec"] for each in everything.all("Deployment")]
    containers = {each["name"] for each in (*pod["initContainers"], *pod["containers"])}
    named = {words[words.index("-c") + 1] for words in KUBECTL if "-c" in words}
    assert named and named <= containers
    labels = {
        f"{key}={value}"
        for job in everything.all("Job")
        for key, value in job["spec"]["template"]["metadata"]["labels"].items()
    }
    selected = {words[words.index("-l") + 1] for words in KUBECTL if "-l" in words}
    assert selected and selected <= labels


def test_every_program_of_ours_that_is_named_has_its_options() -> None:
    """`python -m serving …` and `python -m loadtests …`, with their sub-commands and options."""
    options: dict[tuple[str, ...], set[str]] = {}
    for words in COMMANDS:
        if "-m" in words:
            module, *rest = words[words.index("-m") + 1 :]
            program = (module, *rest[: 2 if rest[0] == "keys" else 1])
            options.setdefault(program, set()).update(w for w in rest if w.startswith("--"))
    assert {("serving", "verify"), ("serving", "keys", "hash"), ("loadtests", "compare")} <= {
        *options
    }
    for program, given in options.items():
        shown = subprocess.run(
            [sys.executable, "-m", *program, "--help"],
            capture_output=True, text=True, check=True, cwd=ROOT, env={"COLUMNS": "200"},
        ).stdout  # fmt: skip
        assert all(option in shown for option in given), program


def resolves(path: str) -> bool:
    """Tell whether values.yaml has a key, or the server an option of that name."""
    tree: Any = VALUES
    parts = path.split(".")
    if parts[:2] == ["pool", "settings"] and len(parts) == 4:
        return ".".join(parts[2:]) in OPTIONS
    for part in parts:
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def test_every_value_that_is_named_exists() -> None:
    """Whoever sets what a page names is not refused."""
    decisions = "".join(path.read_text() for path in (ROOT / "deploy/decisions").glob("*.md"))
    first = "|".join(VALUES)
    named = set(re.findall(rf"`((?:{first})\.[\w.]+?)`", TEXT + TABLES + decisions))
    named = {path for path in named if not re.search(r"\.(yaml|url|md)$", path)}
    assert len(named) > 8
    assert {path for path in named if not resolves(path) and path not in OPTIONS} == set()


def test_every_link_leads_to_a_file() -> None:
    """And every heading that is linked to is there."""
    for page, text in (PAGES | {"README.md": TABLES}).items():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            path, _, heading = target.partition("#")
            file = (ROOT / "deploy" / (path or page)).resolve()
            assert file.exists(), target
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.M) if heading else []
            slugs = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
            assert not heading or heading in slugs, target


def test_every_make_target_and_program_exists() -> None:
    """What is typed can be typed."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {words[1] for words in COMMANDS if words[0] == "make"} <= targets
    assert all((ROOT / words[0]).exists() for words in COMMANDS if "/" in words[0][:7])
    for path in re.findall(r"`((?:deploy|helm|serving)/[\w./-]+)`", TEXT + TABLES):
        assert (ROOT / path).exists(), path


def test_the_drains_arithmetic_is_the_charts() -> None:
    """The sum on the page is what the pod gets."""
    sum_, *parts = map(int, re.findall(r"\d+", re.search(r"\n +(860 = .*)\n", TEXT)[1]))  # type: ignore[index]
    assert sum_ == sum(parts)
    [pod] = render().all("Deployment")
    assert pod["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == sum_
    gateway, engine = (VALUES["pool"]["settings"][name] for name in ("gateway", "engine"))
    assert parts == [
        gateway["drain_grace_seconds"], gateway["drain_seconds"], engine["shutdown_timeout"], 15,
    ]  # fmt: skip

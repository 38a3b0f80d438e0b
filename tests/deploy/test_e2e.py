"""The end-to-end test without a cluster: its plan is held against helm, kubectl and the chart."""

import base64
import hashlib
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.key_file import parse as parse_keys
from tests.deploy.cluster import ROOT, Cluster, dry_run, environment, serving
from tests.helm.kinds import violations
from tests.helm.rendering import CHART, HELMS, Rendered, find_program, parse

SCRIPT = ROOT / "deploy" / "e2e.sh"
NOWHERE = "http://127.0.0.1:9"
IMAGE, ENGINE = "gateway.example/serving:1.2", "vllm/vllm-openai-cpu:v9"
STEPS = [
    "prepare", "preflight", "install", "ask", "verify", "upgrade_under_load", "break_a_rollout",
    "lose_a_pod", "hang_the_engine", "uninstall",
]  # fmt: skip
# What `helm template` has no use for.
WAITING = {"--wait": 1, "--timeout": 2, "--atomic": 1, "--rollback-on-failure": 1}
UNKNOWN = ("unknown flag", "unknown command", "unknown shorthand", "Unknown option")
Plan = dict[str, list[list[str]]]
Json = dict[str, Any]


def start(folder: Path, url: str, helm: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script with one version of Helm on its PATH."""
    programs = folder / f"programs-{helm}"
    programs.mkdir(exist_ok=True)
    link = programs / "helm"
    if not link.exists():
        link.symlink_to(find_program(f"helm{helm}"))
    known = environment(folder, url)
    known["PATH"] = f"{programs}:{known['PATH']}"
    said = {"IMAGE": IMAGE, "ENGINE_IMAGE": ENGINE, "LOGS": str(folder)}
    return subprocess.run(
        [str(SCRIPT)],
        env=known | said | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    """The commands of each step, for each version of Helm; no cluster is there."""
    found = {}
    for helm in HELMS:
        done = start(tmp_path_factory.mktemp(f"helm{helm}"), NOWHERE, helm, E2E_PLAN="1")
        assert (done.returncode, done.stderr) == (0, "")
        found[helm] = plan_of(done.stdout)
    return found


def plan_of(text: str) -> Plan:
    """Read a plan: the lines below `# step`. What bash quotes by $'…', JSON cannot tell."""
    plan: Plan = {}
    step = ""
    for line in text.splitlines():
        if line.startswith("# "):
            step = line[2:]
        elif line:
            plain = line.replace("\\n", " ").replace("$'", "'")
            plan.setdefault(step, []).append(shlex.split(plain))
    return plan


def only(plan: Plan, step: str, *words: str) -> list[str]:
    """Return the one command of a step that has these words."""
    (found,) = [line for line in plan[step] if set(words) <= set(line)]
    return found


def rendered(line: list[str], helm: str) -> Rendered:
    """Render what a `helm install` or `helm upgrade` of the plan would send."""
    words, skip = [], 0
    for word in line[2:]:
        skip = skip or WAITING.get(word, 0)
        if skip:
            skip -= 1
        else:
            words.append(word)
    done = subprocess.run(
        [find_program(f"helm{helm}"), "template", *words, "--kube-version", "1.35"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Rendered(parse(done.stdout))


def kubectl(line: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a kubectl line of the plan for real, where there is no cluster."""
    return subprocess.run(
        [find_program("kubectl"), *line[1:]],
        env=environment(folder, NOWHERE),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_steps_in_their_order(plans: dict[str, Plan]) -> None:
    """Every step of the issue has its commands, and the last one takes the namespace away."""
    plan = plans["4"]
    assert [step for step in plan if not step.startswith("done")] == STEPS
    (end,) = [step for step in plan if step.startswith("done")]
    assert plan[end][-1][:3] == ["kubectl", "delete", "namespace"]
    assert only(plan, "preflight", "--cpu")[0] == "deploy/preflight.sh"
    assert only(plan, "prepare", "pod-security.kubernetes.io/enforce=restricted")


@pytest.mark.parametrize("helm", HELMS)
def test_what_is_installed(plans: dict[str, Plan], helm: str) -> None:
    """The images are those that were given, and an old pod stays until a new one is ready."""
    release = rendered(only(plans[helm], "install", "helm"), helm)
    deployment = release.one("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    images = {c["image"] for c in [*pod["initContainers"], *pod["containers"]]}
    assert images == {IMAGE, f"{IMAGE}-tiny", ENGINE}
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    secrets = {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
    assert secrets == {"e2e-qwen3-vl-keys"}


@pytest.mark.parametrize("helm", HELMS)
def test_upgrades_change_the_pods(plans: dict[str, Plan], helm: str) -> None:
    """One upgrade is harmless, the other names an image that does not exist; both change pods."""
    install, harmless, broken = (
        rendered(only(plans[helm], step, "helm"), helm).one("Deployment")["spec"]["template"]
        for step in ("install", "upgrade_under_load", "break_a_rollout")
    )
    assert install != harmless
    engine, image = ("vllm/vllm-openai-cpu:no-such-tag", "image")
    assert engine in [c[image] for c in broken["spec"]["containers"]]
    assert engine not in [c[image] for c in harmless["spec"]["containers"]]


@pytest.mark.parametrize(("helm", "option"), [("3", "--atomic"), ("4", "--rollback-on-failure")])
def test_helm_knows_its_options(plans: dict[str, Plan], helm: str, option: str) -> None:
    """Each version of Helm has its own word for going back, and all others in common."""
    assert option in only(plans[helm], "break_a_rollout", "helm")
    lines = [line for step in STEPS for line in plans[helm].get(step, []) if line[0] == "helm"]
    for verb in {line[1] for line in lines}:
        known = subprocess.run(
            [find_program(f"helm{helm}"), verb, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        used = {word for line in lines if line[1] == verb for word in line if word[:2] == "--"}
        assert [word for word in used if f" {word} " not in known.replace("\n", " ")] == []


def test_kubectl_knows_its_words(plans: dict[str, Plan], tmp_path: Path) -> None:
    """Every kind of kubectl line is understood; then it finds no cluster, and nothing else."""
    lines = [line for step in plans["4"].values() for line in step if line[0] == "kubectl"]
    kinds = {tuple(w.partition("=")[0] for w in line if w[:2] == "--"): line for line in lines}
    assert len(kinds) > 8
    for line in kinds.values():
        done = kubectl(line, tmp_path)
        assert not [word for word in UNKNOWN if word in done.stderr], (line, done.stderr)


def test_the_client_is_restricted(plans: dict[str, Plan], tmp_path: Path) -> None:
    """The pod that asks is one that the namespace lets in, with the key that it asks by."""
    pod = dry_run(only(plans["4"], "prepare", "run")[1:], tmp_path)
    pod.pop("status", None)
    assert violations(pod, "1.35") == []
    (container,) = pod["spec"]["containers"]
    assert container["image"] == IMAGE
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    security = pod["spec"]["securityContext"]
    assert (security["runAsNonRoot"], security["seccompProfile"]) == (
        True,
        {"type": "RuntimeDefault"},
    )
    (key,) = [v["secret"]["secretName"] for v in pod["spec"]["volumes"] if "secret" in v]
    assert only(plans["4"], "prepare", "secret", key)[-1].startswith("--from-file=key=")


def test_keys_are_where_the_chart_looks(plans: dict[str, Plan], tmp_path: Path) -> None:
    """Both Secrets have the names and entries that pods and `helm test` mount."""
    line = only(plans["4"], "prepare", "secret", "e2e-qwen3-vl-client-key")
    (tmp_path / "key").write_text("sk-e2e-1")
    secret = dry_run([*line[1:-1], f"--from-file=key={tmp_path / 'key'}"], tmp_path)
    assert base64.b64decode(secret["data"]["key"]) == b"sk-e2e-1"
    release = rendered(only(plans["4"], "install", "helm"), "4")
    (asks,) = [v for v in release.one("Pod")["spec"]["volumes"] if v["name"] == "client-key"]
    assert asks["secret"]["secretName"] == secret["metadata"]["name"]
    keys = [line for line in plans["4"]["prepare"] if "e2e-qwen3-vl-keys" in line]
    assert "keys.yaml" in keys[0][-1]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("serving:1", ["serving", "1", ""]),
        ("mirror:5000/a/serving:1", ["mirror:5000/a/serving", "1", ""]),
        ("serving@sha256:ab", ["serving", "", "sha256:ab"]),
        ("mirror:5000/serving:1@sha256:ab", ["mirror:5000/serving", "1", "sha256:ab"]),
        ("mirror:5000/serving", None),
    ],
)
def test_images_as_values(image: str, expected: list[str] | None) -> None:
    """Repository, tag and digest are told apart; a name with neither is refused."""
    parts = ("image_values", "fail")
    functions = "\n".join(f'eval "$(sed -n "/^{part}()/,/^}}/p" {SCRIPT})"' for part in parts)
    functions += '\neval "$(grep "^fail()" ' + str(SCRIPT) + ')"'
    done = subprocess.run(
        ["/bin/bash", "-euc", f"{functions}\nimage_values image {image}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if expected is None:
        assert (done.returncode, "neither tag nor digest" in done.stderr) == (1, True)
        return
    names = ("repository", "tag", "digest")
    pairs = zip(names, expected, strict=True)
    words = [word for name, value in pairs for word in ("--set", f"image.{name}={value}")]
    assert done.stdout.split() == words, done.stderr


def test_a_namespace_of_others_is_left_alone(tmp_path: Path) -> None:
    """Where the namespace cannot be made, the end deletes nothing."""
    with serving(Cluster()) as cluster:
        done = start(tmp_path, cluster.url, "4")
    assert done.returncode != 0
    assert "POST" in cluster.methods()
    assert "DELETE" not in cluster.methods()


def test_the_keys_file_is_the_gateways(tmp_path: Path) -> None:
    """What `prepare` puts into the Secret, our own command made and our own loader takes.

    No cluster is there: `kubectl exec` runs the command here, `create secret` keeps the files.
    """
    programs = tmp_path / "programs-4"
    programs.mkdir()
    stand_in = programs / "kubectl"
    stand_in.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'  *" exec "*"keys hash"*) cd {ROOT} && shift 7 && exec {sys.executable} "$@" ;;\n'
        f'  *--from-file=*) for word; do :; done; cp "${{word##*=}}" {tmp_path} ;;\n'
        "esac\n"
    )
    stand_in.chmod(0o755)
    start(tmp_path, NOWHERE, "4")
    key = (tmp_path / "key").read_text()
    (kept,) = parse_keys((tmp_path / "keys.yaml").read_bytes(), "keys.yaml")
    assert (kept.name, kept.digest) == ("e2e", hashlib.sha256(key.encode()).digest())


def test_a_cluster_that_does_not_answer_proves_nothing(tmp_path: Path) -> None:
    """An error of kubectl is no sign that pods are gone, changed or restarted."""
    script = tmp_path / "deploy" / "e2e.sh"
    script.parent.mkdir()
    questions = "is_gone", "has_restarted pod/a 0", "pods", "POOL=a PORT=80 is_available"
    asked = "".join(f"if {question}; then echo yes; fi\n" for question in questions)
    script.write_text(SCRIPT.read_text().removesuffix("main\n") + asked)
    known = environment(tmp_path, NOWHERE) | {"IMAGE": IMAGE, "LOGS": str(tmp_path)}
    known["TMPDIR"] = str(tmp_path)
    done = subprocess.run(
        ["/bin/bash", str(script)], env=known, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert "127.0.0.1:9" in done.stderr


def test_the_image_is_asked_for(tmp_path: Path) -> None:
    """Without an image there is one sentence, and no cluster is asked."""
    done = start(tmp_path, NOWHERE, "4", IMAGE="")
    assert done.returncode != 0
    assert "IMAGE is the image of the gateway" in done.stderr


def test_the_values_file_is_the_charts_own() -> None:
    """The default values file is one of the chart's scenarios."""
    assert (CHART / "ci" / "tiny-on-cpu.yaml").exists()
    assert "VALUES:-helm/qwen3-vl/ci/tiny-on-cpu.yaml" in SCRIPT.read_text()

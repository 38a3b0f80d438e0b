"""The preflight reads a cluster by the real kubectl and says what the chart is to be told."""

import itertools
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.deploy.cluster import BUILT_IN, OPTIONAL, ROOT, Cluster, dry_run, environment, serving
from tests.deploy.inventory import (
    CONTENT,
    GPU,
    H100,
    fitting,
    node,
    pod,
    rich,
    storage,
    without,
)
from tests.helm.rendering import find_program

SCRIPT = ROOT / "deploy" / "preflight.sh"


class Page:
    """What the preflight printed."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.text, self.errors = done.returncode, done.stdout, done.stderr

    def line(self, start: str) -> str:
        """Return the one line that begins with state and question."""
        squeezed = [re.sub(r" +", " ", line) for line in self.text.splitlines()]
        (found,) = [line for line in squeezed if line.startswith(start)]
        return found

    def command(self) -> list[str]:
        """Return the words of the command at the end, as a shell takes them."""
        return shlex.split(self.text[self.text.rindex("\nhelm ") :].replace("\\\n", ""))

    def values(self) -> set[str]:
        """Return what the command sets."""
        words = self.command()
        return {word for flag, word in itertools.pairwise(words) if "--set" in flag}


def call(variables: dict[str, str], *words: str) -> Page:
    """Run the script."""
    return Page(
        subprocess.run(
            [str(SCRIPT), *words],
            env=variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    )


def preflight(cluster: Cluster, folder: Path, *words: str) -> Page:
    """Run the script against a cluster, and hold it to reading."""
    with serving(cluster):
        page = call(environment(folder, cluster.url), "-n", "models", *words)
    assert cluster.methods() == {"GET"}
    assert page.errors == ""
    return page


@pytest.fixture(scope="module")
def fit() -> Cluster:
    """A cluster that the chart fits."""
    return fitting()


@pytest.fixture(scope="module")
def fit_page(fit: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """What the preflight says of it."""
    return preflight(fit, tmp_path_factory.mktemp("fit"))


@pytest.fixture(scope="module")
def rich_page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """What the preflight says of a cluster that has everything."""
    return preflight(rich(), tmp_path_factory.mktemp("rich"))


def test_a_cluster_that_fits(fit_page: Page) -> None:
    """Everything is answered, the profile is the only value, and the code is 0."""
    page = fit_page
    assert page.code == 0, page.text
    assert page.line("ok Kubernetes").startswith("ok Kubernetes 1.35.8; the chart needs 1.30")
    assert page.line("note image volumes").endswith("pool.weights.source=image")
    assert page.line("set GPUs") == (
        f"set GPUs 8 of 8 nvidia.com/gpu free: {H100} → --set pool.settings.engine.profile=h100"
    )
    assert "models enforces restricted" in page.line("ok Pod Security")
    assert "fast (ebs.csi.aws.com, ReadWriteOnce, default)" in page.line("ok StorageClasses")
    assert page.line("ok quotas")
    assert page.line("ok name servers")
    assert page.line("? NetworkPolicy")
    assert page.line("ok releases").endswith("none yet")
    assert page.command() == shlex.split(
        "helm install qwen3-vl helm/qwen3-vl -n models --set pool.settings.engine.profile=h100"
    )


def test_secrets_keep_their_content(fit: Cluster, fit_page: Page) -> None:
    """Secrets are asked for as a table, which holds names alone, and nothing else is printed."""
    accepted = [accept for _, path, accept in fit.asked if "/secrets" in path]
    assert len(accepted) == 2
    assert all(accept.startswith("application/json;as=Table") for accept in accepted)
    assert "qwen3-vl-keys is there" in fit_page.text
    assert CONTENT not in fit_page.text


def test_the_egress_line_makes_a_restricted_pod(fit_page: Page, tmp_path: Path) -> None:
    """The offered line is kubectl's, and its pod passes the restricted level."""
    words = shlex.split(fit_page.line(" kubectl run"))
    words = [word for word in words if word not in ("--rm", "-i")]
    (container,) = dry_run(words[1:], tmp_path)["spec"]["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    compile(container["command"][-1], "egress", "exec")


def test_what_is_there_is_set(rich_page: Page) -> None:
    """The free GPUs of a known kind, a volume for several pods, the class, the users."""
    values = {v for v in rich_page.values() if "tolerations" not in v}
    assert values == {
        "pool.settings.engine.profile=l40s",
        'pool.scheduling.nodeSelector={"nvidia.com/gpu.product":"NVIDIA-L40S"}',
        "pool.scheduling.runtimeClassName=nvidia",
        "pool.weights.claim.storageClass=nfs",
        "pool.weights.claim.accessMode=ReadWriteMany",
        "security.runAsUser=null",
        "security.fsGroup=null",
    }
    assert "Tesla-T4; no profile" in rich_page.line("note GPUs 20 of 20")
    assert rich_page.line("note GPUs 8 of 8").endswith("its profile is h100")
    assert "feature gate ImageVolume" in rich_page.line("note image volumes")
    assert "serving; see" in rich_page.line("note PriorityClass")
    assert rich_page.code == 0


def test_quotas_of_the_namespace_are_named(rich_page: Page) -> None:
    """What keeps pods from being made, or slows them, is told; other namespaces' is not."""
    line = rich_page.line("note quotas")
    assert "resourcequota/gpus, limitrange/cpu" in line
    assert "theirs" not in rich_page.text


def test_taints_become_tolerations(rich_page: Page) -> None:
    """What GPU nodes bear besides the usual taint is borne; other nodes' taints are left out."""
    (value,) = [v for v in rich_page.values() if v.startswith("pool.scheduling.tolerations=")]
    assert json.loads(value.partition("=")[2]) == [
        {"key": GPU, "operator": "Exists", "effect": "NoSchedule"},
        {"key": "pool", "operator": "Equal", "value": "llm", "effect": "NoExecute"},
    ]


def test_optional_kinds(fit_page: Page, rich_page: Page) -> None:
    """Each kind says which value it allows, and a missing one which stays off."""
    for kind, key in {
        "ScaledObject": "pool.scaling.enabled",
        "PodMonitor": "monitoring.podMonitor.enabled",
        "PrometheusRule": "monitoring.rules.enabled",
        "HTTPRoute": "pool.route.enabled",
        "InferencePool": "pool.inferencePool.enabled",
    }.items():
        assert rich_page.line(f"ok {kind}").endswith(f"there: {key} may be true")
        assert fit_page.line(f"note {kind}").endswith(f"leave {key} false")


def test_an_installed_release_is_upgraded(rich_page: Page) -> None:
    """The same name in the same namespace turns the command into an upgrade."""
    assert rich_page.command()[:3] == ["helm", "upgrade", "qwen3-vl"]


def test_the_values_are_the_charts(rich_page: Page, tmp_path: Path) -> None:
    """Helm takes the whole command: no key of it is unknown to the chart."""
    words = rich_page.command()[2:]
    done = subprocess.run(
        [find_program("helm4"), "template", *words],
        env=environment(tmp_path, "http://127.0.0.1:9"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_everything_that_stops_an_install(tmp_path: Path) -> None:
    """An old cluster, no free GPU, no keys: the page says each, and the code is 1.

    Requests of running and waiting pods count, those of ended pods do not, and a cordoned node
    offers nothing.
    """
    bad = fitting(
        node("gpu-1", H100, unschedulable=True),
        pod("gpu-0", 5),
        pod("gpu-0", 3, "Pending"),
        pod("gpu-0", 8, "Succeeded"),
        version="v1.29.4-eks",
    )
    page = preflight(without(bad, "Secret", "Namespace"), tmp_path, "--release", "demo")
    assert page.code == 1
    assert "1.29.4-eks; the chart needs 1.30: upgrade" in page.line("stop Kubernetes")
    assert "0 of 8 nvidia.com/gpu free" in page.line("note GPUs")
    assert page.line("stop GPUs").startswith("stop GPUs none is free")
    assert "demo-qwen3-vl-keys is missing" in page.line("stop Secret")
    assert "demo-qwen3-vl-client-key is missing" in page.line("note Secret")
    assert page.line("note Pod Security").endswith("is not there yet: helm makes it")
    assert page.command()[:3] == ["helm", "install", "demo"]
    assert "--create-namespace" in page.command()


def test_a_cluster_with_little(tmp_path: Path) -> None:
    """Without GPUs an install stops, and without a class each pod downloads for itself."""
    page = preflight(without(fitting(), "Node", "StorageClass", "Pod"), tmp_path)
    assert page.code == 1
    assert page.line("stop GPUs no node has one")
    assert "ci/tiny-on-cpu.yaml" in page.line("note GPUs")
    assert page.values() == {"pool.weights.source=ephemeral"}
    assert "networkPolicy.dns" in page.line("note name servers")


def test_no_gpu_is_wanted(tmp_path: Path) -> None:
    """With --cpu none is asked for; a class that is no default is named."""
    cluster = without(fitting(), "Node", "StorageClass")
    cluster.objects.append(storage("odd", "vendor.example.org"))
    page = preflight(cluster, tmp_path, "--cpu")
    assert (page.code, "GPU" in page.text) == (0, False)
    assert page.values() == {"pool.weights.claim.storageClass=odd"}
    assert "(vendor.example.org, unknown)" in page.line("set StorageClasses")


def test_missing_rights_are_said_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Whoever may read nothing but discovery gets a page, and a 403 at each question."""
    plurals = frozenset(kind.plural for kind in BUILT_IN)
    page = preflight(fitting(forbidden=plurals, kinds=BUILT_IN + OPTIONAL), tmp_path)
    assert page.code == 0
    for question in ("GPUs", "RuntimeClass", "StorageClasses", "Pod Security", "name servers",
                     "PriorityClass", "releases"):  # fmt: skip
        assert "not allowed to read (403)" in page.line(f"? {question}")
    assert page.line("ok ScaledObject")
    assert page.text.count("(403): kubectl get secret") == 2


@pytest.mark.parametrize(
    "key",
    [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
        "node.cloudprovider.kubernetes.io/uninitialized",
    ],
)
def test_a_node_that_takes_no_pods_offers_nothing(tmp_path: Path, key: str) -> None:
    """Kubernetes' own taints tell of it; GPUs that nobody can reach are not free."""
    away = node("gpu-1", H100, taints=[{"key": key, "effect": "NoSchedule"}])
    page = preflight(fitting(away), tmp_path)
    assert "8 of 8 nvidia.com/gpu free" in page.line("set GPUs")
    assert page.line("ok GPU taints")


def test_a_slice_is_no_whole_gpu(tmp_path: Path) -> None:
    """Where only the resource tells of slices, the product's own profile would not fit them."""
    slices = node("m", H100, 56, "nvidia.com/mig-1g.10gb")
    page = preflight(without(fitting(slices), "Secret"), tmp_path)
    assert "56 of 56 nvidia.com/mig-1g.10gb" in page.line("note GPUs")
    assert "8 of 8 nvidia.com/gpu free" in page.line("set GPUs")


def test_pods_that_may_not_be_read(tmp_path: Path) -> None:
    """What is in use is unknown then; a slice of a GPU has no profile."""
    slices = node("m", f"{H100}-MIG-3g.40gb", 16, "nvidia.com/mig-3g.40gb")
    page = preflight(fitting(slices, forbidden=frozenset({"pods"})), tmp_path)
    assert "8 nvidia.com/gpu, in use unknown" in page.line("set GPUs")
    assert "16 nvidia.com/mig-3g.40gb, in use unknown" in page.line("note GPUs")
    assert "no profile is tuned for it" in page.line("note GPUs")


@pytest.mark.parametrize(
    ("product", "profile"),
    [
        ("NVIDIA-H200", "h200"),
        ("NVIDIA-B200", "b200"),
        ("NVIDIA-A100-SXM4-80GB", "a100-80g"),
        ("NVIDIA-A100-80GB-PCIe", "a100-80g"),
        ("nvidia-h100-80gb", "h100"),
        ("NVIDIA-A100-SXM4-40GB", ""),
        ("NVIDIA-GB200", ""),
        ("NVIDIA-L40", ""),
    ],
)
def test_products_and_their_profiles(product: str, profile: str) -> None:
    """A product's label names a profile that is there, or none."""
    script = f'eval "$(sed -n "/^profile_of/,/^}}/p" {SCRIPT})"; profile_of {product}'
    found = subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == profile
    profiles = {path.stem for path in (ROOT / "serving/engine/profiles").glob("*.yaml")}
    assert profile in {*profiles, ""}


def test_a_cluster_that_does_not_answer(tmp_path: Path) -> None:
    """The code is 2, and one sentence says what to do."""
    page = call(environment(tmp_path, "http://127.0.0.1:9"))
    assert (page.code, page.text) == (2, "")
    assert page.errors.startswith("The cluster cannot be asked: ")
    assert "Set KUBECONFIG" in page.errors


def test_unknown_options_and_help(tmp_path: Path) -> None:
    """A misspelt option is refused by name; --help asks nobody."""
    variables = environment(tmp_path, "http://127.0.0.1:9")
    wrong = call(variables, "--namespaces")
    assert (wrong.code, wrong.errors) == (
        2,
        "Unknown option --namespaces: see deploy/preflight.sh --help.\n",
    )
    assert "--release NAME" in call(variables, "--help").text

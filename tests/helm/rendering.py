"""The chart as Helm renders it: its objects, its notes, or the sentence by which it refuses."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm" / "qwen3-vl"
CI_FILES: Final = sorted((CHART / "ci").glob("*.yaml"))
PROGRAMS: Final = ROOT / ".venv" / "chart" / "bin"
HELMS: Final = ("3", "4")
KUBES: Final = tuple(f"1.{minor}" for minor in range(30, 38))
# What a cluster has that lacks nothing the chart can use.
ALL_APIS: Final = (
    "keda.sh/v1alpha1/ScaledObject",
    "keda.sh/v1alpha1/TriggerAuthentication",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "gateway.networking.k8s.io/v1/HTTPRoute",
    "inference.networking.k8s.io/v1/InferencePool",
)
WAIT_SECONDS: Final = 60.0
# After and before the sentence with which a template stops.
HINT: Final = "\n\nUse --debug flag"
PLACE: Final = re.compile(r"^.*?execution error at \([^)]*\): ", re.DOTALL)

Json = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """All objects of a release, hooks included, in Helm's order."""

    objects: list[Json]

    def all(self, kind: str) -> list[Json]:
        """Return the objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Json:
        """Return the only object of a kind, or the one of a name; fails where it is not one."""
        found = [each for each in self.all(kind) if name in (None, each["metadata"]["name"])]
        names = [f"{each['kind']}/{each['metadata']['name']}" for each in self.objects]
        assert len(found) == 1, f"{len(found)} of {kind} {name or ''} among {names}"
        return found[0]


@dataclass(frozen=True)
class _Request:
    """What is rendered: one chart with values, for one cluster and one release."""

    values: Mapping[str, Any] | None
    files: tuple[Path, ...]
    helm: str = "4"
    kube: str = "1.34"
    apis: Sequence[str] = ALL_APIS
    release: str = "demo"
    namespace: str = "models"

    def run(self, chart: Path = CHART) -> subprocess.CompletedProcess[str]:
        """Have Helm render; values come after the files and win."""
        words = ["template", self.release, str(chart), "--namespace", self.namespace]
        words += ["--kube-version", self.kube]
        words += [word for api in self.apis for word in ("--api-versions", api)]
        words += [word for file in self.files for word in ("--values", str(file))]
        return run_helm(self.helm, *words, "--values", "-", values=self.values)


def render(values: Mapping[str, Any] | None = None, *files: Path, **how: Any) -> Rendered:
    """Return the release's objects; fails with Helm's sentence where it refuses.

    `how`: helm ("4"), kube ("1.34"), apis (ALL_APIS), release ("demo"), namespace ("models").
    """
    return Rendered(parse(_succeed(_Request(values, files, **how).run())))


def notes(values: Mapping[str, Any] | None = None, *files: Path, **how: Any) -> str:
    """Return what Helm prints after an installation; takes what `render` takes."""
    with TemporaryDirectory() as folder:
        chart = Path(folder) / "qwen3-vl"
        shutil.copytree(CHART, chart)
        # `helm template` leaves notes out, and `helm install` takes no --api-versions.
        (chart / "templates" / "NOTES.txt").rename(chart / "NOTES.txt")
        shown = 'notes: {{ tpl (.Files.Get "NOTES.txt") . | toJson }}\n'
        (chart / "templates" / "notes.yaml").write_text(f"kind: Notes\n{shown}")
        rendered = Rendered(parse(_succeed(_Request(values, files, **how).run(chart))))
    return str(rendered.all("Notes")[0]["notes"])


def refusal(values: Mapping[str, Any] | None = None, *files: Path, **how: Any) -> str:
    """Return the sentence by which the chart refuses; takes what `render` takes."""
    done = _Request(values, files, **how).run()
    assert done.returncode != 0, "Helm renders what it should refuse"
    said = done.stderr[done.stderr.index("Error: ") :].removeprefix("Error: ")
    return PLACE.sub("", said.partition(HINT)[0]).strip()


def run_helm(
    helm: str, *words: str, values: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Helm 3 or 4 with values at its standard input, far from any cluster."""
    return subprocess.run(
        [find_program(f"helm{helm}"), *words],
        input=json.dumps(values or {}),
        env={**os.environ, "KUBECONFIG": os.devnull},
        capture_output=True, text=True, check=False, timeout=WAIT_SECONDS,
    )  # fmt: skip


def find_program(name: str) -> str:
    """Return helm3, helm4, kubectl or checkov; skip where it is missing."""
    program = PROGRAMS / name
    if not program.exists():
        pytest.skip(f"{name} is not installed; enable: make setup-check")
    return str(program)


def parse(text: str) -> list[Json]:
    """Return the objects of a YAML stream; fails where a key is there twice."""
    return [each for each in yaml.load_all(text, _Loader) if each]


class _Loader(yaml.CSafeLoader):
    """Refuses what the API server refuses and PyYAML lets pass: a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep)
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        assert not twice, f"{twice} are there twice, {node.start_mark}"
        return mapping


def _succeed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout

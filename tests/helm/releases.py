"""The releases that checks are held to: defaults, scenarios, environments, and all at once."""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.helm.rendering import CI_FILES, KUBES, ROOT, Json, Rendered, notes, render

ENVIRONMENTS: Final = sorted((ROOT / "deploy" / "environments").glob("*.yaml"))
# A version that every case below is meant for.
KUBE: Final = "1.35"
INSTRUCT: Final = "Qwen/Qwen3-VL-8B-Instruct"
# Every optional part of the chart in one release, with two pools that differ in how they run.
EVERYTHING: Final[Json] = {
    "commonLabels": {"team": "vision"},
    "imageRegistry": "mirror.example.org/hub",
    "imagePullSecrets": [{"name": "registry"}],
    "image": {"digest": f"sha256:{7:064x}"},
    "pools": {
        "thinking": {
            "inferencePool": {"enabled": True},
            "route": {
                "enabled": True,
                "parentRefs": [{"name": "public", "namespace": "gateways"}],
                "hostnames": ["thinking.example.org"],
            },
        },
        "instruct": {
            "settings": {"engine": {"model": INSTRUCT}},
            "gateway": {"nativeSidecar": False},
            "ingress": {
                "enabled": True,
                "host": "instruct.example.org",
                "tlsSecret": "instruct-certificate",
            },
        },
    },
    "pool": {
        "weights": {"claim": {"accessMode": "ReadWriteMany"}, "downloadJob": True},
        "scheduling": {"runtimeClassName": "nvidia", "priorityClassName": "serving"},
        "scaling": {"enabled": True, "minReplicas": 2},
    },
    "keys": {"existingSecret": "hashed-keys"},
    "store": {"existingSecret": "database"},
    "clientKey": {"existingSecret": "a-key"},
    "huggingFace": {"tokenSecret": "hub"},
    "networkPolicy": {"store": [{"podSelector": {"matchLabels": {"app": "postgres"}}}]},
    "monitoring": {
        "podMonitor": {"enabled": True},
        "rules": {"enabled": True},
        "dashboards": {"enabled": True},
    },
    "loadtest": {"enabled": True, "resultsClaim": "reports"},
}


@dataclass(frozen=True)
class Case:
    """Values and files of one release, and the oldest Kubernetes that it is meant for."""

    values: Json = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    oldest: str = KUBES[0]

    def given(self) -> str:
        """Return all that the release was given, as text."""
        return "".join(path.read_text() for path in self.files) + yaml.safe_dump(self.values)


IMAGE: Final[Json] = {"repository": "models/qwen3-vl-8b-thinking", "tag": "2026-05"}
CASES: Final = {
    "defaults": Case(),
    "everything": Case(EVERYTHING),
    "weights-in-an-image": Case(
        {"pool": {"weights": {"source": "image", "image": IMAGE}}}, (), "1.35"
    ),
    "weights-of-each-pod": Case({"pool": {"weights": {"source": "ephemeral"}}}),
    **{path.stem: Case(files=(path,)) for path in (*CI_FILES, *ENVIRONMENTS)},
}


def release(case: str, helm: str = "4", kube: str = KUBE) -> Rendered:
    """Return a release as Helm renders it; rendered once for all tests, so never to be changed."""
    return _cached(case, helm, kube)


@functools.cache
def _cached(case: str, helm: str, kube: str) -> Rendered:
    return render(CASES[case].values, *CASES[case].files, helm=helm, kube=kube)


@functools.cache
def release_notes(case: str) -> str:
    """Return what Helm prints after installing a release."""
    return notes(CASES[case].values, *CASES[case].files, kube=KUBE)


def changed(thing: Json, path: str, value: Any) -> Json:
    """Return a copy of an object with another value at a path of keys and indices."""
    key, _, rest = path.partition(".")
    index: Any = int(key) if isinstance(thing, list) else key
    copy: Any = list(thing) if isinstance(thing, list) else dict(thing)
    copy[index] = changed(copy[index], rest, value) if rest else value
    return copy

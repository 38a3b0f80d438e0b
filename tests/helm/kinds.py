"""Kubernetes' own kinds, held to the strict schemas of each of its versions."""

import functools
import json
import re
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
from jsonschema_rs import Draft202012Validator, Registry

SCHEMAS: Final = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
# Where the schemas of a version refer to for what they share.
SHARED: Final = "https://kubernetes.io/api/_definitions.json"
# Group and version in a schema's file name: the group's first part alone.
GROUP_VERSION: Final = re.compile(r"^([^./]*)(?:\.[^/]*)?/")

Json = dict[str, Any]


def violations(thing: Json, kube: str) -> list[str]:
    """Say what a version of Kubernetes would refuse or drop; fails for a kind that it lacks."""
    validator = _validator(thing["apiVersion"], thing["kind"], kube)
    return [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in validator.iter_errors(thing)
    ]


@functools.cache
def _validator(api_version: str, kind: str, kube: str) -> Draft202012Validator:
    name = GROUP_VERSION.sub(r"\1-", api_version)
    path = SCHEMAS / f"v{kube}.0-local-strict" / f"{kind.lower()}-{name}.json"
    assert path.exists(), f"Kubernetes {kube} has no {kind} of {api_version}"
    return Draft202012Validator(json.loads(path.read_text()), registry=_registry(kube))


@functools.cache
def _registry(kube: str) -> Registry:
    shared = json.loads((SCHEMAS / f"v{kube}.0-local-strict" / "_definitions.json").read_text())
    return Registry([(SHARED, shared)])

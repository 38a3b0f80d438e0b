"""Checkov finds nothing in a rendered object but what is listed here with a reason."""

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import yaml

from tests.helm.releases import CASES, release
from tests.helm.rendering import WAIT_SECONDS, Json, find_program


class Skip(NamedTuple):
    """A check that may fail: for objects of which kinds, and why that is right."""

    kinds: frozenset[str]
    reason: str


EVERY_POD: Final = frozenset({"Deployment", "Job", "Pod"})
SKIPPED: Final = {
    "CKV_K8S_8": Skip(
        frozenset({"Pod"}),
        "The pod of `helm test` asks its questions once and ends: its exit code is the verdict.",
    ),
    "CKV_K8S_9": Skip(
        frozenset({"Deployment", "Pod"}),
        "Readiness of a pod is the gateway's to tell, which knows its engine's; a test has none.",
    ),
    "CKV_K8S_11": Skip(
        EVERY_POD,
        "A limit of CPU throttles in the midst of a token; what is reserved bounds the neighbours.",
    ),
    "CKV_K8S_15": Skip(
        EVERY_POD,
        "Images have one version, so a restart needs no registry; Always would make it need one.",
    ),
    "CKV_K8S_22": Skip(
        frozenset({"Deployment"}),
        "NVIDIA's hook writes into the engine's root; engine.readOnlyRootFilesystem closes it.",
    ),
    "CKV_K8S_35": Skip(
        frozenset({"Deployment", "Job"}),
        "The database's URL and the hub's token are read as variables by those who use them.",
    ),
    "CKV_K8S_40": Skip(
        frozenset({"Deployment", "Pod"}),
        "security.runAsUser null leaves the user to OpenShift, which gives each namespace its own.",
    ),
    "CKV_K8S_43": Skip(
        EVERY_POD,
        "Digests are values that win over tags; that of an image not yet built has no default.",
    ),
}
# What nobody should run, and some of the checks that say so.
OPEN: Final[Json] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "open", "namespace": "default"},
    "spec": {
        "hostNetwork": True,
        "containers": [{"name": "a", "image": "a", "securityContext": {"privileged": True}}],
    },
}
SAID_OF_OPEN: Final = {"CKV_K8S_14", "CKV_K8S_16", "CKV_K8S_19", "CKV_K8S_20", "CKV_K8S_28"}

Failures = Mapping[str, set[tuple[str, str]]]


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Failures:
    """Return what fails, by the name of the release: pairs of a check and an object's kind."""
    folder = tmp_path_factory.mktemp("releases")
    (folder / "open.yaml").write_text(yaml.safe_dump(OPEN))
    for case in CASES:
        (folder / f"{case}.yaml").write_text(yaml.safe_dump_all(release(case).objects))
    found = defaultdict(set)
    for each in check(folder):
        kind = each["resource"].partition(".")[0]
        found[Path(each["file_path"]).stem].add((each["check_id"], kind))
    return found


def check(folder: Path) -> list[Json]:
    """Run checkov over a folder's files; it asks neither for updates nor for its maker's texts."""
    words = [find_program("checkov"), "--directory", str(folder), "--framework", "kubernetes"]
    done = subprocess.run(
        [*words, "--skip-download", "--quiet", "--compact", "--output", "json"],
        env={**os.environ, "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"},
        capture_output=True, text=True, check=False, timeout=WAIT_SECONDS,
    )  # fmt: skip
    results: list[Json] = json.loads(done.stdout)["results"]["failed_checks"]
    return results


@pytest.mark.parametrize("case", CASES)
def test_no_check_fails_without_a_reason(case: str, failures: Failures) -> None:
    """What checkov finds in a release is listed above for that kind of object."""
    unexplained = {
        (name, kind)
        for name, kind in failures[case]
        if name not in SKIPPED or kind not in SKIPPED[name].kinds
    }
    assert unexplained == set()


@pytest.mark.parametrize("name", SKIPPED)
def test_no_skip_is_superfluous(name: str, failures: Failures) -> None:
    """Each skipped check fails in some release for each of the kinds it is skipped for."""
    failed = {kind for case in CASES for found, kind in failures[case] if found == name}
    assert failed == SKIPPED[name].kinds
    assert SKIPPED[name].reason.endswith(".")


def test_what_nobody_should_run_is_found(failures: Failures) -> None:
    """Checkov ran with its checks in place."""
    assert {name for name, _ in failures["open"]} >= SAID_OF_OPEN

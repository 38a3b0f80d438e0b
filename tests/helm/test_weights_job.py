"""The Job's own command line and environment, run against a hub, and the engine that finds it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from serving.engine.weights import TINY_FOLDER
from tests.helm.pods import containers_of, environment_of, pod_of, settings_of
from tests.helm.rendering import ROOT, WAIT_SECONDS, Json, Rendered, render
from tests.serving.engine import hub_server
from tests.serving.engine.hub_server import Hub, Repository

pytest.importorskip("huggingface_hub", reason="huggingface_hub is missing; enable: make test")
MODEL = "some/tiny"
USER = 10001
IDENTITY = (
    shutil.which("setpriv") or "setpriv",
    f"--reuid={USER}",
    f"--regid={USER}",
    "--clear-groups",
)
# Lets that user start an interpreter that lies in root's home; it may write no more than before.
READING = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")


@dataclass(frozen=True)
class Node:
    """A folder that stands for a node's file system, and the words that make a user of no name."""

    folder: Path
    identity: tuple[str, ...]

    def volume(self, path: str) -> Path:
        """Return where a container's path lies here."""
        return self.folder / path.lstrip("/")

    def environment(self, container: Json) -> dict[str, str]:
        """Return a container's environment with its paths as they are here, and nothing else."""
        found = {"PATH": str(Path(sys.executable).parent)}
        for name, value in environment_of(container).items():
            text = value if isinstance(value, str) else "hf_of-the-secret"
            found[name] = str(self.volume(text)) if text.startswith("/") else text
        return found

    def run(self, container: Json, *words: str, **change: str) -> subprocess.CompletedProcess[str]:
        """Run a container's command with more words, in a folder that nobody writes."""
        command = [*container["command"], *words]
        program = shutil.which(command[0], path=str(Path(sys.executable).parent))
        return subprocess.run(
            [*self.identity, str(program), *command[1:]],
            cwd=self.volume("/app"), env=self.environment(container) | change,
            capture_output=True, text=True, check=False, timeout=WAIT_SECONDS,
        )  # fmt: skip


@pytest.fixture(name="node")
def _node() -> Iterator[Node]:
    """A node whose volumes belong to the pod's user; pytest's own folders are closed to him."""
    with TemporaryDirectory() as name:
        node = Node(Path(name), _identity())
        node.folder.chmod(0o755)
        for path in ("/weights", "/cache", "/tmp"):  # noqa: S108 — within the folder
            node.volume(path).mkdir()
            if node.identity:
                os.chown(node.volume(path), USER, USER)
        node.volume("/app").mkdir()
        (node.volume("/app") / "serving").symlink_to(ROOT / "serving")
        (node.volume("/launcher")).symlink_to(ROOT)
        node.volume("/app").chmod(0o555)
        yield node


def _identity() -> tuple[str, ...]:
    """Return the words before a command that make it another user's, none where nobody is root."""
    if os.getuid():
        return ()
    ways = ((*IDENTITY, *READING), IDENTITY)
    asked = ([*way, sys.executable, "-c", "import huggingface_hub"] for way in ways)
    works = (subprocess.run(ask, capture_output=True, check=False).returncode == 0 for ask in asked)
    return next(way for way, good in zip(ways, works, strict=True) if good)


@pytest.fixture(name="repository")
def _repository() -> Repository:
    """The tiny model's checkpoint, as a hub would hold it."""
    return Repository({path.name: path.read_bytes() for path in TINY_FOLDER.iterdir()})


@pytest.fixture(name="rendered")
def _rendered(repository: Repository) -> Iterator[Rendered]:
    """The chart with that hub for its mirror."""
    with Hub(repository) as hub:
        engine = {"model": MODEL, "revision": hub_server.COMMIT, "profile": "cpu"}
        pool = {
            "settings": {"engine": engine},
            "engine": {"gpuResource": ""},
            "weights": {"downloadJob": True},
        }
        yield render({"huggingFace": {"endpoint": hub.url, "tokenSecret": "hub"}, "pool": pool})


def job_container(rendered: Rendered) -> Json:
    """Return the Job's container."""
    [container] = rendered.one("Job")["spec"]["template"]["spec"]["containers"]
    return dict(container)


def closed(folder: Path) -> None:
    """Take the right to write away from everybody, as a read-only mount does."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def test_what_the_job_fetches_the_engine_finds(
    node: Node, rendered: Rendered, repository: Repository
) -> None:
    """A user without name, home and writable folder fills the claim; the engine only reads it."""
    job = job_container(rendered)
    fetched = node.run(job, HOME="/nonexistent")
    assert fetched.returncode == 0, fetched.stderr
    assert f"{MODEL} is complete" in fetched.stdout
    assert "Bearer hf_of-the-secret" in repository.tokens

    repository.requests.clear()
    closed(node.volume("/weights"))
    containers = containers_of(pod_of(rendered))
    waited = node.run(containers["weights"])
    assert waited.stdout == fetched.stdout, waited.stderr

    config = node.folder / "settings.yaml"
    settings = settings_of(rendered)
    settings["engine"]["listen"] = str(node.folder / "engine.sock")
    config.write_text(yaml.safe_dump(settings))
    engine = {**containers["engine"], "command": containers["engine"]["command"][:-1]}
    planned = node.run(engine, str(config), "--dry-run")
    assert planned.returncode == 0, planned.stderr
    snapshot = f"hub/hub/models--some--tiny/snapshots/{hub_server.COMMIT}"
    assert f"--model {node.volume('/weights') / snapshot}" in planned.stdout
    assert repository.requests == []


def test_a_claim_that_nobody_may_write_is_a_sentence(node: Node, rendered: Rendered) -> None:
    """A volume without fsGroup is the most frequent mistake: the log says which folder it is."""
    node.volume("/weights").chmod(0o555)
    refused = node.run(job_container(rendered))
    assert refused.returncode == 1
    assert f"Not done: The model cache {node.volume('/weights')}" in refused.stderr
    assert "Traceback" not in refused.stderr

"""What the gateway's image runs: its own distributions alone, as its user, writing nowhere."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from serving.ports import free_ports
from tests.deploy import dockerfile, environment

ROOT = Path(__file__).parents[2]
PINS = ROOT / "deploy" / "requirements" / "gateway.txt"
WAIT_SECONDS = 60
SETTINGS = """
engine: {{model: Qwen/Qwen3-VL-8B-Thinking, profile: h100, listen: {run}/engine/engine.sock}}
gateway: {{keys_file: {keys}}}
store: {{usage: false}}
"""
# Loaded by vLLM, by the engine's processes, which have torch, and by Alembic.
OF_OTHERS = {
    "serving.__main__",
    "serving.engine.reasoning_parser",
    "serving.engine.torchvision_ops",
    "serving.engine.shims.sitecustomize",
    "serving.store.migrations.env",
}
# Everything is read only for the program but two folders; it is user 10001, without a name.
SANDBOX = """
mount -o remount,bind,ro /
mount -t tmpfs tmpfs "$0/run" && mount -t tmpfs tmpfs "$0/tmp"
exec unshare --user --map-user=10001 --map-group=10001 "$@"
"""


@dataclass(frozen=True)
class Image:
    """The image's files below a folder, and the programs that run in it."""

    root: Path
    variables: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def entrypoint(self) -> list[str]:
        """What the image starts, with its own Python."""
        word, *rest = dockerfile.stages()["gateway"].command("ENTRYPOINT")
        return [str(self.root / "venv" / "bin" / word), *rest]

    def run(self, *words: str, **change: str) -> subprocess.CompletedProcess[str]:
        """Run a sub-command to its end."""
        return subprocess.run(
            [*self.entrypoint, *words],
            cwd=self.root / "app",
            env=self.variables | change,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )

    def python(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the test's own."""
        return subprocess.run(
            [self.entrypoint[0], "-c", program],
            cwd=self.root / "app",
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )

    def start(self, prefix: list[str], *words: str, **change: str) -> subprocess.Popen[bytes]:
        """Start a sub-command behind a prefix that changes what it may."""
        process = subprocess.Popen(
            [*prefix, *self.entrypoint, *words],
            cwd=self.root / "app",
            env=self.variables | change,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.started.append(process)
        return process


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Make what the image has: sources as its stage makes them, packages by gateway.txt alone."""
    root = tmp_path_factory.mktemp("image")
    dockerfile.make_sources(root / "sources")
    shutil.move(root / "sources" / "gateway", root / "app")
    environment.make(root / "venv", environment.pins(PINS))
    for name in ("run", "tmp"):
        (root / name).mkdir()
    own = {**dockerfile.stages()["base"].environment, **dockerfile.stages()["gateway"].environment}
    variables = own | {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": str(root / "tmp")}
    made = Image(root, variables)
    yield made
    for process in made.started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def settings(image: Image) -> Path:
    """Write a file of keys, made by the image itself, and settings that name it."""
    entry = image.run("keys", "hash", "alice", "--new")
    keys = image.root / "keys.yaml"
    keys.write_text(f"keys:\n{entry.stdout}")
    path = image.root / "settings.yaml"
    path.write_text(SETTINGS.format(run=image.root / "run", keys=keys))
    return path


def sandbox(root: Path) -> list[str]:
    """Return the prefix that takes a program's rights; skip where this machine allows no such."""
    prefix = ["unshare", "--mount", "sh", "-euc", SANDBOX, str(root)]
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"namespaces are not allowed here: {tried.stderr.strip()}")
    return prefix


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until a condition holds while a program runs."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.1)


def test_it_has_no_model_and_no_heavy_package(image: Image) -> None:
    """The tiny model comes with its own target; torch and vLLM with none."""
    assert not (image.root / "app" / "serving" / "tiny_model").exists()
    assert (image.root / "sources" / "tiny_model" / "checkpoint" / "config.json").is_file()
    names = ("vllm", "torch", "transformers", "numpy", "pip", "locust")
    asked = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    assert image.python(asked).stdout == "[]\n"


def test_every_module_loads(image: Image) -> None:
    """Nothing that is in the image lacks a distribution, but what vLLM itself loads."""
    sources = sorted((image.root / "app").rglob("*.py"))
    names = [
        ".".join(path.relative_to(image.root / "app").with_suffix("").parts) for path in sources
    ]
    wanted = {name.removesuffix(".__init__") for name in names} - OF_OTHERS
    assert {"serving.gateway.app", "serving.engine.hub", "serving.store.database"} <= wanted
    program = f"import importlib\nfor name in {sorted(wanted)}: importlib.import_module(name)"
    loaded = image.python(program)
    assert loaded.returncode == 0, loaded.stderr


@pytest.mark.parametrize("words", [["--help"], ["settings"], ["weights", "--help"]], ids=" ".join)
def test_its_commands_end_well(image: Image, words: list[str]) -> None:
    """Each with the image's distributions alone."""
    ended = image.run(*words)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout


def test_verify_says_that_nobody_answers(image: Image) -> None:
    """The chart's test hook runs it from this image."""
    [port] = free_ports(1)
    ended = image.run("verify", f"http://127.0.0.1:{port}")
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    assert f"127.0.0.1:{port}" in ended.stdout + ended.stderr


def test_it_makes_keys(image: Image) -> None:
    """The entry goes to the file, the key itself to the terminal."""
    ended = image.run("keys", "hash", "alice", "--new")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("- name: alice\n  digest: sha256:")


def test_it_refuses_to_start_without_keys(image: Image) -> None:
    """Its address is open to all, so that it asks for a source of keys."""
    ended = image.run(*dockerfile.stages()["gateway"].command("CMD"), MODEL="tiny")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Cannot start: ")
    assert "gateway.keys_file" in ended.stderr


def test_it_serves_as_its_user_and_writes_nowhere(image: Image, settings: Path) -> None:
    """The root file system is read only, the home missing, the user without a name."""
    port, admin_port = free_ports(2)
    ports = {"HOST": "127.0.0.1", "PORT": str(port), "ADMIN_PORT": str(admin_port)}
    words = ("gateway", "--config", str(settings))
    process = image.start(sandbox(image.root), *words, **ports)
    health = f"http://127.0.0.1:{admin_port}/healthz"

    def is_healthy() -> bool:
        with suppress(OSError):
            return urllib.request.urlopen(health, timeout=5).status == 200
        return False

    wait_for(is_healthy, process)
    mounts = [
        line.split() for line in Path(f"/proc/{process.pid}/mountinfo").read_text().splitlines()
    ]
    assert [mount[5].split(",")[0] for mount in mounts if mount[4] == "/"] == ["ro"]
    assert Path(f"/proc/{process.pid}/uid_map").read_text().split()[0] == "10001"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 401 " in client.recv(64)

    [check] = dockerfile.stages()["gateway"].all("HEALTHCHECK")
    word, *rest = json.loads(check.partition("CMD ")[2])
    python = str(image.root / "venv" / "bin" / word)
    asked = [python, *(part.replace(":9000/", f":{admin_port}/") for part in rest)]
    assert subprocess.run(asked, env=image.variables, check=False).returncode == 0

    process.terminate()
    output, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, output
    assert (
        subprocess.run(
            asked, env=image.variables, stderr=subprocess.DEVNULL, check=False
        ).returncode
        == 1
    )
    assert b"Traceback" not in output

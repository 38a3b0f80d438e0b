"""Our launcher in vLLM's official image: what vLLM itself requires is all that it may need."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from serving.engine import build, launcher
from tests.deploy import dockerfile, environment

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 300
SETTINGS = """
engine: {{model: Qwen/Qwen3-VL-8B-Thinking, profile: h100, listen: {run}/engine.sock}}
gateway: {{keys_file: /etc/qwen3-vl-keys/keys.yaml}}
store: {{usage: false}}
"""
# What vLLM's process does at its start: its entry point, then the plugin by its own loader.
LOADED = """
import importlib, sys
import sitecustomize
importlib.import_module(sys.argv[3])
print(sitecustomize.__file__)
from vllm.reasoning import ReasoningParserManager
ReasoningParserManager.import_reasoning_parser(sys.argv[1])
print(ReasoningParserManager.get_reasoning_parser(sys.argv[2]).__name__)
"""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None,
    reason="vLLM 0.32.0 is not installed; enable: make test",
)


@dataclass(frozen=True)
class Container:
    """A folder with the copy, and a Python that has vLLM and what it requires, nothing else."""

    root: Path
    command: list[str]

    @property
    def copy(self) -> Path:
        """What is on PYTHONPATH."""
        return self.root / "launcher"

    def run(self, *words: str, **change: str) -> subprocess.CompletedProcess[str]:
        """Run Python with the container's variables."""
        variables = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "USER": "serving"}
        variables |= {"TMPDIR": str(self.root / "tmp"), "PYTHONPATH": str(self.copy)}
        return subprocess.run(
            [self.command[0], *words],
            cwd=self.root,
            env=variables | {"PYTHONDONTWRITEBYTECODE": "1"} | change,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )

    def serving(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of our sub-commands as the pod does."""
        path = self.root / "settings.yaml"
        path.write_text(SETTINGS.format(run=self.root / "run"))
        return self.run(*self.command[1:-3], *words, "--config", str(path))


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Container:
    """Copy the launcher by the command of compose.yaml, out of sources made as for the image."""
    root = tmp_path_factory.mktemp("engine")
    dockerfile.make_sources(root / "sources")
    shutil.move(root / "sources" / "gateway", root / "app")
    for name in ("tmp", "launcher"):
        (root / name).mkdir()
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    *shell, copied = services["launcher"]["entrypoint"]
    assert shell == ["sh", "-c"]
    for _ in range(2):  # a second start finds what the first has left
        subprocess.run(["/bin/sh", "-c", dockerfile.below(root, copied)], check=True)
    [vllm] = build.installed_builds()
    python = environment.make(root / "venv", environment.closure(vllm))
    return Container(root, [str(python), *services["engine"]["entrypoint"][1:]])


def test_the_environment_is_vllms_alone(container: Container) -> None:
    """What only the gateway requires is not there, so that these tests can fail."""
    names = ("sqlalchemy", "alembic", "psycopg", "av", "locust", "serving.tiny_model")
    asked = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    assert container.run("-c", asked).stdout == "[]\n"
    assert (container.copy / "serving" / "__main__.py").is_file()


def test_the_launcher_plans_its_start(container: Container) -> None:
    """Shims come first on the path of all engine processes, our code after them."""
    planned = container.serving("engine", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    words = shlex.split(planned.stdout.partition("\n\n")[0])
    shims = container.copy / "serving" / "engine" / "shims"
    assert f"PYTHONPATH={shims}{os.pathsep}{container.copy}" in words
    assert words[words.index("--reasoning-parser-plugin") + 1] == str(
        container.copy / "serving" / "engine" / "reasoning_parser.py"
    )


def test_drain_says_that_no_gateway_listens(container: Container) -> None:
    """The preStop hook runs in the engine's container."""
    ended = container.serving("drain")
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"Not done: No gateway listens on {container.root}/run/control.sock"
    )
    assert container.serving("drain", "--help").returncode == 0


def test_vllm_loads_the_parser_from_the_copy(container: Container) -> None:
    """Its server and our plugin load in a process whose first path entry is the shims' folder."""
    engine = container.copy / "serving" / "engine"
    planned = container.serving("engine", "--dry-run")
    words = shlex.split(planned.stdout.partition("\n\n")[0])
    [path] = [word.partition("=")[2] for word in words if word.startswith("PYTHONPATH=")]
    name = words[words.index("--reasoning-parser") + 1]
    program = container.root / "loaded.py"
    program.write_text(LOADED)
    plugin = str(engine / "reasoning_parser.py")
    loaded = container.run("-P", str(program), plugin, name, launcher.ENTRY, PYTHONPATH=path)
    assert loaded.returncode == 0, loaded.stderr
    shim, parser = loaded.stdout.splitlines()[-2:]
    assert shim == str(engine / "shims" / "sitecustomize.py")
    assert parser == "Qwen3VLThinkingReasoningParser"

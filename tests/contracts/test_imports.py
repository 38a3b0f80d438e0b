"""Who imports what: the gateway's image holds neither vLLM nor PyTorch."""

import ast
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import serving
import serving.gateway

ROOT = Path(serving.__file__).parents[1]
HEAVY = {"vllm", "torch", "torchvision", "transformers"}
# What only a gateway with a collector for its traces spends time and memory on.
ONLY_TRACED = {"opentelemetry", "requests", "google"}
# The programs that run inside the engine's process, and the model that is made with PyTorch.
MAY_BE_HEAVY = (
    "serving/engine/reasoning_parser.py",
    "serving/engine/torchvision_ops.py",
    "serving/tiny_model/",
)


def imported(source: Path) -> Iterator[str]:
    """Name every module that a file imports, also within functions."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_the_engines_own_programs_import_heavy_packages() -> None:
    """Everything else starts in a fraction of a second and installs without them."""
    heavy = {
        str(source.relative_to(ROOT))
        for source in (ROOT / "serving").rglob("*.py")
        if HEAVY & {name.split(".")[0] for name in imported(source)}
    }
    assert {name for name in heavy if not name.startswith(MAY_BE_HEAVY)} == set()
    assert heavy, "the engine's own programs are found"


def test_the_gateway_knows_neither_engine_programs_nor_tiny_model() -> None:
    """What is not in the gateway's image is not imported, not even within a function."""
    sources = sorted((ROOT / "serving" / "gateway").rglob("*.py"))
    assert len(sources) > 10
    for source in sources:
        reached = set(imported(source))
        assert not {name for name in reached if name.startswith("serving.tiny_model")}, source
        assert "serving.engine.reasoning_parser" not in reached, source


def test_every_gateway_module_loads_without_heavy_packages() -> None:
    """All modules of the gateway, and the program that starts both parts, load where none is."""
    found = pkgutil.walk_packages(serving.gateway.__path__, "serving.gateway.")
    modules = [*(module.name for module in found), "serving.__main__", "serving.up"]
    assert "serving.gateway.app" in modules
    program = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({sorted(HEAVY)}))  # an import of any of them raises
for name in {modules}:
    importlib.import_module(name)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("command", ["gateway", "up", "drain", "settings"])
def test_a_command_never_loads_heavy_packages(command: str, tmp_path: Path) -> None:
    """The real program, up to its refusal to stand open without keys, imports none of them."""
    environment = {
        **os.environ,
        "HOST": "0.0.0.0",  # noqa: S104 — refused, which ends the program
        "MODEL": "tiny",
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "serving", command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    trace = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in trace}
    assert ended.returncode == (0 if command == "settings" else 1)
    assert {"serving", "pydantic"} <= loaded
    assert not (HEAVY | ONLY_TRACED) & loaded

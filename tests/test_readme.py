"""The README stays true: its commands exist, its settings are known, its tables are the files'."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from serving.settings import OPTIONS, SHORT_NAMES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
OPERATING = (ROOT / "deploy/README.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.fixture
def results() -> ModuleType:
    """The program that writes the results into the README."""
    spec = importlib.util.spec_from_file_location("table", ROOT / "deploy/results/table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["table"] = module
    spec.loader.exec_module(module)
    return module


def test_every_make_target_named_exists() -> None:
    """A reader can paste every `make` word."""
    named = set(re.findall(r"(?:`|\$ |\s)make ([a-z-]+)", README + OPERATING)) - {"help"}
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    assert named, "the README names no make target"
    assert named <= targets


def test_every_sub_command_named_exists() -> None:
    """`python -m serving …` in both pages is what the program offers."""
    named = set(re.findall(r"-m serving ([a-z]+)", README + OPERATING))
    shown = subprocess.run(
        [sys.executable, "-m", "serving", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    assert named
    assert all(re.search(rf"\b{command}\b", shown) for command in named)


def test_every_setting_named_exists() -> None:
    """Options and short variables in the README are those of the settings."""
    named = set(re.findall(r"`((?:engine|gateway|models|store)\.[a-z_]+)`", README + OPERATING))
    assert named
    assert named <= set(OPTIONS)
    in_tables = set(re.findall(r"`((?:max|media|drain)_[a-z_]+)`", OPERATING))
    assert in_tables
    assert in_tables <= {name.partition(".")[2] for name in OPTIONS}
    assert all(f"`{name}`" in README or f"{name}=" in README for name in SHORT_NAMES)


def test_every_proof_named_exists() -> None:
    """What SECURITY.md promises has the tests beside it that it names."""
    named = set(re.findall(r"`(?:tests/[a-z/]+/|inspection/)?(test_[a-z_]+\.py)`", SECURITY))
    assert named
    assert named <= {path.name for path in (ROOT / "tests").rglob("test_*.py")}


def test_the_tables_are_those_of_the_result_files(results: ModuleType) -> None:
    """A figure in the README has a committed file behind it, and no file is missing there."""
    filled = results.filled(README, results.load(), results.load_reliability())
    assert filled == README, "run: python deploy/results/table.py"


def test_a_figure_of_the_tiny_model_never_stands_without_its_name(
    results: ModuleType, tmp_path: Path
) -> None:
    """On a CPU the engine serves the tiny model, so a result that does not say so is refused."""
    row = {
        "claim": "answers",
        "column": "real engine on CPU",
        "model": "",
        "figures": "99 %",
        "command": "make score",
        "machine": "2 cores",
        "date": "2026-11-21",
    }
    (tmp_path / "a.json").write_text(json.dumps(row))
    with pytest.raises(ValueError, match="must be named"):
        results.load(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(row | {"model": "tiny-qwen3-vl"}))
    assert "tiny-qwen3-vl: 99 %" in results.table(results.load(tmp_path))


def test_an_unknown_column_is_refused(results: ModuleType, tmp_path: Path) -> None:
    """A result cannot vanish by a misspelt column."""
    row = dict.fromkeys(("claim", "model", "figures", "command", "machine", "date"), "x")
    (tmp_path / "a.json").write_text(json.dumps(row | {"column": "unit tests"}))
    with pytest.raises(ValueError, match="no column"):
        results.load(tmp_path)

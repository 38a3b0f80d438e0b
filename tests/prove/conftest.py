"""Clients whose pins are not the engine's: programs in an environment of their own ask for them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# One endpoint a run, as beside the tests of the engine.
from tests.engine.conftest import circle, circle_part, collected, endpoint

__all__ = ["circle", "circle_part", "collected", "endpoint"]

FOLDER = Path(__file__).parent
PYTHON = FOLDER.parents[1] / ".venv" / "prove" / "bin" / "python"


@pytest.fixture(scope="session")
def ask(endpoint: Any, circle_part: Callable[..., Any]) -> Callable[[str], dict[str, Any]]:
    """Return what runs a program of this folder and reads the answers it prints."""
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there; enable: make prove")

    def run(program: str) -> dict[str, Any]:
        order = {"url": endpoint.url, "picture": circle_part("red")["image_url"]["url"]}
        ended = subprocess.run(
            [PYTHON, FOLDER / program],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        answers: dict[str, Any] = json.loads(ended.stdout)
        return answers

    return run

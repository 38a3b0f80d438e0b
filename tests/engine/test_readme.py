"""The README's questions, run as they stand there but for the address."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASKED = (ROOT / "README.md").read_text().split("## Ask it")[1].split("\n## ")[0]
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", ASKED, re.DOTALL)


def test_four_ways_are_shown() -> None:
    """The same question is asked with curl and with the three official clients."""
    packages = [re.match(r"from (\w+) import", block) for _, block in BLOCKS]
    assert [m and m[1] for m in packages] == [None, "openai", "openrouter", "anthropic"]


@pytest.mark.parametrize(
    ("language", "block"), BLOCKS, ids=["curl", "openai", "openrouter", "anthropic"]
)
def test_each_way_gets_the_answer(endpoint: Any, language: str, block: str) -> None:
    """What a reader pastes prints the right sum."""
    script = block.replace("http://127.0.0.1:8000", endpoint.url)
    assert script != block
    command = ["bash", "-c", script] if language == "sh" else [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "19" in done.stdout

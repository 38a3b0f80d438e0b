"""The program runs where only the gateway's packages are."""

import ast
import subprocess
import sys
from pathlib import Path

import serving.verify

FOLDER = Path(serving.verify.__file__).parent
ROOT = FOLDER.parents[1]
ABSENT = ("vllm", "torch", "PIL", "numpy", "openai", "anthropic", "httpx", "serving.gateway")


def test_nothing_but_aiohttp_is_imported() -> None:
    """Beside the standard library, its own modules and the program's errors."""
    reached = set()
    for source in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                reached |= {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                reached.add(node.module or "")
    foreign = {name for name in reached if name.split(".")[0] not in sys.stdlib_module_names}
    own = {name for name in foreign if name.startswith("serving.verify")}
    assert foreign - own == {"aiohttp", "serving.failure"}


def test_it_runs_without_the_rest() -> None:
    """Where an import of anything else raises, the command still says what it found."""
    program = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({ABSENT}))  # an import of any of them raises
sys.argv = ["serving", "verify", "http://127.0.0.1:1"]
runpy.run_module("serving", run_name="__main__")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("Cannot verify: No endpoint answers")

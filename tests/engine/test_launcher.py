"""The launcher and the real vLLM: one process after the other, under one number."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Starts the engine with a flag that vLLM refuses, so that it ends before it loads anything.
REFUSED = """
import sys
from serving.engine.launcher import Launch, start, with_shims
from serving.options import EngineSettings
shims = {"PYTHONPATH": with_shims(None)}
start(Launch(EngineSettings(listen=sys.argv[1]), ["--no-such-flag"], shims, []))
"""


@pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None,
    reason="vLLM is not installed; enable: make test",
)
def test_the_launcher_becomes_vllm(tmp_path: Path) -> None:
    """The process that took the lock is vLLM's own: its refusal is the exit status."""
    listen = tmp_path / "run" / "e.sock"
    process = subprocess.Popen(
        [sys.executable, "-c", REFUSED, str(listen)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    _, said = process.communicate(timeout=300)

    assert process.returncode == 2
    assert "--no-such-flag" in said
    assert (listen.parent / "e.sock.lock").read_text() == f"{process.pid}\n"

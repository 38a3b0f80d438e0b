"""Stops what computes in the engine's container, as a hang would: it lives, and nothing moves."""

import os
import signal
import sys
from pathlib import Path

CORE = b"VLLM::EngineCore"

stopped = 0
for process in Path("/proc").glob("[0-9]*"):
    try:
        command = (process / "cmdline").read_bytes()
    except OSError:  # It has ended meanwhile.
        continue
    if command.startswith(CORE):
        os.kill(int(process.name), signal.SIGSTOP)
        stopped += 1
sys.exit(0 if stopped else "no process here is the engine's core")

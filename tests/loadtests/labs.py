"""Starts a load in a process of its own and reads what it tells."""

import json
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

LAB = Path(__file__).parent / "lab.py"
TIMEOUT_SECONDS = 120


@contextmanager
def laboratory(plans):
    """Start the plans' process; it is ended, if need be by force, when the block ends."""
    process = subprocess.Popen(
        [sys.executable, str(LAB), json.dumps(plans)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
        process.wait(TIMEOUT_SECONDS)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def told(process, react=lambda line: None):
    """Read all lines, by plan and kind; `react` sees each as it comes."""
    found = defaultdict(lambda: defaultdict(list))
    for text in process.stdout:
        line = SimpleNamespace(**json.loads(text))
        found[line.plan][line.what].append(line)
        react(line)
    return found


def play(plans):
    """Play the plans to their end and return what was told."""
    with laboratory(plans) as process:
        found = told(process)
    assert process.returncode == 0
    return found

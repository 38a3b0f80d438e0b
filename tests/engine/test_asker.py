"""The end-to-end test's asker, as a program of its own, against the running endpoint."""

import subprocess
import sys
from typing import Any

from tests.engine.conftest import ANSWER_SECONDS, ROOT


def run(*words: str) -> list[str]:
    """Run it from standard input, as it runs in a pod, and return its lines; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-", *words],
        cwd=ROOT,
        input=(ROOT / "deploy" / "e2e" / "asker.py").read_text(),
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout.splitlines()


def test_known_answers(endpoint: Any) -> None:
    """A sum and a picture are answered, each with its thought apart."""
    assert run("ask", endpoint.url) == [
        "answered '7', the thought apart",
        "answered 'red', the thought apart",
    ]


def test_streams_at_the_same_time(endpoint: Any) -> None:
    """Each runs before the first has ended, and all come to their end."""
    assert run("stream", endpoint.url, "--streams", "2") == [
        "all running",
        "2 streams whole, 0 refused, 0 broken",
    ]

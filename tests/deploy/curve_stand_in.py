"""Stands in for endpoint and load test, and runs a curve over them, for the tests beside it.

`serve` answers /readyz as `serving up` does; `load` takes the arguments of `loadtests run`, notes
that it was called, waits, and leaves a summary; `curve FOLDER` plays a plan of three steps.
"""

import os
import sys
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from deploy.benchmarks.gpu_curve.curve import Curve
from deploy.benchmarks.gpu_curve.ledger import Identity, Ledger
from deploy.benchmarks.gpu_curve.plan import PLAN, Step, Times
from deploy.benchmarks.gpu_curve.programs import Commands
from loadtests.result import Summary, write_summary
from tests.loadtests.samples import LOST, VALID, at, change, run_of, step_of

STEPS = PLAN[:3]
IDENTITY = Identity(
    commit="0" * 40,
    clean=True,
    vllm="vllm 0.0.0",
    gpu="NVIDIA Stand-In 1 GB",
    driver="1.2",
    profile="h100",
    model="stand-in",
    revision=None,
    checkpoint=None,
    synthetic=True,
    settings="1234",
    load_seconds=1,
)
# Variables: where the stand-ins note what they did, and the step whose load never ends.
NOTES, SLOW = "STAND_IN_NOTES", "STAND_IN_SLOW"


def summary(*, valid: bool = True, partial: str | None = None, answered: int = 9) -> Summary:
    """Return what a run of one step of nine requests comes to."""
    step = step_of([at(5.0)] * answered + [at(5.0, LOST)] * (9 - answered))
    doubt = change(VALID, valid=False, reasons=("the client was late",))
    return run_of(step, certificate=VALID if valid else doubt, partial=partial, git_commit="0" * 40)


def serve() -> None:
    """Answer that all is ready, for ever."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    _note(f"serve {os.getpid()}")
    HTTPServer((os.environ["HOST"], int(os.environ["ADMIN_PORT"])), Ready).serve_forever()


def load(arguments: Sequence[str]) -> None:
    """Leave the summary of a load."""
    options = dict(zip(arguments[-2::-2], arguments[::-2], strict=False))
    name = Step(options["--scenario"], int(options["--users"])).name
    _note(f"begin {name}")
    time.sleep(300 if name == os.environ[SLOW] else 0)
    folder = Path(options["--out"]) / "20260701T000000Z-stand-in"
    folder.mkdir()
    write_summary(folder / "summary.json", summary())
    _note(f"end {name}")


def curve(folder: Path) -> None:
    """Play the steps against the other two."""
    here = [sys.executable, str(Path(__file__))]
    Curve(
        plan=STEPS,
        ledger=Ledger.open(folder, IDENTITY),
        environment=os.environ,
        log=folder / "endpoint.log",
        say=print,
        times=Times(load_seconds=1, drain_seconds=1),
        commands=Commands(serve=[*here, "serve"], load=[*here, "load"]),
    ).measure(one="--one" in sys.argv)


def _note(line: str) -> None:
    with Path(os.environ[NOTES]).open("a") as file:
        file.write(f"{line}\n")


if __name__ == "__main__":
    match sys.argv[1]:
        case "serve":
            serve()
        case "load":
            load(sys.argv[2:])
        case "curve":
            curve(Path(sys.argv[2]))

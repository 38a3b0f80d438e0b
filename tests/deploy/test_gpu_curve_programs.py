"""Tests of the GPU's curve over real processes, which are killed, end, fail or hang."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from deploy.benchmarks.gpu_curve import programs
from deploy.benchmarks.gpu_curve.curve import Curve
from deploy.benchmarks.gpu_curve.ledger import Ledger
from serving.failure import NotDone
from tests.deploy import curve_stand_in as stand_in

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60
NAMES = [step.name for step in stand_in.STEPS]


def test_a_killed_call_is_taken_up_by_the_next(tmp_path: Path):
    """Real processes: what was measured stays, what was hit is repeated, nothing is left behind."""
    notes = tmp_path / "notes"
    notes.touch()
    state = tmp_path / "state"
    killed = start_curve(state, notes, slow=NAMES[1])
    until(lambda: f"begin {NAMES[1]}" in lines(notes), "the second step never began")
    killed.kill()
    killed.wait()
    [server] = [int(line.split()[1]) for line in lines(notes) if line.startswith("serve")]
    until(lambda: not is_running(server), "the endpoint outlived its curve")
    begun = lines(notes)
    assert start_curve(state, notes).wait(PATIENCE_SECONDS) == 0
    again = [line for line in lines(notes)[len(begun) :] if line.startswith("begin")]
    assert again == [f"begin {name}" for name in NAMES[1:]]
    assert {path.stem for path in (state / "summaries").iterdir()} == set(NAMES)


def test_one_step_is_one_step(tmp_path: Path):
    """The call ends after it, its endpoint too, and the next one plays the next."""
    notes = tmp_path / "notes"
    notes.touch()
    for number in (1, 2):
        curve = start_curve(tmp_path / "state", notes, "--one")
        assert curve.wait(PATIENCE_SECONDS) == 0
        assert [line for line in lines(notes) if line.startswith("end")] == [
            f"end {name}" for name in NAMES[:number]
        ]
    servers = [int(line.split()[1]) for line in lines(notes) if line.startswith("serve")]
    assert len(servers) == 2
    assert not any(map(is_running, servers))


def test_an_endpoint_that_does_not_start_ends_it_all(tmp_path: Path):
    """Its last words are the reason, and no step is blamed."""
    curve = stand_in_curve(tmp_path, programs.Commands(serve=ending("no memory is left")))
    with pytest.raises(NotDone, match=r"does not start: no memory is left.*endpoint\.log"):
        curve.measure(one=False)
    assert curve.ledger.failures == {}


def test_a_load_that_cannot_run_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Tried twice, each time against a fresh endpoint, then left alone; the reason is kept."""
    monkeypatch.setenv(stand_in.NOTES, str(tmp_path / "notes"))
    serve = [sys.executable, str(Path(stand_in.__file__)), "serve"]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    curve = stand_in_curve(
        tmp_path, programs.Commands(serve=serve, load=ending("there is no such scenario"))
    )
    curve.measure(one=False)
    reason = "no load was run (exit code 1): there is no such scenario"
    assert curve.ledger.failures == {NAMES[0]: [reason, reason]}
    assert len(lines(tmp_path / "notes")) == 2
    assert curve.ledger.done() == set()


def test_a_load_over_its_time_is_ended(tmp_path: Path):
    """Neither it nor its wait goes on after the deadline."""
    sleeper = [sys.executable, "-S", "-c", "import time; time.sleep(300)"]
    process = programs.start(sleeper, os.environ, tmp_path / "log")
    assert programs.wait(process, time.monotonic() + 0.1, lambda: None) is None
    programs.end(process, PATIENCE_SECONDS)
    assert not is_running(process.pid)


def stand_in_curve(folder: Path, commands: programs.Commands) -> Curve:
    """Return a curve in this process, over other programs."""
    return Curve(
        plan=stand_in.STEPS[:1],
        ledger=Ledger.open(folder, stand_in.IDENTITY),
        environment=os.environ,
        log=folder / "endpoint.log",
        say=lambda _: None,
        commands=commands,
    )


def ending(words: str) -> list[str]:
    """Return a program that ends at once with these last words."""
    return [sys.executable, "-S", "-c", f"raise SystemExit({words!r})"]


def start_curve(state: Path, notes: Path, *more: str, slow: str = "") -> subprocess.Popen[bytes]:
    """Run the stand-in's curve over a folder; the load of the slow step lasts until its end."""
    told = {stand_in.NOTES: str(notes), stand_in.SLOW: slow}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.deploy.curve_stand_in", "curve", str(state), *more],
        cwd=ROOT,
        env={**os.environ, **told, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )


def lines(notes: Path) -> list[str]:
    """Read what the stand-ins noted."""
    return notes.read_text().splitlines()


def until(happened: Callable[[], bool], otherwise: str) -> None:
    """Return when something has happened."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if happened():
            return
        time.sleep(0.02)
    pytest.fail(otherwise)


def is_running(pid: int) -> bool:
    """Tell whether a process still runs; one that only waits to be collected does not."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False

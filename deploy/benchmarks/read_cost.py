"""Measures what a stream event costs the load tests' client: CPU microseconds, by streams.

Run it from the repository's root: `python -m deploy.benchmarks.read_cost`. The reader is a process
of its own under gevent, as Locust's users are, and counts its own CPU time; the sender is another,
on another core where there is one. Each event is as long as the gateway's and leaves in a packet of
its own. On a busy machine a held-up reader finds several at once, which makes an event cheaper;
so the share that was read singly stands beside the figure. Compare only runs made side by side.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

STREAMS = (16, 64, 256)
EVENTS_PER_SECOND = 12_000  # over all streams together
MEASURE_SECONDS = 2.0
LIMIT_SECONDS = 60.0
# Patches first, as Locust does when it is imported.
READER = "from gevent import monkey; monkey.patch_all(); from {0} import read; read({1}, {2})"


def pinned(core: int) -> None:
    """Stay on one core of the machine, where the system allows it; a child stays there, too."""
    with suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {range(os.cpu_count() or 1)[core]})


def measure(streams: int, seconds: float = MEASURE_SECONDS) -> tuple[float, float]:
    """Return microseconds of user and system time per event, and the share read by itself.

    Raises CalledProcessError.
    """
    program = READER.format("deploy.benchmarks.read_cost", streams, seconds)
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
        timeout=LIMIT_SECONDS,
    )
    cost, alone = done.stdout.split()
    return float(cost), float(alone)


def read(streams: int, seconds: float) -> None:
    """Read streams for a while and print what `measure` returns; for a patched process."""
    from loadtests.certificate.metronome import Score, metronome  # noqa: PLC0415 - after the patching
    from loadtests.certificate.speed import speed_at  # noqa: PLC0415

    pause = streams / EVENTS_PER_SECOND
    score = Score(events=round(1.5 * seconds / pause), pause_seconds=pause)
    pinned(-1)
    with metronome() as port:
        pinned(0)
        speed = speed_at(port, streams, score, seconds)
    if speed is None:
        raise SystemExit("The streams did not begin.")
    sys.stdout.write(f"{1e6 / speed.events_per_core_second} {speed.alone}")


if __name__ == "__main__":
    for count in STREAMS:
        cost, alone = measure(count)
        sys.stdout.write(
            f"{count:4} streams: {cost:5.1f} µs of CPU an event, {1e6 / cost:6.0f}/s and core; "
            f"{alone:.0%} of the events read each by itself\n"
        )

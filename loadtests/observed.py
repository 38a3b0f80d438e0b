"""Watches a service's metrics during a load: one line a second, on the time axis of the load.

`python -m loadtests.observed URL... OUT.jsonl --every 1` runs as a process of its own, so that
it takes no time of the one that measures. It ends at SIGTERM, and when its standard input does:
no watcher outlives the load that started it.
"""

import argparse
import http.client
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self
from urllib.parse import urlsplit

import msgspec

OBSERVED: Final = frozenset(
    {
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:kv_cache_usage_perc",
        "vllm:generation_tokens_total",
        "vllm:prompt_tokens_total",
        "vllm:prefix_cache_hits_total",
        "vllm:prefix_cache_queries_total",
        "vllm:mm_cache_hits_total",
        "vllm:mm_cache_queries_total",
        "vllm:num_preemptions_total",
        "gateway_requests_running",
        "gateway_requests_queued",
        "gateway_sequences_running",
        "gateway_refusals_total",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
    }
)
SHARES: Final = frozenset({"vllm:kv_cache_usage_perc"})  # of several, the fullest is told
ANSWER_SECONDS: Final = 2.0
MAX_PAGE_BYTES: Final = 16 * 2**20
END_SECONDS: Final = 5.0
POLITENESS: Final = 10  # nice


class Reading(msgspec.Struct, frozen=True):
    """What all addresses told at one moment, `at` seconds since the load began.

    Values of the same name are added up. A name that an address told before is left out while
    that one does not answer; it is named under `silent`.
    """

    at: float
    values: dict[str, float]
    silent: tuple[str, ...] = ()


def observed_in(page: str) -> dict[str, float]:
    """Return the observed metrics of a page of Prometheus's text format, their series added up.

    Raises ValueError where it is not one.
    """
    found: dict[str, float] = {}
    for line in page.splitlines():
        name = line.partition("{")[0].partition(" ")[0]
        if name in OBSERVED:
            # No label's value comes after the last brace, and a moment may follow the number.
            value = float(line.removeprefix(name).rpartition("}")[2].split()[0])
            if math.isfinite(value):  # JSON has no other numbers
                found[name] = _joined(name, found.get(name), value)
    return found


def _joined(name: str, one: float | None, other: float) -> float:
    if one is None:
        return other
    return max(one, other) if name in SHARES else one + other


class Page:
    """One address and what it told at last; it keeps its connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.hostname}:{parts.port or 80}{parts.path}"
        self._path = parts.path or "/"
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port or 80, timeout=ANSWER_SECONDS
        )
        self.known: frozenset[str] = frozenset()

    def read(self) -> dict[str, float] | None:
        """Return what it tells now, None where it does not answer."""
        try:
            self._connection.request("GET", self._path)
            answer = self._connection.getresponse()
            page = answer.read(MAX_PAGE_BYTES)
            if answer.status != 200:
                return None
            found = observed_in(page.decode("utf-8", "replace"))
        except (OSError, http.client.HTTPException, ValueError, IndexError):
            self._connection.close()
            return None
        self.known |= found.keys()
        return found


def reading(at: float, pages: Iterable[tuple[Page, Mapping[str, float] | None]]) -> Reading:
    """Put together what pages told; what is missing a part is missing as a whole."""
    values: dict[str, float] = {}
    silent, missing = [], set[str]()
    for page, told in pages:
        if told is None:
            silent.append(page.name)
            missing |= page.known
        for name, value in (told or {}).items():
            values[name] = _joined(name, values.get(name), value)
    kept = {name: values[name] for name in sorted(values.keys() - missing)}
    return Reading(at, kept, tuple(silent))


def observe(
    pages: Sequence[Page],
    out: BinaryIO,
    clock: Callable[[], float],
    wait: Callable[[float], bool],
    *,
    every_seconds: float,
) -> None:
    """Write a line for each moment until `wait` for the next one says that it is over.

    `clock` tells the seconds since the load began. Moments that go by while an address does not
    answer are left out, never made up.
    """
    due = clock()
    while not wait(due - clock()):
        told = [(page, page.read()) for page in pages]
        out.write(msgspec.json.encode(reading(round(clock(), 3), told)) + b"\n")
        out.flush()
        due += every_seconds * max(1, math.ceil((clock() - due) / every_seconds))


class Observer:
    """Runs the watcher while a load runs: a context manager.

    `began` is the load's first moment in seconds of `time.perf_counter`, which all processes of a
    machine share. Raises OSError where the process cannot be started.
    """

    def __init__(
        self, urls: Sequence[str], path: Path, began: float, every_seconds: float = 1.0
    ) -> None:
        self._urls = urls
        self._command = [sys.executable, "-m", "loadtests.observed", *urls, str(path.resolve())]
        self._command += ["--began", f"{began:.6f}", "--every", f"{every_seconds:g}"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start watching, if there is anything to watch."""
        if not self._urls:
            return self
        self._process = subprocess.Popen(  # noqa: S603 - this very module
            self._command,
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching; what was written stays."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()


def _until_end(stdin: int) -> Callable[[float], bool]:
    """Return what waits so many seconds and says whether standard input has ended meanwhile."""

    def wait(seconds: float) -> bool:
        ready, _, _ = select.select([stdin], [], [], max(0.0, seconds))
        return bool(ready) and not os.read(stdin, 1024)

    return wait


def main(arguments: list[str] | None = None) -> int:
    """Watch until the end; raises OSError where the file cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.observed", description=__doc__)
    parser.add_argument("urls", nargs="+", help="pages of metrics, plain http")
    parser.add_argument("out", type=Path, help="file of JSON lines that is written anew")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two readings")
    parser.add_argument("--began", type=float, help="the load's start by time.perf_counter; now")
    options = parser.parse_args(arguments)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    if sys.platform == "linux":  # not before others, as the load that started it
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(POLITENESS)
    began = time.perf_counter() if options.began is None else options.began

    def clock() -> float:
        return time.perf_counter() - began

    pages = [Page(url) for url in options.urls]
    with options.out.open("wb") as out:
        wait = _until_end(sys.stdin.fileno())
        observe(pages, out, clock, wait, every_seconds=options.every)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Watches the load process from within while it works: how wrong its times are, how busy it is.

The witness asks the metronome through the same client, in the same process, among the same users.
What it compares is what a record holds: the first token's time and the gaps after it.
"""

import os
import resource
import sys
import threading
import time
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

import msgspec

from loadtests.certificate.metronome import Score, metronome
from loadtests.client.chat import ChatClient, Exchange, Limits
from loadtests.endpoint import parse_url

# 80 events a second: 30 s give 2,400, and a step of 10 s the 662 that a 99th percentile needs.
SCORE = Score(events=80, pause_seconds=0.0125)
LIMITS = Limits(connect_seconds=20.0, silence_seconds=20.0, request_seconds=60.0)
HELD_UP_US = 1000
CPU_SECONDS = 1.0
STOP_SECONDS = 30.0
KERNEL, PROCESS = "the kernel's receive time", "the process's clock after the read"


class Sample(NamedTuple):
    """One event: when it was sent (`perf_counter`), and how wrongly the client dated it."""

    sent: float
    error_us: int | None


class CpuSecond(msgspec.Struct, frozen=True):
    """About one second of the process: when it ended, and the share of a core that it used."""

    at_seconds: float
    share: float


class WitnessReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one load process showed; seconds are counted from the load's beginning.

    Event by event: when the metronome sent it, and how many microseconds the client dated it
    wrongly (later is positive).
    """

    worker: int = 0
    clock: str
    real_time: bool = False  # whether it ran before ordinary processes
    sent_seconds: tuple[float, ...] = ()
    errors_us: tuple[int, ...] = ()
    untold: int = 0  # events that the metronome was held up at, see `timing_errors`
    cpu: tuple[CpuSecond, ...] = ()
    failure: str = ""  # why nothing could be compared, or no longer


@dataclass
class Witness:
    """Watches from `start` to `stop`; `began` is the load's beginning, a `perf_counter` reading."""

    began: float
    worker: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _sent: list[float] = field(default_factory=list)
    _errors: list[int] = field(default_factory=list)
    _cpu: list[CpuSecond] = field(default_factory=list)
    _untold: int = 0
    _failure: str = ""
    _by_kernel: bool = False
    _real_time: bool = False

    def start(self) -> "Witness":
        """Begin to watch."""
        for watch in (self._compare, self._sample_cpu):
            thread = threading.Thread(target=watch, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> WitnessReport:
        """End, within seconds, and tell what was seen."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        return WitnessReport(
            worker=self.worker,
            clock=KERNEL if self._by_kernel else PROCESS,
            real_time=self._real_time,
            sent_seconds=tuple(self._sent),
            errors_us=tuple(self._errors),
            untold=self._untold,
            cpu=tuple(self._cpu),
            failure=self._failure,
        )

    def _compare(self) -> None:
        """Ask the metronome again and again, and compare."""
        try:
            with metronome() as port:
                client = ChatClient(parse_url(f"http://127.0.0.1:{port}"), LIMITS)
                while not (self._stopping.is_set() or self._failure):
                    exchange = Exchange()
                    client.ask(SCORE.body, exchange)
                    client.close()
                    self._take(exchange)
                    self._by_kernel = client.by_kernel
        except (OSError, ValueError) as error:
            self._failure = str(error) or type(error).__name__

    def _take(self, exchange: Exchange) -> None:
        self._failure = exchange.detail
        for sample in timing_errors(exchange):
            if sample.error_us is None:
                self._untold += 1
                continue
            self._sent.append(round(sample.sent - self.began, 3))
            self._errors.append(sample.error_us)

    def _sample_cpu(self) -> None:
        """Note the share of a core that this process used, about once a second."""
        before, then = cpu_seconds(), time.perf_counter()
        while not self._stopping.wait(CPU_SECONDS):
            used, now = cpu_seconds(), time.perf_counter()
            self._real_time |= _is_real_time()
            share = (used - before) / (now - then)
            self._cpu.append(CpuSecond(round(now - self.began, 3), round(share, 4)))
            before, then = used, now


def timing_errors(exchange: Exchange) -> list[Sample]:
    """Compare what an exchange with the metronome holds with the true times.

    The error of an event is its arrival less the moment before it was sent: at least the true
    one. Only where the metronome itself was held up in between, for longer than the least bound
    there is, and the event arrived meanwhile, this would be the metronome's error and not the
    client's: such an event tells nothing.
    """
    if exchange.first_token is None:
        return []
    sendings = [sending for text in exchange.answer.split() if (sending := text.split(":"))]
    afters = [int(after) // 1000 for _, after in sendings[1:]]
    arrival, samples = int(exchange.first_token * 1e6), []
    for (stamp, _), gap, after in zip_longest(sendings, [0, *exchange.gaps_us], afters):
        before = int(stamp) // 1000
        arrival += gap
        held_up = after is not None and after - before > HELD_UP_US
        error = None if held_up and before <= arrival <= after else arrival - before
        samples.append(Sample(before / 1e6, error))
    return samples


def _is_real_time() -> bool:
    return sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_RR


def cpu_seconds() -> float:
    """Return the CPU time that this process has used, in user and system mode."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime

"""How many events this process can read: measured beside each run, and by `read_cost`."""

import threading
import time
from dataclasses import dataclass

from loadtests.certificate.metronome import Score, metronome
from loadtests.certificate.witness import cpu_seconds
from loadtests.client.chat import ChatClient, Exchange, Limits
from loadtests.endpoint import parse_url

STREAMS, SECONDS = 64, 0.7
SCORE = Score(events=150, pause_seconds=0.008)
PATIENCE_SECONDS = 30.0
LIMITS = Limits(connect_seconds=PATIENCE_SECONDS, silence_seconds=PATIENCE_SECONDS)


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast streams were read; events that wait are read together, which costs less."""

    events_per_core_second: float
    alone: float  # share of the events that were read each by itself


def read_speed() -> float | None:
    """Measure how many events per second of CPU this process reads; None where it cannot.

    64 streams at once give about 8,000 events a second, each of the gateway's size and in a packet
    of its own; the figure is by CPU time, so that other programs do not count. It takes a second
    or two.
    """
    try:
        with metronome() as port:
            speed = speed_at(port, STREAMS, SCORE, SECONDS)
    except OSError:
        return None
    return None if speed is None else speed.events_per_core_second


def speed_at(port: int, streams: int, score: Score, seconds: float) -> Speed | None:
    """Read so many streams of the metronome at this port to their end, and measure meanwhile.

    None where they do not begin.
    """
    exchanges = [Exchange() for _ in range(streams)]
    threads = []
    for exchange in exchanges:
        client = ChatClient(parse_url(f"http://127.0.0.1:{port}"), LIMITS)
        threads.append(threading.Thread(target=client.ask, args=(score.body, exchange)))
        threads[-1].start()
    speed = _speed_over(seconds, exchanges)
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return speed


def _speed_over(seconds: float, exchanges: list[Exchange]) -> Speed | None:
    """Measure for some seconds, from when all streams flow."""
    give_up = time.perf_counter() + PATIENCE_SECONDS
    while not all(exchange.fragments for exchange in exchanges):
        if time.perf_counter() > give_up:
            return None
        time.sleep(0.005)
    used, before = cpu_seconds(), _events(exchanges)
    time.sleep(seconds)
    used, gaps = cpu_seconds() - used, [gap for e in exchanges for gap in e.gaps_us]
    events = _events(exchanges) - before
    if not (events and used and gaps):
        return None
    return Speed(events / used, sum(gap > 0 for gap in gaps) / len(gaps))


def _events(exchanges: list[Exchange]) -> int:
    return sum(exchange.fragments for exchange in exchanges)

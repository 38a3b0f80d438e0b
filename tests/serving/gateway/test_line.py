"""Who goes to the engine, who waits, and who is refused: both sides of each limit, and overload."""

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from math import inf

import pytest

from serving.gateway.errors import Overloaded
from serving.gateway.key import ANYBODY, Key, Priority
from serving.gateway.line import Capacity, Line
from serving.gateway.workload import Work

WORK = Work(prompt_tokens=50, output_tokens=20)
CAPACITY = Capacity(sequences=4, tokens=inf, queued=8, queue_seconds=30)
ALICE, BOB = (Key(name, name, b"") for name in ("alice", "bob"))
LATE = Key("batch", "batch", b"", priority=Priority.LOW)


def join(line: Line, count: int, key: Key = ANYBODY, work: Work = WORK, now: float = 0.0) -> int:
    """Let so many requests come; return how many were let in."""
    accepted = 0
    for _ in range(count):
        try:
            line.knock(now, key)
            line.join(now, key, work)
        except Overloaded:
            continue
        accepted += 1
        while line.call(now):
            pass
    return accepted


def test_the_engine_gets_what_it_computes_at_once_and_the_queue_the_rest():
    """The last place of the queue is given, the next request is refused."""
    line = Line(CAPACITY)
    assert join(line, 12) == 12
    assert (line.sequences, len(line.queue)) == (4, 8)
    assert join(line, 1) == 0


def test_a_refusal_says_when_to_come_again():
    """Retry-After is what the work ahead takes at the measured rate."""
    line = Line(replace(CAPACITY, queue_seconds=1000))
    for _ in range(200):
        line.rate.add(WORK.units, 10.0)
    join(line, 12)
    with pytest.raises(Overloaded) as caught:
        line.knock(0.0, ANYBODY)
    # Nine requests of 10 s over four places, less what the first beliefs still weigh.
    assert 15 <= caught.value.retry_after_seconds <= 25


@pytest.mark.parametrize("sequences", [1, 3, 4])
def test_a_request_of_several_sequences_takes_so_many_places(sequences):
    """n = 3 leaves one place of four, and what fills all goes alone."""
    line = Line(CAPACITY)
    join(line, 1, work=replace(WORK, sequences=sequences))
    join(line, 8)
    assert (line.sequences, len(line.queue)) == (4, 8 - (4 - sequences))


def test_what_is_larger_than_the_engine_goes_alone():
    """Eight sequences where four are computed: it waits until nothing else runs, then goes."""
    line = Line(CAPACITY)
    big = replace(WORK, sequences=8)
    assert join(line, 1, work=big) == 1
    assert line.sequences == 8
    join(line, 1)
    assert len(line.queue) == 1


def test_several_sequences_share_their_requests_work():
    """Four answers of 10 s at once say of the next four that they take 10 s, too."""
    line, now = Line(CAPACITY), 0.0
    work = Work(prompt_tokens=0, output_tokens=400, sequences=4)
    for _ in range(500):
        line.knock(now, ANYBODY)
        line.join(now, ANYBODY, work)
        entry = line.call(now)
        now += 10
        line.finish(now, entry, finished=True)
    assert line.rate.wait_seconds(work.units, 4) == pytest.approx(10, rel=0.02)


@pytest.mark.parametrize(("tokens", "running"), [(280, 4), (210, 3), (209, 2), (1, 1)])
def test_the_tokens_of_those_at_the_engine_are_limited(tokens, running):
    """70 tokens each: as many go as the cache holds, and one always."""
    line = Line(replace(CAPACITY, tokens=tokens))
    join(line, 4)
    assert line.sequences == running


@pytest.mark.parametrize(("seconds", "waits"), [(9.9, 0), (11.0, 1)])
def test_the_expected_wait_is_limited(seconds, waits):
    """Who would wait longer than the limit is refused at once, who would not is let in."""
    line = Line(replace(CAPACITY, sequences=1, queue_seconds=seconds))
    for _ in range(2000):
        line.rate.add(WORK.units, 10.0)
    join(line, 1)
    assert join(line, 1) == waits


def test_a_key_leaves_others_a_place():
    """One key gets two thirds of the queue; another one still gets in."""
    line = Line(replace(CAPACITY, queued=9))
    assert join(line, 20, ALICE) == 4 + 6
    assert join(line, 20, BOB) >= 2


def test_without_keys_one_may_fill_the_queue():
    """Nobody is kept a place for where all are the same."""
    line = Line(replace(CAPACITY, queued=9))
    assert join(line, 20) == 4 + 9


def test_who_gives_up_leaves_the_place_to_others():
    """Neither the queue nor the engine's count keeps a request that is gone."""
    line = Line(CAPACITY)
    join(line, 4)
    entry = line.queue.add("anybody", 0, WORK)
    line.leave(entry)
    assert len(line.queue) == 0


def test_what_is_refused_for_its_content_takes_no_credit():
    """A thousand requests that were malformed are no overload: the next ones may wait."""
    line = Line(CAPACITY)
    join(line, 4)
    for _ in range(1000):
        line.knock(0.0, ANYBODY)
    assert join(line, 8) == 8


def test_what_is_refused_for_want_of_room_takes_credit():
    """Who keeps asking may not wait any more, though there are places again."""
    line = Line(CAPACITY)
    join(line, 12)
    join(line, 100)
    for _ in range(8):
        line.leave(line.queue.first())
    assert join(line, 1) == 0


class Simulation:
    """The line before an engine with so many places, whose truth is known."""

    def __init__(self, sequences: int, first_token: float, service: float) -> None:
        self.line = Line(Capacity(sequences, inf, 2 * sequences, 30))
        self.first_token, self.service = first_token, service
        self.first_tokens: dict[str, list[float]] = defaultdict(list)
        self.refused: dict[str, int] = defaultdict(int)
        self._random = random.Random(7)
        self._came: dict[int, tuple[float, str]] = {}
        self._events: list[tuple[float, int, object]] = []
        self._ask_again: Callable[[float], None] = lambda now: None

    def arrivals(self, key: Key, load: float, seconds: float) -> None:
        """Let requests of a key come at a share of the capacity, as a Poisson process."""
        at, rate = 0.0, load * self.line.capacity.sequences / self.service
        while (at := at + self._random.expovariate(rate)) < seconds:
            heapq.heappush(self._events, (at, id(object()), key))

    def closed_loop(self, key: Key, clients: int, seconds: float) -> None:
        """Let clients ask, and ask anew a moment after each answer, until a time."""

        def again(now: float) -> None:
            if now < seconds:
                heapq.heappush(self._events, (now + 0.001, next(numbers), key))

        numbers = itertools.count()
        self._ask_again = again
        for number in range(clients):
            again(number / 1000)

    def run(self) -> None:
        """Play all arrivals and what follows from them."""
        while self._events:
            now, _, what = heapq.heappop(self._events)
            if isinstance(what, Key):
                self._arrive(now, what)
            else:
                self.line.finish(now, what, finished=True)
                self._ask_again(now)
            while entry := self.line.call(now):
                self._start(now, entry)

    def _arrive(self, now: float, key: Key) -> None:
        try:
            self.line.knock(now, key)
            self._came[self.line.join(now, key, WORK).turn] = now, key.id
        except Overloaded as error:
            assert error.retry_after_seconds >= 1
            self.refused[key.id] += 1

    def _start(self, now: float, entry) -> None:
        came, key = self._came.pop(entry.turn)
        self.first_tokens[key].append(now - came + self.first_token)
        self.line.rate.add_first_token(self.first_token)
        seconds = self.service * self._random.uniform(0.7, 1.3)
        heapq.heappush(self._events, (now + seconds, entry.turn, entry))

    def p99(self, key: Key) -> float:
        """Return the 99th percentile of the time to a first token."""
        seen = sorted(self.first_tokens[key.id])
        return seen[int(0.99 * len(seen))]


def simulate(loads: dict[Key, float], seconds: float, sequences: int = 32) -> Simulation:
    """Play keys' loads, each a share of the capacity."""
    simulation = Simulation(sequences, first_token=0.1, service=0.3)
    for key, load in loads.items():
        simulation.arrivals(key, load, seconds)
    simulation.run()
    return simulation


def test_ten_times_the_capacity_keeps_first_tokens_quick_and_the_engine_full():
    """p99 at ten times the capacity is at most twice that at 80 %, and no capacity is lost."""
    usual = simulate({ANYBODY: 0.8}, 60)
    assert not usual.refused
    flooded = simulate({ANYBODY: 10}, 60)
    assert flooded.p99(ANYBODY) <= 2 * usual.p99(ANYBODY)
    assert len(flooded.first_tokens["anybody"]) >= 0.97 * 60 * 32 / 0.3


def test_one_tenants_flood_does_not_starve_another():
    """Who asks for a fifth of the capacity gets it while another asks for ten times all of it."""
    flooded = simulate({ALICE: 10, BOB: 0.2}, 60)
    assert flooded.refused["bob"] <= 0.01 * len(flooded.first_tokens["bob"])
    assert flooded.p99(BOB) <= flooded.p99(ALICE)


@pytest.mark.parametrize("sequences", [4, 32])
def test_a_load_below_capacity_is_hardly_refused(sequences):
    """No fluctuation makes the line strict for good."""
    usual = simulate({ANYBODY: 0.8}, 120, sequences)
    assert usual.refused["anybody"] <= 0.04 * len(usual.first_tokens["anybody"])


@pytest.mark.parametrize(
    ("key", "clients", "all_served"),
    [
        pytest.param(ANYBODY, 96, True, id="all places and the queue"),
        pytest.param(ANYBODY, 97, False, id="one more"),
        pytest.param(ALICE, 74, True, id="a key's share of the queue"),
        pytest.param(ALICE, 80, False, id="more than its share"),
    ],
)
def test_a_closed_loop_that_fits_is_never_refused(key, clients, all_served):
    """A script that waits for its answers overloads nothing, however busy it keeps the engine."""
    simulation = Simulation(32, first_token=0.1, service=0.3)
    simulation.closed_loop(key, clients, 60)
    simulation.run()
    assert (simulation.refused[key.id] == 0) is all_served
    assert len(simulation.first_tokens[key.id]) >= 0.95 * 60 * 32 / 0.3


def test_low_priority_waits_where_others_would_be_refused():
    """Batch work may stand in a queue that never gets empty."""
    line = Line(CAPACITY)
    join(line, 12)
    for _ in range(3):
        line.leave(line.queue.first())
    join(line, 100)  # the credit is gone
    for _ in range(5):
        line.leave(line.queue.first())
    assert join(line, 1) == 0
    assert join(line, 1, LATE) == 1

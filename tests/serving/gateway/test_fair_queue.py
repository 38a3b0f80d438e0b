"""The order in which waiting requests go on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.fair_queue import FairQueue
from serving.gateway.workload import Work

FLOWS = st.sampled_from("abc")
UNITS = st.integers(1, 1000)


def work(units: int) -> Work:
    """Return work of so many units."""
    return Work(prompt_tokens=0, output_tokens=units)


def served(queue: FairQueue, count: int | None = None) -> list[str]:
    """Serve the first ones and return whose they were."""
    flows = []
    while (entry := queue.first()) is not None and len(flows) != count:
        queue.serve(entry)
        flows.append(entry.flow)
    return flows


def test_a_lone_flow_is_served_in_order_of_arrival():
    """Nobody overtakes within a flow."""
    queue = FairQueue()
    entries = [queue.add("a", 0, work(units)) for units in (900, 1, 30)]
    order = []
    while (entry := queue.first()) is not None:
        queue.serve(entry)
        order.append(entry)
    assert order == entries


def test_a_small_flow_overtakes_what_another_has_piled_up():
    """The second tenant's request goes after the first that was there, not after all."""
    queue = FairQueue()
    for _ in range(50):
        queue.add("burst", 0, work(100))
    served(queue, 1)
    queue.add("small", 0, work(100))
    assert "small" in served(queue, 2)


def test_lower_ranks_go_first():
    """A class is served before the next one, however late it came."""
    queue = FairQueue()
    for rank in (1, 0, -1):
        queue.add(str(rank), rank, work(10))
    assert served(queue) == ["-1", "0", "1"]


@given(st.lists(st.tuples(FLOWS, UNITS), max_size=60))
def test_backlogged_flows_get_equal_shares(arrivals):
    """While two flows wait, what each got differs by no more than one request of each.

    Goyal, Vin, Cheng (1996), theorem 1: the bound of start-time fair queueing.
    """
    queue = FairQueue()
    for flow, units in arrivals:
        queue.add(flow, 0, work(units))
    left = {flow: [u for f, u in arrivals if f == flow] for flow in "abc"}
    got = dict.fromkeys("abc", 0)
    largest = max((units for _, units in arrivals), default=0)
    while (entry := queue.first()) is not None:
        waiting = [flow for flow in "abc" if left[flow]]
        queue.serve(entry)
        left[entry.flow].pop(0)
        got[entry.flow] += entry.work.output_tokens
        shares = [got[flow] for flow in waiting if left[flow]]
        assert not shares or max(shares) - min(shares) <= 2 * largest
    assert sum(got.values()) == sum(units for _, units in arrivals)


@given(st.lists(st.tuples(FLOWS, st.integers(-1, 1), UNITS, st.booleans()), max_size=60))
def test_nothing_is_lost_and_the_work_ahead_is_exact(arrivals):
    """What is said to be ahead of a new request is what is then served before it."""
    queue = FairQueue()
    inside = []
    for flow, rank, units, leaves in arrivals:
        count, units_ahead = queue.ahead(flow, rank)
        entry = queue.add(flow, rank, work(units))
        before = [each for each in inside if (each.rank, each.start) <= (rank, entry.start)]
        assert (count, units_ahead) == (len(before), sum(each.work.units for each in before))
        inside.append(entry)
        if leaves:
            queue.remove(inside.pop(0))
    assert len(queue) == len(inside)
    assert {flow: queue.of_flow(flow) for flow in "abc"} == {
        flow: sum(entry.flow == flow for entry in inside) for flow in "abc"
    }
    assert sorted(served(queue)) == sorted(entry.flow for entry in inside)


def test_a_flow_that_was_idle_has_no_debt_and_no_credit():
    """What one got while nobody else waited is not held against it, and idling saves nothing."""
    queue = FairQueue()
    for _ in range(10):
        queue.add("a", 0, work(100))
        served(queue)
    queue.add("a", 0, work(100))
    for _ in range(3):
        queue.add("b", 0, work(100))
    order = served(queue)
    assert order.index("a") <= 1


@pytest.mark.parametrize("served_between", [0, 1])
def test_who_gives_up_leaves_no_debt(served_between):
    """What a flow asked for and did not get is not held against what it asks for next."""
    queue = FairQueue()
    given_up = [queue.add("a", 0, work(100)) for _ in range(50)]
    for entry in given_up[: 50 - served_between]:
        queue.remove(entry)
    assert len(served(queue)) == served_between
    for flow in "abb":
        queue.add(flow, 0, work(100))
    assert served(queue).index("a") <= 1


def test_who_stays_moves_up_and_nobody_of_a_flow_overtakes():
    """Those behind one that gives up take its turn, in their order."""
    queue = FairQueue()
    large, *staying = (queue.add("a", 0, work(units)) for units in (1000, 1, 1))
    other = queue.add("b", 0, work(10))
    queue.remove(large)
    newest = queue.add("a", 0, work(1))
    order = []
    while (entry := queue.first()) is not None:
        queue.serve(entry)
        order.append(entry)
    assert order == [staying[0], other, staying[1], newest]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_its_length_is_what_waits(count):
    """Counts are those of the waiting."""
    queue = FairQueue()
    for _ in range(count):
        queue.add("a", 0, work(1))
    assert (len(queue), queue.of_flow("a"), queue.of_flow("b")) == (count, count, 0)

"""What master and workers tell each other, and how parts become a whole."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.allowance import Allowance, Prices
from loadtests.client.chat import Limits
from loadtests.scenario import Served
from loadtests.shapes import Arrivals, Rate, Step, Users
from loadtests.swarm.orders import Ended, Order, Part, Preparation, Progress, merged, order_of

ALLOWANCE = Allowance(10, 0.5, Prices(0.1, 0.2), 0.001)
PARTS = st.integers(1, 9).flatmap(
    lambda n: st.builds(Part, number=st.integers(0, n - 1), processes=st.just(n))
)


@given(st.integers(0, 500), st.integers(1, 9), st.integers(0, 2000))
@settings(max_examples=40)
def test_parts_are_the_whole_once(request_number, processes, users):
    """Each request has one owner, and all users are somebody's."""
    parts = [Part(number=n, processes=processes) for n in range(processes)]
    assert [part.owns(request_number) for part in parts].count(True) == 1
    shares = [part.share_of(users) for part in parts]
    assert sum(shares) == users
    assert max(shares) - min(shares) <= 1


@given(PARTS, st.integers(0, 500))
@settings(max_examples=40)
def test_a_part_begins_at_its_first_own_request(part, start):
    """The first one owned from a number on, found by looking at each."""
    first = next(n for n in range(start, start + 10) if part.owns(n))
    assert part.first_from(start) == first


@pytest.mark.parametrize("load", [Users(3), Rate(2.5, Arrivals.CONSTANT, 5)])
def test_an_order_arrives_as_it_left(load):
    """The step comes out of the bytes as the shape made it."""
    step = Step(2, load, 12, 3, 30)
    rest = {"seed": 7, "first_number": 40, "offset_seconds": 1.5, "allowance": ALLOWANCE}
    order = Order.decoded(order_of(step, **rest).encoded())
    assert order.step == step
    assert (order.seed, order.first_number, order.allowance) == (7, 40, ALLOWANCE)


def test_a_preparation_arrives_as_it_left_and_holds_no_key():
    """What was found out about the endpoint travels, the key does not."""
    served = Served("m", "n", 1024, build={"image": "x"}, prices=Prices(1, 2, assumed=True))
    told = Preparation(
        part=Part(), scenario="s", seed=1, served=served, url="http://h/v1", limits=Limits()
    )
    assert Preparation.decoded(told.encoded()) == told
    assert not [name for name in msgspec.structs.asdict(told) if "key" in name]


def test_what_is_not_a_message_is_refused():
    """A message of another version does not pass for one of this."""
    with pytest.raises(msgspec.DecodeError):
        Part.decoded(msgspec.msgpack.encode({"number": 0, "processes": 1, "colour": "red"}))


def test_progress_adds_up():
    """Counts are sums, the time is the longest."""
    one = Progress(elapsed_seconds=1, in_flight=2, sent=3, answered=1, failed=0, tokens=10)
    two = Progress(elapsed_seconds=2, in_flight=1, sent=3, answered=1, failed=1, tokens=5)
    both = Progress(elapsed_seconds=2, in_flight=3, sent=6, answered=2, failed=1, tokens=15)
    assert one + two == both


def test_the_parts_of_a_step_are_one_step():
    """It ended when the last part did; a reason of one part is the reason of all."""
    step = Step(0, Users(2), 10, 2, 5)
    parts = [
        Ended(ended_seconds=13, drain_seconds=1, in_flight_at_end=2, next_number=4),
        Ended(ended_seconds=12, drain_seconds=4, in_flight_at_end=1, next_number=9, stopped="why"),
    ]
    timing = merged(step, 3, parts, interrupted=False)
    assert (timing.began_seconds, timing.counted_from_seconds, timing.ended_seconds) == (3, 5, 13)
    assert (timing.drain_seconds, timing.in_flight_at_end, timing.stopped) == (4, 3, "why")
    assert merged(step, 3, [], interrupted=True).ended_seconds == 3

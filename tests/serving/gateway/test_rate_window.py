"""The arithmetic of a limit's minute, with time handed in."""

from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.rate_window import CHUNKS, Clock, Window

LIMIT = 100


def local(limit: int = LIMIT, minute: int = 7) -> Window:
    """Return a window that has the whole limit by itself."""
    window = Window(limit=limit)
    window.turn(minute, limit)
    return window


def leased(leased: int, limit: int = LIMIT, pace: int = 0) -> Window:
    """Return a window that has leased a part of its limit."""
    window = Window(limit=limit)
    window.turn(7, 0)
    window.leased, window.pace = leased, pace
    return window


def test_a_minute_has_its_limit_and_no_more() -> None:
    """The last unit fits, the one after it does not."""
    window = local()
    window.take(LIMIT - 1)
    assert window.fits(1)
    window.take(1)
    assert not window.fits(1)
    window.turn(8, LIMIT)
    assert window.fits(LIMIT)


def test_more_than_a_whole_minute_goes_only_into_an_empty_one() -> None:
    """It would never fit otherwise; the minutes after it pay for it."""
    window = local()
    assert window.fits(250)
    window.take(1)
    assert not window.fits(250)
    window.give_back(1, 7)
    window.take(250)
    assert window.minutes_until(50) == 2
    window.turn(8, LIMIT)
    assert window.left == -50
    assert not window.fits(250)
    window.turn(9, LIMIT)
    assert window.left == 50
    assert window.fits(50)
    assert not window.fits(51)
    assert not window.fits(250)


def test_minutes_without_a_request_pay_debts_too() -> None:
    """A key that was left alone is not punished later."""
    window = local()
    window.take(350)
    window.turn(10, LIMIT)
    assert window.left == 50
    window.turn(11, LIMIT)
    assert window.left == LIMIT


def test_what_goes_back_later_pays_debts_and_is_otherwise_lost() -> None:
    """A minute never has more than its limit."""
    window = local()
    window.take(150)
    window.turn(8, LIMIT)
    window.give_back(20, 7)
    assert window.left == 70
    window.give_back(100, 7)
    assert window.left == LIMIT


def test_a_clock_set_back_a_little_does_not_begin_a_minute_anew() -> None:
    """Corrections of seconds happen; a wrong year is set right at once."""
    window = local()
    window.take(LIMIT)
    window.turn(6, LIMIT)
    assert not window.fits(1)
    window.turn(3, LIMIT)
    assert window.fits(1)


def test_what_was_used_before_a_clock_was_set_wrong_gives_nothing_back() -> None:
    """A minute that is begun anew has its limit, not more."""
    window = local()
    window.take(60)
    window.turn(3, LIMIT)
    window.turn(7, LIMIT)
    window.take(10)
    window.give_back(60, 7)
    assert window.left == LIMIT


@given(st.integers(0, 400), st.integers(1, 150))
def test_the_minute_named_is_the_first_that_has_room(used: int, amount: int) -> None:
    """Retry-After is neither too short nor too long."""
    window = local()
    window.take(used)
    named = window.minutes_until(amount)
    found = 0
    for minute in range(8, 20):
        window.turn(minute, LIMIT)
        found += 1
        if window.fits(amount):
            break
    assert named == found


def test_the_seconds_to_the_end_of_a_minute() -> None:
    """At least one, so that nobody comes back at once."""
    assert Clock(now=lambda: 60.0).seconds_left() == 60
    assert Clock(now=lambda: 89.5).seconds_left() == 31
    assert Clock(now=lambda: 119.999).seconds_left() == 1
    assert Clock(now=lambda: 119.5).seconds_left(3) == 121
    assert [Clock(now=lambda s=s: s).minute() for s in (59.9, 60.0)] == [0, 1]


def test_nothing_is_held_of_a_small_limit() -> None:
    """The last units go where they are asked for."""
    window = leased(0, limit=79, pace=50)
    assert window.reserve == 0
    assert window.lacking(0) == 0
    assert window.lacking(3) == 3


def test_a_reserve_is_leased_before_it_is_used_up_and_given_back_when_idle() -> None:
    """Nobody waits where demand is steady, and nothing is kept where it has ended."""
    chunk = 10_000 // CHUNKS
    window = leased(60, limit=10_000, pace=50)
    assert window.reserve == 100
    assert window.lacking(0) == 0
    window.take(11)
    assert window.lacking(0) == 51
    assert leased(0, limit=10_000, pace=10**6).reserve == chunk - 1
    window.tick()
    window.tick()
    assert window.reserve == 0
    assert window.surplus == 49


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 2000), st.integers(0, 500))
def test_a_lease_serves_all_that_wait_and_holds_less_than_a_chunk_more(
    held: int, used: int, waiting: int, pace: int
) -> None:
    """What is leased and not used stays small, whatever was asked for."""
    window = leased(held, limit=1000, pace=pace)
    window.take(used)
    window.leased += window.lacking(waiting)
    needed = min(waiting, 1000)
    assert window.left >= needed
    if window.leased > held:
        assert window.left - needed < 1000 // CHUNKS

"""Requests on their way to the store: none is lost, none is written twice, costs add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.backlog import BATCH_ROWS, Backlog
from serving.gateway.record import Record

STEPS = st.lists(st.sampled_from(["add", "settle", "split"]), max_size=60)


def record(number: int, **fields: float) -> Record:
    """Return a finished request; each costs twice of what the one before did."""
    return Record(
        id=str(number), time=1000.0, key_id=f"key_{number % 2}", cost=2.0**number, **fields
    )


@given(STEPS)
def test_every_request_comes_out_once_and_in_order(steps: list[str]) -> None:
    """Whatever is split and retried in between; what waits costs what it costs."""
    backlog, added, out = Backlog(40), 0, []
    for step in steps:
        if step == "add":
            added += backlog.add(record(added))
        elif len(backlog):
            batch = backlog.batch()
            assert backlog.batch() is batch
            if step == "settle":
                out += batch.records
                backlog.settle()
            elif (lost := backlog.split()) is not None:
                assert batch.records == [lost]
        assert (len(backlog), backlog.settled) == (added - len(out), len(out))
        for key in range(2):
            waiting = [2.0**number for number in range(len(out), added) if number % 2 == key]
            assert backlog.cost(f"key_{key}") == sum(waiting)
    assert [int(each.id) for each in out] == list(range(len(out)))


def test_what_has_no_room_is_not_taken() -> None:
    """The oldest stay; the batch that is being written takes room, too."""
    backlog = Backlog(3)
    assert [backlog.add(record(number)) for number in range(3)] == [True] * 3
    backlog.batch()
    assert not backlog.add(record(3))
    backlog.settle()
    assert backlog.add(record(4))


def test_a_batch_has_its_size_and_an_id_of_its_own() -> None:
    """One that was split is another batch."""
    backlog = Backlog(10**6)
    for number in range(BATCH_ROWS + 1):
        assert not backlog.is_full_batch or number >= BATCH_ROWS
        backlog.add(Record(id=str(number), time=0.0))
    assert backlog.is_full_batch
    first = backlog.batch()
    assert len(first.records) == BATCH_ROWS
    assert backlog.split() is None
    second = backlog.batch()
    assert (len(second.records), second.id == first.id) == (BATCH_ROWS // 2, False)
    backlog.settle()
    assert len(backlog.batch().records) == BATCH_ROWS // 2 + 1


def test_one_bad_request_is_found_in_few_steps() -> None:
    """Each refusal halves what it may be; all others are written."""
    backlog, written, steps = Backlog(BATCH_ROWS), 0, 0
    for number in range(BATCH_ROWS):
        backlog.add(Record(id=str(number), time=0.0))
    while len(backlog):
        steps += 1
        records = backlog.batch().records
        if "777" not in {each.id for each in records}:
            written += len(records)
            backlog.settle()
        elif (lost := backlog.split()) is not None:
            assert lost.id == "777"
            backlog.settle()
    assert written == BATCH_ROWS - 1
    assert steps < 40


@pytest.mark.parametrize("is_written", [False, True])
def test_the_lag_is_the_oldest_ones(is_written: bool) -> None:
    """From its end on; nothing that waits is no lag, and no clock makes it negative."""
    backlog = Backlog(3)
    assert backlog.lag_seconds(2000.0) == 0
    backlog.add(record(0, duration_seconds=10.0))
    backlog.add(record(1))
    if is_written:
        backlog.batch()
    assert backlog.lag_seconds(1015.0) == 5
    assert backlog.lag_seconds(1009.0) == 0

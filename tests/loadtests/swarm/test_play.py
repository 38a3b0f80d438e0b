"""One step's turns, without a clock that runs or a server that answers."""

import threading
import time
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.allowance import Allowance, Prices
from loadtests.client.exchange import Exchange
from loadtests.client.usage import Usage
from loadtests.outcome import Outcome
from loadtests.prompt import Prompt
from loadtests.shapes import Arrivals, Rate, Step, Users
from loadtests.swarm.look_ahead import LookAhead
from loadtests.swarm.orders import Part, order_of
from loadtests.swarm.play import Play, Stage
from loadtests.swarm.schedule import arrivals, generator

LONG_AGO = 1000.0


def play_of(load, *, part=None, most=10_000, in_flight=2000, first=0, ago=LONG_AGO, seconds=10):
    """Return a step that began `ago` seconds in the past, and its records."""
    part, records = part or Part(), []
    prompts = (Prompt(f"kind {n}", (), 1) for n in count())
    ahead = LookAhead(prompts, part, lambda prompt: prompt.kind.encode())
    stage = Stage(part, ahead, records.append, time.perf_counter() - ago, in_flight)
    order = order_of(
        Step(3, load, seconds, 1, 5),
        seed=7,
        first_number=first,
        offset_seconds=0.0,
        allowance=Allowance(most, None, Prices(1, 1), 0.0),
    )
    return Play(order, stage, threading.Event), records


def send(play):
    """Begin the next request that is due, as a user does; None where there is none."""
    if play.await_turn() is None or (turn := play.take_turn()) is None:
        return None
    exchange = Exchange(sent=time.perf_counter())
    play.begin(turn, exchange)
    return turn, exchange


def finish(play, turn, exchange, outcome=Outcome.ANSWERED):
    """End it."""
    exchange.done, exchange.outcome = time.perf_counter(), outcome
    return play.end(turn, exchange)


def test_an_open_loop_keeps_its_schedule_and_never_waits_for_answers():
    """All that is due is sent though nothing has ended, each with its own time."""
    rate = Rate(20)
    play, records = play_of(rate)
    flying = []
    while (sent := send(play)) is not None:
        flying.append(sent)
    due = list(arrivals(rate, 10, generator(7, 3)))
    assert play.in_flight == len(flying) == len(due)
    assert play.all_sent.is_set()
    for turn, exchange in flying:
        finish(play, turn, exchange)
    assert [record.number for record in records] == list(range(len(due)))
    assert [record.scheduled_seconds for record in records] == pytest.approx(due, abs=2e-6)
    assert all(record.lateness_seconds > LONG_AGO - 20 for record in records)
    assert (play.next_number, play.quiet.is_set()) == (len(due), True)


@given(st.integers(1, 5), st.integers(0, 30))
@settings(max_examples=40)
def test_the_parts_of_an_open_loop_are_the_whole(processes, first):
    """Their union has the requests and times of one process, each once."""

    def sent(part):
        play, _ = play_of(Rate(4), part=part, first=first)
        turns = []
        while (each := send(play)) is not None:
            turns.append(each[0])
        assert play.next_number == first + len(list(arrivals(Rate(4), 10, generator(7, 3))))
        began = play.began
        return [(t.request.number, t.request.body, round(t.due - began, 6)) for t in turns]

    parts = [sent(Part(number=n, processes=processes)) for n in range(processes)]
    assert sorted(each for part in parts for each in part) == sent(Part())


def test_a_closed_loop_counts_from_the_sending():
    """Nothing is due: what is scheduled is what is sent."""
    play, records = play_of(Users(5), part=Part(number=1, processes=2), first=4)
    assert play.users == 2
    for _ in range(3):
        finish(play, *send(play))
    assert [record.number for record in records] == [5, 7, 9]
    assert all(record.lateness_seconds == 0 for record in records)
    assert play.next_number == 10
    assert not play.lonely, "users of a closed loop do not grow"


def test_somebody_waits_for_the_next_arrival():
    """A user that sends is followed by another, until the last arrival is sent."""
    play, _ = play_of(Rate(3, Arrivals.CONSTANT), seconds=1)
    assert play.lonely
    play.await_turn()
    assert not play.lonely
    play.take_turn()
    assert play.lonely
    send(play)
    send(play)
    assert not play.lonely
    assert play.all_sent.is_set()


def test_an_allowance_that_is_used_up_ends_the_step():
    """No request is drawn for which there is no room."""
    play, records = play_of(Users(2), most=3)
    while (sent := send(play)) is not None:
        finish(play, *sent)
    assert len(records) == 3
    assert play.closing.is_set()
    assert play.stopped == "3 requests were sent, as many as MAX_REQUESTS allows"
    assert play.order.allowance.settled == 3


def test_arrivals_beyond_the_most_in_flight_are_written_down():
    """The step ends, and what was due by then and not sent is censored, never dropped."""
    rate = Rate(10, Arrivals.CONSTANT)
    play, records = play_of(rate, in_flight=4, ago=1.95, seconds=10)
    flying = []
    while (sent := send(play)) is not None:
        flying.append(sent)
    assert len(flying) == 4
    assert [record.number for record in records] == list(range(4, 20)), "those due by 1.95 s"
    assert {(record.outcome, record.detail) for record in records} == {("censored", "not sent")}
    assert records[0].scheduled_seconds == pytest.approx(0.4)
    assert "4 requests were in flight" in play.stopped
    for each in flying:
        finish(play, *each)
    assert sorted(record.number for record in records) == list(range(20))
    assert play.progress().failed == 16


def test_progress_counts_what_runs_too():
    """Tokens of running streams are their events, until the endpoint tells their number."""
    play, _ = play_of(Users(3))
    first, second = send(play), send(play)
    first[1].fragments, second[1].fragments = 4, 6
    second[1].usage = Usage(completion=9)
    finish(play, *second)
    told = play.progress()
    assert (told.sent, told.in_flight, told.answered, told.tokens) == (2, 1, 1, 13)


def test_the_first_reason_to_end_holds():
    """Later ones change nothing."""
    play, _ = play_of(Users(1))
    play.close("first")
    play.close("second")
    play.break_off()
    assert play.stopped == "first"
    assert send(play) is None


@given(st.data())
@settings(max_examples=40)
def test_each_request_drawn_makes_one_record(data):
    """Whatever ends in which order, and whenever the step does."""
    load = data.draw(st.sampled_from([Users(4), Rate(6), Rate(3, Arrivals.CONSTANT)]))
    play, records = play_of(load, most=data.draw(st.integers(1, 60)), in_flight=8)
    flying, drawn = [], []
    for what in data.draw(st.lists(st.sampled_from(["send", "send", "end", "close"]), max_size=60)):
        if what == "send" and (sent := send(play)) is not None:
            flying.append(sent)
            drawn.append(sent[0].request.number)
        elif what == "end" and flying:
            finish(play, *flying.pop(data.draw(st.integers(0, len(flying) - 1))))
        elif what == "close":
            play.close()
    for each in flying:
        finish(play, *each, outcome=Outcome.CENSORED)
    unsent = [record.number for record in records if record.detail == "not sent"]
    assert sorted(record.number for record in records) == sorted(drawn + unsent)
    assert len({record.number for record in records}) == len(records) == play.records
    allowance = play.order.allowance
    assert allowance.requests == allowance.settled == len(drawn), "what is not sent costs nothing"
    assert play.quiet.is_set()

"""Loads in a process of their own, which Locust patches, against servers that are slow or hang."""

import signal
import threading
import time
from contextlib import contextmanager
from itertools import count

import pytest

from loadtests.shapes import Rate
from loadtests.swarm.schedule import arrivals, generator
from tests.loadtests.conftest import WAIT_SECONDS, ScriptedServer, answer
from tests.loadtests.labs import laboratory, told

QUICK_SECONDS, HELD_UP_SECONDS = 0.1, 0.5
DUE = list(arrivals(Rate(20), 1, generator(7, 0)))  # in an open loop's first step
KEY = "secret-of-this-test"


@contextmanager
def serving(script):
    """Serve by a script until the block ends."""
    with ScriptedServer() as server:
        server.script = script
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(WAIT_SECONDS)


def after(seconds):
    """Return a script that answers so much later."""

    def script(stream):
        time.sleep(seconds)
        answer(stream)

    return script


def together(requests):
    """Return a script that answers nobody before so many have asked."""
    barrier = threading.Barrier(requests)

    def script(stream):
        barrier.wait(WAIT_SECONDS)
        answer(stream)

    return script


def hanging(quick):
    """Return a script that answers so many requests and begins to answer all others."""
    numbers = count()

    def script(stream):
        if next(numbers) < quick:
            answer(stream)
            return
        stream.head()
        stream.event(reasoning="hm")
        stream.until_client_leaves()

    return script


CONSTANT = {"rate": 20, "arrivals": "constant", "seconds": 1}


def plans_for(slow, quick, hangs, hangs_too):
    """Return what the lab is to play, each part before the endpoint that it needs."""
    return [
        {"name": "open", "url": slow, "steps": [{"rate": 20, "seconds": 1}]},
        {
            "name": "held up",
            "url": quick,
            "steps": [CONSTANT | {"held_up": [0.5, HELD_UP_SECONDS]}],
        },
        {
            "name": "closed",
            "url": quick,
            "steps": [{"users": 3, "seconds": 1.2}, {"users": 1, "seconds": 0.5}],
            "reports": True,
        },
        {
            "name": "drain",
            "url": hangs,
            "steps": [{"users": 2, "seconds": 0.5, "drain": 0.5}],
        },
        {
            "name": "allowance",
            "url": quick,
            "most": 5,
            "steps": [{"rate": 50, "seconds": 30}],
        },
        {"name": "broken", "url": quick, "scenario": "broken", "steps": []},
        {
            "name": "no address",
            "url": quick,
            "workers": 1,
            "bind": "5557",
            "steps": [],
        },
        {
            "name": "taken",
            "url": quick,
            "workers": 1,
            "bind": quick.removeprefix("http://"),
            "steps": [],
        },
        {
            "name": "workers",
            "url": quick,
            "workers": 2,
            "key": KEY,
            "steps": [{"rate": 20, "seconds": 1}, {"users": 3, "seconds": 0.5}],
            "reports": True,
        },
        {
            "name": "interrupted",
            "url": hangs_too,
            "steps": [{"users": 4, "seconds": 600}, {"users": 4, "seconds": 600}],
        },
    ]


@pytest.fixture(scope="module")
def seen():
    """Return what the lab told, plan by plan: one process, as Locust takes a second to import."""
    with (
        serving(together(len(DUE))) as slow,
        serving(after(QUICK_SECONDS)) as quick,
        serving(hanging(3)) as hangs,
        serving(hanging(3)) as hangs_too,
    ):
        with laboratory(plans_for(slow.url, quick.url, hangs.url, hangs_too.url)) as process:

            def interrupt(line):
                full = line.what == "told" and line.in_flight == 4
                if line.plan == "interrupted" and full:
                    process.send_signal(signal.SIGINT)

            found = told(process, interrupt)
        assert process.returncode == 0
        found["workers"]["headers"] = [quick.sent.headers]
        found["drain"]["server"] = [hangs.sent]
        found["interrupted"]["server"] = [hangs_too.sent]
    return found


def numbers(plan, step=0):
    """Return the numbers of a step's records."""
    return sorted(record.number for record in plan["record"] if record.step == step)


def test_an_open_loop_is_on_time_though_the_server_is_slow(seen):
    """Each request is sent when it is due; here nobody is answered before the last one asks."""
    records, step = seen["open"]["record"], seen["open"]["step"][0]
    records.sort(key=lambda record: record.number)
    since = [record.scheduled_seconds - step.began_seconds for record in records]
    assert since == pytest.approx(DUE, abs=1e-5)
    assert [record.number for record in records] == list(range(len(DUE)))
    assert {record.outcome for record in records} == {"answered"}
    late = [record.sent_seconds - record.scheduled_seconds for record in records]
    assert min(late) >= 0
    assert step.ended_seconds - step.began_seconds >= 1


def test_a_client_that_was_held_up_catches_up_and_owns_up(seen):
    """What was due meanwhile is sent late, and what the user waited is counted from its time."""
    records, step = seen["held up"]["record"], seen["held up"]["step"][0]
    records.sort(key=lambda record: record.number)
    assert [record.number for record in records] == list(range(20)), "nothing was left out"
    since = [record.scheduled_seconds - step.began_seconds for record in records]
    assert since == pytest.approx([n / 20 for n in range(20)], abs=1e-5)
    late = [record.sent_seconds - record.scheduled_seconds for record in records]
    assert max(late) > HELD_UP_SECONDS / 2


def test_a_closed_loop_keeps_its_users_busy(seen):
    """Exactly three are in flight, but for the moment in which one follows the other."""
    records = [record for record in seen["closed"]["record"] if record.step == 0]
    step = seen["closed"]["step"][0]
    changes = sorted(
        change
        for record in records
        for change in (
            (record.sent_seconds, 1),
            (record.sent_seconds + record.done_seconds, -1),
        )
    )
    flying = most = 0
    for _, change in changes:
        flying += change
        most = max(most, flying)
    assert most == 3
    length = step.ended_seconds - step.began_seconds
    busy = sum(record.done_seconds for record in records)
    assert busy > 0.5 * 3 * length
    assert step.in_flight_at_end == 3
    assert all(record.scheduled_seconds == record.sent_seconds for record in records)


def test_steps_follow_each_other_with_new_requests(seen):
    """Numbers go on, and no record is of a time before its step."""
    first, second = numbers(seen["closed"]), numbers(seen["closed"], 1)
    assert first + second == list(range(len(first) + len(second)))
    steps = seen["closed"]["step"]
    assert steps[1].began_seconds >= steps[0].ended_seconds
    for record in seen["closed"]["record"]:
        assert record.sent_seconds >= steps[record.step].began_seconds
    assert {record.right for record in seen["closed"]["record"]} == {True}


def test_locust_and_the_allowance_hear_of_each_request(seen):
    """Locust's exporters see what the records hold; each request is counted and paid once."""
    records, end = seen["closed"]["record"], seen["closed"]["end"][0]
    assert end.locust == end.requests == end.settled == len(records)


def test_progress_is_told_every_second(seen):
    """While a step runs, and at its end."""
    progress = [line for line in seen["closed"]["told"] if line.answered]
    last = progress[-1]
    assert progress[0].elapsed_seconds >= 1
    assert (last.sent, last.in_flight, last.failed) == (len(numbers(seen["closed"], 1)), 0, 0)
    assert last.tokens == 5 * last.answered


def test_a_witness_goes_along(seen):
    """The process tells how well it saw its requests."""
    assert len(seen["closed"]["reports"][0].reports) == 1


def test_what_outlasts_the_drain_is_censored(seen):
    """It keeps what it saw; every request that the server got has its record."""
    records, step = seen["drain"]["record"], seen["drain"]["step"][0]
    cut = [record for record in records if record.outcome == "censored"]
    assert len(cut) == step.in_flight_at_end == 2
    assert all(record.first_reasoning_seconds is not None for record in cut)
    assert len(records) == len(seen["drain"]["server"][0].bodies) == 5
    assert (step.stopped, step.interrupted) == (None, False)
    assert step.drain_seconds >= 0.5


def test_an_allowance_that_is_used_up_stops_the_step(seen):
    """Five requests are sent and awaited, and the reason is told."""
    step = seen["allowance"]["step"][0]
    assert len(seen["allowance"]["record"]) == 5
    assert {record.outcome for record in seen["allowance"]["record"]} == {"answered"}
    assert step.stopped == "5 requests were sent, as many as MAX_REQUESTS allows"


def test_a_scenario_that_cannot_be_asked_is_an_error_before_the_load(seen):
    """Its sentence comes out as it is."""
    assert [line.error for line in seen["broken"]["error"]] == ["Nothing fits."]
    assert not seen["broken"]["began"]


def test_an_address_that_cannot_be_bound_is_an_error_before_the_load(seen):
    """It is named, with what to give instead."""
    assert [line.error for line in seen["no address"]["error"]] == [
        "--bind is '5557': give HOST:PORT, such as 0.0.0.0:5557."
    ]
    (taken,) = [line.error for line in seen["taken"]["error"]]
    assert taken.startswith("Workers cannot be awaited at 127.0.0.1:")


def test_two_workers_share_one_schedule(seen):
    """Each request once, on one schedule, by both; merged they are one step."""
    plan = seen["workers"]
    records = sorted((r for r in plan["record"] if r.step == 0), key=lambda r: r.number)
    assert [record.number for record in records] == list(range(len(DUE)))
    assert [record.worker for record in records] == [n % 2 for n in range(len(DUE))]
    began = plan["step"][0].began_seconds
    since = [record.scheduled_seconds - began for record in records]
    assert since == pytest.approx(DUE, abs=1e-3), "two processes read two clocks"
    assert min(r.sent_seconds - r.scheduled_seconds for r in records) >= 0
    closed = numbers(plan, 1)
    assert len(set(closed)) == len(closed)
    assert closed[0] >= len(DUE)
    assert plan["step"][1].in_flight_at_end == 3
    assert plan["end"][0].requests == plan["end"][0].settled == len(plan["record"])
    assert len(plan["reports"][0].reports) == 2
    assert plan["told"][-1].answered


def test_the_key_reaches_the_workers_and_no_list_of_processes(seen):
    """It is in their requests, and in no command line."""
    commands = [
        command for command in seen["workers"]["began"][0].processes.values() if "worker" in command
    ]
    assert len(commands) == 2
    assert not [word for command in commands for word in command if KEY in word]
    sent = [header for header in seen["workers"]["headers"][0] if KEY in header]
    assert len(sent) == len(seen["workers"]["record"])


def test_an_interrupt_ends_cleanly(seen):
    """Nothing more is sent, what was in flight is recorded, and the next Ctrl-C is the usual."""
    plan = seen["interrupted"]
    first, second = plan["step"]
    assert first.interrupted
    assert first.ended_seconds - first.began_seconds < 300
    cut = [record for record in plan["record"] if record.outcome == "censored"]
    assert len(cut) == first.in_flight_at_end == 4
    assert len(plan["record"]) == len(plan["server"][0].bodies) == 7
    assert second.interrupted
    assert second.in_flight_at_end == 0
    assert plan["end"][0].usual

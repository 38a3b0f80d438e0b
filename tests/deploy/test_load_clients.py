"""The comparison of load clients: its engine tells the truth, its arithmetic and sentences hold."""

import http.client
import json
import time
from contextlib import closing
from typing import Any

import pytest

from deploy.benchmarks.load_clients import bench, truth
from deploy.benchmarks.load_clients.__main__ import CLIENTS
from deploy.benchmarks.load_clients.clients import Report, Times
from deploy.benchmarks.load_clients.environments import REQUIREMENTS
from deploy.benchmarks.load_clients.scripts import End, Script
from deploy.results import table

SCRIPT = Script(4, 3, first_seconds=0.05, gap_seconds=0.01, stall_every=5, stall_seconds=0.05)


def ask(here: bench.Bench, requests: int) -> tuple[list[tuple[float, bytes]], list[Any]]:
    """Ask one after another; returns what arrived and when, and what the engine says it sent."""
    arrived = []
    for _ in range(requests):
        connection = http.client.HTTPConnection(here.url.removeprefix("http://"), timeout=60)
        connection.request("POST", "/v1/chat/completions", json.dumps({"stream": True}))
        with closing(connection), connection.getresponse() as response:
            try:
                while piece := response.read1():
                    arrived.append((time.monotonic(), piece))
            except http.client.IncompleteRead as cut:
                arrived.append((time.monotonic(), cut.partial))
    return arrived, here.played()


def test_engine_sends_what_it_says_it_sent() -> None:
    """Each event arrives after its time of sending and before the next one's, as scripted."""
    with bench.engine() as here:
        here.begin(SCRIPT)
        arrived, [played] = ask(here, 1)
    text = b"".join(piece for _, piece in arrived)
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith(b"data: {")]
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    assert [delta.get("reasoning") for delta in deltas[1:5]] == [" word"] * 4
    assert [delta.get("content") for delta in deltas[5:]] == [" word"] * 3
    assert events[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] == 4
    assert len(played["sent"]) == 7
    assert played["received"] + SCRIPT.first_seconds <= played["sent"][0] <= arrived[0][0]
    assert played["sent"][-1] <= arrived[-1][0]
    assert played["sent"][5] - played["sent"][0] >= 4 * 0.01 + 0.05 - 0.01


def test_failures_are_a_quarter() -> None:
    """Of eight requests one is refused and one is cut, and the engine says which."""
    failing = Script(4, 4, first_seconds=0, gap_seconds=0, stall_seconds=0, failing=True)
    with bench.engine() as here:
        here.begin(failing)
        _, played = ask(here, 8)
    ends = [one["end"] for one in played]
    assert ends == [*[End.WHOLE] * 3, End.HTTP_500, *[End.WHOLE] * 3, End.CUT]
    assert [len(one["sent"]) for one in played] == [8, 8, 8, 0, 8, 8, 8, 4]


def test_errors_are_those_that_were_planted() -> None:
    """A client that tells 2 ms too much of each request is 2 ms off, in whatever order it tells."""
    true = [0.2, 0.21, 0.22, 0.23]
    told = [0.232, 0.202, 0.222, 0.212]
    assert truth.errors(told, true) == pytest.approx([0.002] * 4)
    assert truth.errors([0.2, 0.23], true) == pytest.approx([0, 0])


def test_first_wave_is_left_out_on_both_sides() -> None:
    """What the first streams cost more, while connections are made, is no error."""
    played = [
        {"received": 0.0, "sent": [0.1 * n, 1.0], "thoughts": 1, "end": "whole", "hung_up": False}
        for n in (1, 2, 3)
    ]
    report = Report([Times(9.0, 9.0, 9.0), Times(0.2, 1.0, 1.0), Times(0.3, 1.0, 1.001)], failed=0)
    row = truth.accuracy(report, played, streams=1)
    assert row["first_token_p99_error_ms"] == pytest.approx(0)
    assert row["total_p50_error_ms"] == pytest.approx(0.5)
    assert row["gap_p99_error_ms"] is None


def test_sentences_say_who_is_ahead() -> None:
    """Each figure in which another client is better than ours is said, with both figures."""
    measures = [name for name, *_ in table.MEASURES]
    ours = dict.fromkeys(measures, 1.0) | {"client": table.OURS}
    other = dict.fromkeys(measures, 2.0) | {"client": "other", "first_token_p99_error_ms": 0.5}
    other["events_per_core_second"] = 3.0
    said = table.ahead([ours, other])
    assert len(said) == 2
    assert "other is ahead in time to first token, p99 error: 0.50 ms, ours 1.00 ms." in said


def test_versions_are_those_of_the_pins() -> None:
    """The version a row names is the one its requirement file installs."""
    for client in CLIENTS:
        if client.environment:
            name = client.environment.removesuffix(".txt")
            pins = (REQUIREMENTS / client.environment).read_text().splitlines()
            assert f"{name}=={client.version}" in [pin.lower() for pin in pins]

"""The witness finds the errors that are there, beside the client that makes them."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from loadtests.certificate.metronome import Score, metronome
from loadtests.certificate.witness import Sample, Witness, timing_errors
from loadtests.client.arrivals import Connection
from loadtests.client.chat import ChatClient, Exchange
from loadtests.endpoint import parse_url
from tests.loadtests.conftest import WAIT_SECONDS

PLANTED_SECONDS = 0.25
UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import json, sys, time
from loadtests.certificate.speed import read_speed
from loadtests.certificate.witness import Witness
witness = Witness(time.perf_counter()).start()
time.sleep(1.5)
report, speed = witness.stop(), read_speed()
json.dump([len(report.errors_us), len(report.cpu), report.failure, speed], sys.stdout)
"""


def watched(seconds):
    """Watch this process for some time."""
    witness = Witness(time.perf_counter(), worker=3).start()
    time.sleep(seconds)
    return witness.stop()


def test_every_event_is_compared_and_every_second_counted():
    """Events come with error and time, seconds with their share of a core."""
    report = watched(1.5)
    assert (report.worker, report.failure) == (3, "")
    assert len(report.errors_us) == len(report.sent_seconds) > 0
    assert list(report.sent_seconds) == sorted(report.sent_seconds)
    assert report.sent_seconds[0] >= 0
    assert report.sent_seconds[-1] <= 1.5 + WAIT_SECONDS
    # A recorded time has whole microseconds, the true one too.
    assert min(report.errors_us) >= -2
    assert 0 < len(report.cpu) <= 2
    assert all(second.share >= 0 for second in report.cpu)
    kernel = "the kernel's receive time"
    assert report.clock == (kernel if sys.platform == "linux" else "the process's clock")


def test_a_planted_error_is_found(monkeypatch):
    """A client that dates everything late by a quarter of a second is shown to do so."""
    honest = Connection.receive

    def wrong(connection):
        data, arrival = honest(connection)
        return data, arrival + PLANTED_SECONDS

    monkeypatch.setattr(Connection, "receive", wrong)
    report = watched(0.8)
    assert report.errors_us
    assert min(report.errors_us) >= PLANTED_SECONDS * 1e6 - 2


def test_a_metronome_that_does_not_start_is_told(monkeypatch):
    """Nothing is compared, and the report says why."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    report = watched(0.1)
    assert report.errors_us == ()
    assert "/nowhere/python" in report.failure


def test_a_metronome_that_dies_is_told():
    """What was compared until then is kept."""
    witness = Witness(time.perf_counter()).start()
    give_up = time.monotonic() + WAIT_SECONDS
    while not witness._errors and time.monotonic() < give_up:
        time.sleep(0.02)
    child = metronome_process()
    child.kill()
    while not witness._failure and time.monotonic() < give_up:
        time.sleep(0.02)
    report = witness.stop()
    assert report.errors_us
    assert report.failure


def test_it_works_among_users_of_gevent():
    """Sockets and threads that gevent has patched serve witness and measurement as well."""
    done = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[3],
        timeout=WAIT_SECONDS,
    )
    assert done.stderr == b""
    compared, seconds, failure, speed = json.loads(done.stdout)
    assert compared > 0
    assert seconds > 0
    assert failure == ""
    assert speed > 0


def metronome_process():
    """Return the metronome among this process's children: other tests have some, too."""
    children = psutil.Process().children()
    return next(child for child in children if "metronome" in " ".join(child.cmdline()))


@pytest.mark.skipif(os.name != "posix", reason="a terminal's Ctrl-C")
def test_the_metronome_lives_through_an_interrupt_and_ends_with_its_parent():
    """Ctrl-C reaches the whole terminal, and what is in flight is still awaited."""
    with metronome() as port:
        child = metronome_process()
        child.send_signal(signal.SIGINT)
        exchange = Exchange()
        ChatClient(parse_url(f"http://127.0.0.1:{port}")).ask(Score(3, 0.01).body, exchange)
        assert exchange.fragments == 3
    assert not child.is_running()


def seen(text, arrivals_us):
    """Return an exchange with this text, whose events came at these times."""
    gaps = [after - before for before, after in pairwise(arrivals_us)]
    exchange = Exchange(first_token=arrivals_us[0] / 1e6 + 1e-7, gaps_us=gaps)
    exchange._answer.append(text)
    return exchange


@pytest.mark.parametrize(
    ("text", "arrivals_us", "errors"),
    [
        pytest.param("1000000:0 2000000:1100000 ", [1_050, 2_030], [50, 30], id="in time"),
        pytest.param("1000000:0 9000000:8000000 ", [1_050, 9_010], [None, 10], id="held up"),
        pytest.param("1000000:0 9000000:1900000 ", [1_800, 9_010], [800, 10], id="not for long"),
        pytest.param("1000000:0 9000000:8000000 ", [8_500, 9_010], [7_500, 10], id="late as well"),
        pytest.param("1000000:0 9000000:8000000 ", [500, 9_010], [-500, 10], id="too early"),
        pytest.param("1000000:0 ", [9_000_000], [8_999_000], id="the last has one end only"),
    ],
)
def test_the_error_is_arrival_less_sending(text, arrivals_us, errors):
    """Only an event that came while the metronome itself was held up over 1 ms tells nothing."""
    samples = timing_errors(seen(text, arrivals_us))
    assert [sample.error_us for sample in samples] == errors
    assert samples[0] == Sample(0.001, errors[0])


def test_nothing_seen_is_nothing_compared():
    """An exchange that failed before its first event has no error."""
    assert timing_errors(Exchange()) == []

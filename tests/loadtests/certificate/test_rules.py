"""What makes a run INVALID: each rule on both sides of its bound."""

import msgspec
import pytest

from loadtests.certificate.rules import certify
from loadtests.certificate.witness import CpuSecond, WitnessReport
from loadtests.shapes import Rate, Step, StepTiming, Users
from tests.loadtests.samples import GOOD

FEW, ENOUGH = 661, 662


def timing(index=0, load=None, began=0.0):
    """Return a step of 30 s."""
    step = Step(index, load or Users(4), 30.0, 3.0, 10.0)
    return StepTiming(step, began, began + 3.0, began + 30.0, 0.0, 0)


def report(errors_us=(100,) * ENOUGH, began=0.0, cpu=(), **more):
    """Return what a load process saw: its errors spread over 30 s."""
    count = max(len(errors_us), 1)
    sent = tuple(began + 30.0 * n / count for n in range(len(errors_us)))
    return WitnessReport(
        clock="the kernel's receive time",
        sent_seconds=sent,
        errors_us=tuple(errors_us),
        cpu=cpu,
        **more,
    )


def record(**changes):
    """Return a good record with changes."""
    return msgspec.structs.replace(GOOD, **changes)


def judge(reports=None, records=None, timings=None, **more):
    """Certify with good values for all that is not given."""
    facts = {"events_per_core_second": 30000.0, "round_trip_seconds": None, "is_loopback": True}
    return certify(
        [report()] if reports is None else reports,
        [GOOD] * 20 if records is None else records,
        [timing()] if timings is None else timings,
        **(facts | more),
    )


def test_a_quiet_client_is_valid():
    """All figures within their bounds: no reason, and every figure is there."""
    told = judge()
    assert (told.valid, told.reasons) == (True, ())
    assert (told.timing_error_p50_seconds, told.timing_error_p99_seconds) == (1e-4, 1e-4)
    assert told.timing_samples == ENOUGH
    assert told.events_per_core_second == 30000.0
    assert told.clock == "the kernel's receive time"


@pytest.mark.parametrize(("told", "valid"), [((0, 1), True), ((0,), False), ((1,), False)])
def test_each_load_process_answers_for_its_records(told, valid):
    """One that is lost took with it what could have shown its times to be wrong."""
    records = [record(worker=n % 2) for n in range(20)]
    judged = judge(reports=[report(worker=n) for n in told], records=records)
    assert judged.valid is valid
    missing = {0, 1} - set(told)
    assert list(judged.reasons) == [
        f"Load process {n + 1} told nothing of its timing error: run it again." for n in missing
    ]


def errors(bad, size_us, of=1000):
    """Return errors of which so many are large."""
    return (100,) * (of - bad) + (size_us,) * bad


@pytest.mark.parametrize(
    ("ttft_seconds", "seen", "valid"),
    [
        pytest.param(0.04, errors(11, 1001), False, id="over 1 ms"),
        pytest.param(0.04, errors(11, 1000), True, id="1 ms"),
        pytest.param(0.04, errors(11, -1001), False, id="too early counts too"),
        pytest.param(0.04, errors(10, 90_000), True, id="1 % beyond"),
        pytest.param(0.5, errors(11, 10_001), False, id="over 2 % of 0.5 s"),
        pytest.param(0.5, errors(11, 9_999), True, id="under 2 % of 0.5 s"),
        pytest.param(None, errors(11, 1001), False, id="nothing answered"),
    ],
)
def test_times_may_be_wrong_by_so_much(ttft_seconds, seen, valid):
    """The bound is max(1 ms, 2 % of the median time to first token), at the 99th percentile."""
    told = judge([report(seen)], [record(first_token_seconds=ttft_seconds)] * 5)
    assert told.valid is valid
    expected = max(0.001, 0.02 * (ttft_seconds or 0))
    assert told.timing_bound_seconds == pytest.approx(expected)
    assert valid or "timing error" in told.reasons[0]


@pytest.mark.parametrize(("count", "valid"), [(FEW, False), (ENOUGH, True), (0, False)])
def test_too_few_events_tell_nothing(count, valid):
    """A 99th percentile needs 662 events; without them the run is not trusted."""
    told = judge([report((100,) * count)])
    assert told.valid is valid
    assert (told.timing_error_p99_seconds is not None) is valid
    assert valid or f"{count} events" in told.reasons[0]


def test_a_bad_step_is_not_thinned_out_by_good_ones():
    """Each step is judged with its own requests: an idle step does not excuse a busy one."""
    timings = [timing(n, began=30.0 * n) for n in range(10)]
    records = [record(step=n) for n in range(10)]
    calm = report((100,) * 9 * ENOUGH)
    calm = msgspec.structs.replace(calm, sent_seconds=tuple(9 * s for s in calm.sent_seconds))
    busy = report(errors(8, 50_000, of=ENOUGH), began=270.0)
    both = report(
        calm.errors_us + busy.errors_us,
    )
    both = msgspec.structs.replace(both, sent_seconds=calm.sent_seconds + busy.sent_seconds)
    told = judge([both], records, timings)
    assert not told.valid
    assert told.timing_error_p99_seconds == pytest.approx(0.05)


def test_a_bad_worker_is_not_thinned_out_by_good_ones():
    """Each load process is judged alone."""
    good, bad = report((100,) * 5000), report(errors(8, -50_000, of=ENOUGH), worker=1)
    assert not judge([good, bad]).valid


def test_short_steps_are_judged_together():
    """Steps with too few events each still make a verdict."""
    timings = [timing(n, began=30.0 * n) for n in range(3)]
    records = [record(step=n, first_token_seconds=0.01) for n in range(3)]
    halves = errors(12, 2_000, of=3 * 400)
    seen = msgspec.structs.replace(
        report(halves), sent_seconds=tuple(90.0 * n / 1200 for n in range(1200))
    )
    assert judge([seen], records, timings).valid
    worse = errors(13, 2_000, of=3 * 400)
    worse = msgspec.structs.replace(seen, errors_us=worse)
    assert not judge([worse], records, timings).valid
    # A long and good step beside them does not speak for them.
    calm = report((100,) * ENOUGH, worker=1)
    long = msgspec.structs.replace(calm, sent_seconds=(100.0,) * ENOUGH)
    many = msgspec.structs.replace(seen, errors_us=errors(100, 2_000, of=3 * 400))
    timings, records = [*timings, timing(3, began=90.0)], [*records, record(step=3)]
    records = [msgspec.structs.replace(r, first_token_seconds=0.01) for r in records]
    assert not judge([many, long], records, timings).valid


def test_a_check_that_broke_off_is_told():
    """Where the metronome failed, what followed was not watched."""
    told = judge([report(failure="connection refused")])
    assert not told.valid
    assert "connection refused" in told.reasons[0]


@pytest.mark.parametrize(
    ("share", "at_seconds", "valid"),
    [(0.9, 10.0, True), (0.91, 10.0, False), (0.99, -1.0, True), (0.99, 60.0, True)],
)
def test_a_load_process_may_use_nine_tenths_of_its_core(share, at_seconds, valid):
    """Only while a step is played: what comes before and after does not count."""
    told = judge([report(cpu=(CpuSecond(5.0, 0.2), CpuSecond(at_seconds, share)))])
    assert told.valid is valid
    assert told.client_cpu_share == (share if 0 < at_seconds < 30 else 0.2)


def late(count, seconds, of=1000):
    """Return records of which so many were sent late."""
    on_time = [record(scheduled_seconds=10.0, sent_seconds=10.001)] * (of - count)
    return on_time + [record(scheduled_seconds=10.0, sent_seconds=10.0 + seconds)] * count


@pytest.mark.parametrize(
    ("records", "load", "valid"),
    [
        pytest.param(late(11, 0.03), Rate(5.0), False, id="over 1 %"),
        pytest.param(late(10, 0.03), Rate(5.0), True, id="1 %"),
        pytest.param(late(100, 0.02), Rate(5.0), True, id="20 ms"),
        pytest.param(late(1, 3.0, of=10), Rate(5.0), True, id="one of few"),
        pytest.param(late(2, 3.0, of=10), Rate(5.0), False, id="two of few"),
        pytest.param(late(100, 0.03), Users(4), True, id="closed loop"),
    ],
)
def test_an_open_loop_keeps_its_times(records, load, valid):
    """More than 1 % sent more than 20 ms late is not the load that was asked for."""
    told = judge(records=records, timings=[timing(load=load)])
    assert told.valid is valid
    assert valid or "after their time" in told.reasons[0]


@pytest.mark.parametrize(
    ("upload", "round_trip", "loopback", "words"),
    [
        pytest.param(0.12, 0.02, False, None, id="in bounds"),
        pytest.param(0.13, 0.02, False, "hand a request over", id="upload"),
        pytest.param(0.01, 0.26, False, "round trip", id="round trip"),
        pytest.param(0.13, 0.26, True, None, id="loopback has no network"),
    ],
)
def test_the_network_must_not_be_what_is_measured(upload, round_trip, loopback, words):
    """Off loopback, uploads over a quarter and round trips over half of the TTFT (0.5 s) are."""
    told = judge(
        records=[record(uploaded_seconds=upload)] * 130,
        round_trip_seconds=round_trip,
        is_loopback=loopback,
    )
    assert told.valid is (words is None)
    if words:
        assert words in told.reasons[0]
        assert "inside the cluster" in told.reasons[0]


def test_the_busiest_second_counts_every_event():
    """Events of all requests are counted in the second in which they came."""
    first = record(sent_seconds=10.0, first_token_seconds=0.5, event_gaps_us=(100_000,) * 20)
    other = record(sent_seconds=10.9, first_token_seconds=0.05, event_gaps_us=(200_000,) * 3)
    # From 10.5 s five events in second 10, ten in 11, six in 12; from 10.95 s one and three.
    assert judge(records=[first, other]).events_per_second == 13


def test_without_a_witness_there_is_no_trust():
    """No report, no certificate; and no failure of the program."""
    told = judge([])
    assert not told.valid
    assert told.clock == "not known"

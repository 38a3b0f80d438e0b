"""Every rule of the experiments, from both sides, on facts made up for it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos import drain, dropped, fairness, hostile, kill, overload, real, soak, stop
from tests.chaos.client import Request
from tests.chaos.record import Record, Verdict
from tests.chaos.report import Check
from tests.hostile import Case


def record(verdict: Verdict = Verdict.COMPLETE, first: float = 0.1, **fields: Any) -> Record:
    """Make a record of a request scheduled at 0 that had its first event after `first` seconds."""
    times = {"sent": 0.0, "headers": first, "first_event": first, "ended": first + 0.2}
    return Record(**{"scheduled": 0.0, "verdict": verdict, "status": 200, **times, **fields})


def busy(after: float = 0.01, **fields: Any) -> Record:
    """Make a refusal for overload."""
    return record(Verdict.REFUSED, after, **{"status": 429, "retry_after": "2", **fields})


def unavailable() -> Record:
    """Make a refusal while the engine is away."""
    return record(Verdict.REFUSED, status=503, retry_after="5")


def told() -> Record:
    """Make a stream that ended with a typed error."""
    return record(Verdict.ERROR_EVENT, error_code="engine_error")


def holds(checks: list[Check]) -> bool:
    """Say whether all checks hold."""
    return all(check.holds for check in checks)


# A second of an engine that serves 100 a second.
OVERLOAD = overload.Facts(
    capacity=100,
    seconds=1.0,
    base=[record() for _ in range(100)],
    overload=[record(ended=1.0) for _ in range(95)] + [busy() for _ in range(900)],
    memory=[(float(second), 50.0) for second in range(10)],
)


def test_an_overload_as_it_must_be_holds() -> None:
    """Served as fast, refused at once."""
    assert holds(overload.judge(OVERLOAD))
    in_time = replace(OVERLOAD, overload=[record(first=0.199, ended=1.0)] * 95 + [busy()] * 900)
    assert holds(overload.judge(in_time))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"overload": [record(first=0.21, ended=1.0)] * 95 + [busy()]}, id="late"),
        pytest.param({"overload": [record(ended=1.0)] * 70 + [busy()]}, id="few served"),
        pytest.param({"overload": [*OVERLOAD.overload, record(Verdict.BROKEN)]}, id="broken"),
        pytest.param({"overload": [*OVERLOAD.overload, busy(retry_after="")]}, id="no Retry-After"),
        pytest.param({"overload": [*OVERLOAD.overload, busy(retry_after="0")]}, id="come at once"),
        pytest.param({"overload": [*OVERLOAD.overload, unavailable()]}, id="503"),
        pytest.param({"overload": [record(ended=1.0)] * 95 + [busy(0.11)] * 900}, id="waited"),
        pytest.param({"overload": []}, id="nothing"),
        pytest.param({"base": [record(Verdict.BROKEN)] * 100}, id="no base"),
        pytest.param({"refused_by_engine": 1}, id="the engine had to refuse"),
        pytest.param({"memory": [(float(s), 50.0 + s / 50) for s in range(60)]}, id="growing"),
    ],
)
def test_an_overload_otherwise_does_not(change: dict[str, Any]) -> None:
    """Each rule is needed."""
    assert not holds(overload.judge(replace(OVERLOAD, **change)))


def test_a_first_burst_is_left_out_where_that_is_said() -> None:
    """In a short run it would be too much of the whole."""
    burst = [record(first=5.0) for _ in range(5)]
    later = [record(scheduled=9.0, first=9.1, ended=10.0) for _ in range(900)]
    facts = replace(OVERLOAD, overload=burst + later + [busy()], ramp_seconds=5.0)
    assert holds(overload.judge(facts))
    assert not holds(overload.judge(replace(facts, overload=burst * 3 + later, ramp_seconds=0.0)))


def test_a_modest_tenant_is_served_beside_a_flood() -> None:
    """At least 95 of its 100 requests, and the others refused in words."""
    flood = [busy()] * 100
    enough = [record()] * 95 + [busy()] * 5
    assert holds(fairness.judge(fairness.Facts(flood, [record()], enough)))
    for beside in ([record()] * 94 + [busy()] * 6, [record()] * 99 + [record(Verdict.BROKEN)], []):
        assert not holds(fairness.judge(fairness.Facts(flood, [record()], beside)))


SIGNALLED = drain.Round("SIGTERM", [record()] * 2, [unavailable()], exit_code=0)
COMMANDED = drain.Round("drain", [record()] * 2, [unavailable()], exit_code=0, command_code=0)
NOBODY = Record(0.0)


def test_drains_that_break_nothing_hold() -> None:
    """After a signal the process may be gone; after the command it still answers."""
    gone = replace(SIGNALLED, late=[NOBODY, record()])
    assert holds(drain.judge([SIGNALLED, gone, COMMANDED], 2))


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param([SIGNALLED], id="no drain"),
        pytest.param([COMMANDED], id="no signal"),
        *(
            pytest.param([SIGNALLED, COMMANDED, replace(each, **change)], id=f"{name} {each.way}")
            for each in (SIGNALLED, COMMANDED)
            for name, change in {
                "broken": {"streams": [record(), record(Verdict.BROKEN)]},
                "cut off": {"streams": [record(), told()]},
                "too few": {"streams": [record()]},
                "exit code": {"exit_code": 1},
                "late without a word": {"late": [record(Verdict.REFUSED, status=503)]},
                "late 500": {"late": [record(Verdict.REFUSED, status=500)]},
            }.items()
        ),
        pytest.param([SIGNALLED, replace(COMMANDED, late=[NOBODY])], id="nobody there"),
        pytest.param([SIGNALLED, replace(COMMANDED, command_code=1)], id="the command failed"),
    ],
)
def test_drains_that_break_something_do_not(rounds: list[drain.Round]) -> None:
    """One stream, one refusal or one exit code is enough."""
    assert not holds(drain.judge(rounds, 2))


KILLED = kill.Facts(0.0, [told()] * 2, [unavailable()], [record()], 1.0, same_gateway=True)


def test_a_killed_engine_of_which_all_are_told_holds() -> None:
    """Each of its streams, and whoever asks meanwhile."""
    assert holds(kill.judge([KILLED, KILLED], 2))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"streams": [told()]}, id="too few streams"),
        pytest.param({"streams": [told(), record(Verdict.BROKEN)]}, id="broken"),
        pytest.param({"streams": [told(), record()]}, id="it did not run at the kill"),
        pytest.param({"streams": [told(), record(Verdict.ERROR_EVENT)]}, id="an error of no type"),
        pytest.param({"killed_at": -60.0}, id="told late"),
        pytest.param({"meanwhile": [busy()]}, id="429 meanwhile"),
        pytest.param({"meanwhile": []}, id="nobody asked meanwhile"),
        pytest.param({"afterwards": [unavailable()]}, id="no recovery"),
        pytest.param({"same_gateway": False}, id="the gateway fell too"),
    ],
)
def test_a_killed_engine_otherwise_does_not(change: dict[str, Any]) -> None:
    """Each rule is needed."""
    assert not holds(kill.judge([replace(KILLED, **change)], 2))


STOPPED = stop.Facts("core", 60.0, 66.0, "the core makes no progress", 0.0, [told()] * 2)


def test_a_hung_engine_that_is_found_in_time_holds() -> None:
    """From the watchdog's time to 15 s more, both ends included."""
    times = [replace(STOPPED, failed_seconds=seconds) for seconds in (60.0, 75.0)]
    assert holds(stop.judge(times, 2))


@pytest.mark.parametrize(
    "change",
    [
        {"failed_seconds": 59.9},
        {"failed_seconds": 75.1},
        {"reason": ""},
        {"streams": [told(), record(Verdict.BROKEN)]},
        {"streams": [told()]},
    ],
)
def test_a_hung_engine_otherwise_does_not(change: dict[str, Any]) -> None:
    """Neither too early nor too late, with its reason, and told to each stream."""
    assert not holds(stop.judge([STOPPED, replace(STOPPED, **change)], 2))


HOSTILE = hostile.Facts([400, 200], [], [], [(0.0, 50.0), (1.0, 90.0)], alive=True)


def test_hostile_requests_that_come_to_nothing_hold() -> None:
    """Refused, or served where a body is harmless after all."""
    assert holds(hostile.judge(HOSTILE, 2))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"statuses": [400]}, id="too few"),
        pytest.param({"statuses": [400, 500]}, id="a server error"),
        pytest.param({"objections": ["a wrong code"]}, id="a wrong answer"),
        pytest.param({"reached": ["127.0.0.1"]}, id="a decoy was reached"),
        pytest.param({"alive": False}, id="a crash"),
        pytest.param({"memory": [(0.0, 50.0), (1.0, 5000.0), (2.0, 50.0)]}, id="memory"),
    ],
)
def test_hostile_requests_otherwise_do_not(change: dict[str, Any]) -> None:
    """One is enough."""
    assert not holds(hostile.judge(replace(HOSTILE, **change), 2))


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (record(), False),
        (record(Verdict.REFUSED, status=400, error_code="invalid_json"), False),
        (record(Verdict.REFUSED, status=500), True),
        (record(Verdict.REFUSED, status=502), True),
        (record(Verdict.ERROR_EVENT, error_code="internal_error"), True),
        (record(Verdict.BROKEN, status=0), True),
    ],
)
def test_an_answer_to_a_hostile_request_is_a_verdict_on_it(answer: Record, wrong: bool) -> None:
    """A case of the corpus judges by itself, all others by their status."""
    assert bool(hostile.objection(Request(b"{}"), None, answer)) is wrong
    case = Case("a", b"{}", frozenset({"invalid_json"}))
    assert bool(hostile.objection(Request(b"{}"), case, answer)) is (answer.status != 400)


REST = dropped.Rest(files=20, tasks=8)
DROPPED = dropped.Facts([record(Verdict.LEFT)] * 2, 0, 0, aborted=1, before=REST, after=REST)


def test_dropped_streams_that_leave_nothing_hold() -> None:
    """All is as it was before them."""
    assert holds(dropped.judge(DROPPED, 2))


@pytest.mark.parametrize(
    "change",
    [
        {"running": 1},
        {"waiting": 1},
        {"aborted": 0},
        {"after": replace(REST, files=21)},
        {"after": replace(REST, tasks=9)},
        {"before": replace(REST, tasks=0), "after": replace(REST, tasks=0)},
        {"records": [record(Verdict.LEFT)]},
    ],
)
def test_dropped_streams_that_leave_something_do_not(change: dict[str, Any]) -> None:
    """A request, a file, a task; nor does an experiment that dropped nothing at the engine."""
    assert not holds(dropped.judge(replace(DROPPED, **change), 2))


def rising(mib_in_ten_minutes: float, settling: float = 0.0) -> list[tuple[float, float]]:
    """Make a soak's samples: a line, above which the first minutes stand."""
    return [
        (float(at), 50 + mib_in_ten_minutes * at / 600 + (settling if at < 300 else 0))
        for at in range(1200)
    ]


def test_a_soak_is_judged_by_what_it_gains_once_settled() -> None:
    """Just under 1 MiB in ten minutes holds, just over it does not."""
    assert holds(soak.judge([record()], rising(0.99), 1200))
    assert holds(soak.judge([record()], rising(0.0, settling=-20), 1200))
    for records, memory in (
        ([record()], rising(1.01)),
        ([record(), busy()], rising(0)),
        ([], rising(0)),
        ([record()], rising(0)[:500]),
    ):
        assert not holds(soak.judge(records, memory, 1200))


def test_the_real_engine_is_shown_and_not_judged() -> None:
    """Its capacity is no known truth; a broken stream is seen in the report."""
    facts = real.Facts(40, [record()], [record(), busy()], [SIGNALLED, COMMANDED], [KILLED])
    checks = real.judge(facts)
    assert holds(checks)
    assert "drains: 0 of 4 streams broken" in [check.says for check in checks]
    broken = replace(SIGNALLED, streams=[record(Verdict.BROKEN)])
    said = [check.says for check in real.judge(replace(facts, drains=[broken]))]
    assert "drains: 1 of 1 streams broken" in said

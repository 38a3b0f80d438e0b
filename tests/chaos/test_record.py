"""What became of a request is told by its status and its body's last bytes alone."""

import pytest

from serving.gateway.errors import EngineFailed
from tests.chaos.record import Record, Verdict, ended_as, error_code, judge, tally
from tests.fake_engine import DONE, delta_event

ERROR = b'data: {"error":{"message":"It broke.","type":"server_error","code":"engine_error"}}\n\n'
OPENROUTER = b'data: {"id":"gen","error":{"code":502,"message":"It broke."},"choices":[]}\n\n'
ANTHROPIC = b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"x"}}\n\n'
RESPONSES = b'data: {"type":"response.failed","response":{"error":{"code":"x","message":"x"}}}\n\n'
TEXT = delta_event(content='"error":{"message":"only said"}')


@pytest.mark.parametrize("event", [ERROR, OPENROUTER, ANTHROPIC, RESPONSES])
def test_an_error_event_of_any_dialect_is_found(event: bytes) -> None:
    """Exactly one, in a stream that came to its end."""
    assert judge(200, TEXT + event, whole=True, streamed=True) is Verdict.ERROR_EVENT
    assert judge(200, event + event, whole=True, streamed=True) is Verdict.BROKEN
    assert judge(200, TEXT + event, whole=False, streamed=True) is Verdict.BROKEN


def test_an_answer_is_complete_with_its_end_only() -> None:
    """What an answer says is no error, and no end."""
    assert judge(200, TEXT + DONE, whole=True, streamed=True) is Verdict.COMPLETE
    assert judge(200, TEXT, whole=True, streamed=True) is Verdict.BROKEN
    assert judge(200, b"{}", whole=True, streamed=False) is Verdict.COMPLETE
    assert judge(200, b"{", whole=False, streamed=False) is Verdict.BROKEN


def test_a_refusal_is_a_status_with_a_whole_body() -> None:
    """Whatever the status."""
    assert judge(429, b"{}", whole=True, streamed=False) is Verdict.REFUSED
    assert judge(0, b"", whole=False, streamed=False) is Verdict.BROKEN


def test_codes_are_read() -> None:
    """As the gateway writes them."""
    assert error_code(ERROR) == EngineFailed.code
    assert error_code(b"{}") is None


@pytest.mark.parametrize(
    ("status", "retry_after", "busy"),
    [
        (429, "1", True),
        (429, "", False),
        (429, "soon", False),
        (429, "0", False),
        (503, "1", False),
    ],
)
def test_only_a_429_that_says_when_is_the_refusal_for_overload(
    status: int, retry_after: str, busy: bool
) -> None:
    """In whole seconds, at least one."""
    record = Record(0.0, status=status, retry_after=retry_after, verdict=Verdict.REFUSED)
    assert record.is_busy is busy


def test_records_are_counted_by_their_ends() -> None:
    """For the report's reader."""
    records = [Record(0.0, verdict=Verdict.COMPLETE)] * 2
    records.append(Record(0.0, status=429, verdict=Verdict.REFUSED, error_code="engine_overloaded"))
    assert tally(records) == "2 complete, 1 refused 429 engine_overloaded"
    assert tally([]) == "none"
    assert len(ended_as(records, Verdict.COMPLETE)) == 2


def test_times_count_from_the_schedule() -> None:
    """A client that is late makes the server look worse, never better."""
    record = Record(10.0, sent=10.5, headers=10.6, first_event=11.0)
    assert record.first_event_seconds == 1.0
    assert record.decision_seconds == pytest.approx(0.6)

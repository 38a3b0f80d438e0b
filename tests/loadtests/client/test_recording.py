"""An exchange written down as a record."""

import pytest

from loadtests.client.exchange import Exchange
from loadtests.client.recording import record_of
from loadtests.client.usage import Usage
from loadtests.outcome import Outcome
from loadtests.prompt import Pictures, Prompt, Request


def ask(right=None, **more):
    """Return a request for a sum."""
    messages = ({"role": "user", "content": "What is 12 + 7?"},)
    return Request(7, Prompt("text", messages, 64, right, **more), b"{}")


def exchange(**changes):
    """Return an exchange with all times, by the clock of the process."""
    seen = {
        "sent": 100.0,
        "uploaded": 100.01,
        "headers": 100.05,
        "first_byte": 100.1,
        "first_token": 100.2,
        "first_reasoning": 100.2,
        "first_answer": 100.5,
        "last_token": 101.0,
        "done": 101.25,
        "outcome": Outcome.ANSWERED,
        "request_id": "req-1",
        "gaps_us": [300_000, 500_000],
        "usage": Usage(9, 5, reasoning=3, cached=0, image=256, cost_usd=0.5),
    }
    return Exchange(**(seen | changes))


def test_times_count_from_the_sending_and_the_sending_from_the_start():
    """One clock, two origins; what was due is counted from the start, too."""
    record = record_of(ask(), exchange(), 2, scheduled=99.5, began=90.0, worker=1)
    assert (record.number, record.kind, record.step, record.worker) == (7, "text", 2, 1)
    assert (record.scheduled_seconds, record.sent_seconds) == (9.5, 10.0)
    assert record.lateness_seconds == 0.5
    assert (record.uploaded_seconds, record.headers_seconds) == (0.01, 0.05)
    assert (record.first_byte_seconds, record.first_token_seconds) == (0.1, 0.2)
    assert (record.first_reasoning_seconds, record.first_answer_seconds) == (0.2, 0.5)
    assert (record.last_token_seconds, record.done_seconds) == (1.0, 1.25)
    assert record.event_gaps_us == (300_000, 500_000)


def test_counts_are_the_servers():
    """Tokens, cost and the request's id are as the endpoint told them."""
    record = record_of(ask(), exchange(), 0, scheduled=100.0, began=90.0)
    assert (record.prompt_tokens, record.completion_tokens, record.reasoning_tokens) == (9, 5, 3)
    assert (record.cached_tokens, record.image_tokens, record.video_tokens) == (0, 256, None)
    assert (record.cost_usd, record.request_id) == (0.5, "req-1")


def test_a_prompts_place_is_kept():
    """Pictures, conversation and turn come from the prompt."""
    request = ask(pictures=Pictures.REPEATED, picture_count=2, conversation=4, turn=3)
    record = record_of(request, exchange(), 0, scheduled=100.0, began=90.0)
    assert (record.pictures, record.picture_count) == (Pictures.REPEATED, 2)
    assert (record.conversation, record.turn) == (4, 3)


@pytest.mark.parametrize(
    ("right", "outcome", "expected"),
    [
        (None, Outcome.ANSWERED, None),
        (lambda answer, calls: (answer, calls) == ("", "[]"), Outcome.ANSWERED, True),
        (lambda answer, calls: False, Outcome.ANSWERED, False),
        (lambda answer, calls: True, Outcome.CUT_STREAM, None),
    ],
)
def test_only_an_answer_is_right_or_wrong(right, outcome, expected):
    """Where nobody knows, or nothing was answered, nothing is claimed."""
    record = record_of(ask(right), exchange(outcome=outcome), 0, scheduled=100.0, began=90.0)
    assert record.right is expected


def test_what_was_not_seen_is_none():
    """A request that was broken off has its sending, and the end of the waiting."""
    bare = Exchange(sent=100.0, done=100.5)
    record = record_of(ask(), bare, 0, scheduled=100.0, began=90.0)
    assert record.outcome is Outcome.CENSORED
    assert (record.first_token_seconds, record.done_seconds) == (None, 0.5)

"""How much a run may ask for, and that it asks for no more."""

import pytest

from loadtests.allowance import Allowance, Prices
from loadtests.outcome import Outcome
from loadtests.records import Record

PRICES = Prices(prompt=1.0, output=2.0)


def allowance(**limits) -> Allowance:
    """Return an allowance with wide limits but those given."""
    usual = {"max_requests": 1000, "max_usd": None, "prices": PRICES, "expected_usd": 0.0}
    return Allowance(**usual | limits)


def ended(outcome=Outcome.ANSWERED, **told) -> Record:
    """Return a request that has ended."""
    times = {"scheduled_seconds": 0.0, "sent_seconds": 0.0, "done_seconds": 1.0}
    return Record(number=0, kind="chat", step=0, outcome=outcome, **times, **told)


def test_the_last_request_is_the_last():
    """As many as allowed, and not one more."""
    left = allowance(max_requests=3)
    assert [left.take() for _ in range(5)] == [True, True, True, False, False]
    assert left.used_up == "3 requests were sent, as many as MAX_REQUESTS allows"


def test_a_price_is_by_the_million():
    """Of prompt and output tokens, each its own."""
    assert PRICES.cost(1_000_000, 500_000) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("told", "spent"),
    [
        pytest.param({"prompt_tokens": 1000, "completion_tokens": 500}, 0.002, id="by tokens"),
        pytest.param({"prompt_tokens": 1000, "cost_usd": 0.5}, 0.5, id="as the endpoint told"),
        pytest.param({"outcome": Outcome.HTTP_ERROR}, 0.0, id="failed"),
        pytest.param({"outcome": Outcome.CENSORED}, 0.3, id="broken off"),
        pytest.param({"outcome": Outcome.CUT_STREAM, "fragments": 1}, 0.3, id="cut in its text"),
        pytest.param({"fragments": 1}, 0.3, id="answered without usage"),
    ],
)
def test_an_ended_request_is_paid(told, spent):
    """What the endpoint says it cost, else what its tokens cost."""
    left = allowance(max_usd=10.0, expected_usd=0.3)
    left.take()
    left.settle(ended(**told))
    assert left.spent_usd == pytest.approx(spent)


def test_running_requests_are_counted_before_they_are_paid():
    """A burst of slow requests does not spend the limit many times over."""
    left = allowance(max_usd=1.0, expected_usd=0.3)
    assert [left.take() for _ in range(4)] == [True, True, True, False]
    left.settle(ended(cost_usd=0.1))
    assert left.expected_usd == pytest.approx(0.1)
    taken = sum(left.take() for _ in range(100))
    assert taken == 7  # 0.1 spent, two and seven running at 0.1 each
    assert "of the 1 of MAX_USD" in left.used_up


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_parts_of_all_workers_are_the_whole(workers):
    """Nobody may ask for more because there are several."""
    whole = allowance(max_requests=100, max_usd=7.0)
    parts = [whole.share(number, workers) for number in range(workers)]
    assert sum(part.max_requests for part in parts) == 100
    assert sum(part.max_usd for part in parts) == pytest.approx(7.0)

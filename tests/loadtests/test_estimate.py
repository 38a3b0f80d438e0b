"""What a run is going to take, from its first request."""

import pytest

from loadtests.allowance import Allowance, Prices
from loadtests.estimate import estimate, foreseen, require_means
from loadtests.failure import LoadError
from loadtests.outcome import Outcome
from loadtests.records import Record
from loadtests.shapes import Ramp, Rate, Search, Single, Step, Steps, Users

TRIAL = Record(
    number=0,
    kind="chat",
    step=0,
    scheduled_seconds=0.0,
    sent_seconds=0.0,
    done_seconds=2.0,
    outcome=Outcome.ANSWERED,
    prompt_tokens=100,
    completion_tokens=50,
)
PRICES = Prices(prompt=1.0, output=2.0)


def allowance(**limits) -> Allowance:
    """Return an allowance with wide limits but those given."""
    usual = {"max_requests": 10**6, "max_usd": None, "prices": PRICES, "expected_usd": 0.0}
    return Allowance(**usual | limits)


def guess(steps: tuple[Step, ...], **limits):
    """Return the estimate of steps."""
    return estimate(steps, TRIAL, allowance(**limits))


@pytest.mark.parametrize(
    ("shape", "requests"),
    [
        pytest.param(Single(Rate(2.0), seconds=120), 240, id="rate"),
        pytest.param(Ramp(1.0, 3.0, seconds=10), 20, id="ramp"),
        pytest.param(Single(Users(4), seconds=10), 20, id="users at the trial's pace"),
        pytest.param(Single(Users(4), seconds=1), 4, id="each user asks once at least"),
        pytest.param(Steps((Rate(1.0), Rate(2.0)), seconds=10), 30, id="steps"),
    ],
)
def test_requests_are_those_of_all_steps(shape, requests):
    """By rate, or by the pace at which users come around."""
    found = guess(shape.steps())
    assert (found.requests, found.prompt_tokens, found.output_tokens) == (
        requests,
        100 * requests,
        50 * requests,
    )
    assert found.usd == pytest.approx(requests * 200e-6)


def test_of_a_search_the_first_step_is_foreseen():
    """How far it goes is not known; what it begins with costs so much."""
    assert [step.load for step in foreseen(Search(Users(4)))] == [Users(4)]
    assert len(foreseen(Steps((Rate(1.0), Rate(2.0))))) == 2


def test_what_was_asked_before_is_no_longer_allowed():
    """The trial is one of the requests."""
    assert guess(Single(Rate(2.0), seconds=120).steps(), max_requests=7, requests=1).requests == 6


def test_no_more_is_expected_than_is_allowed():
    """The limit of requests bounds the cost, too."""
    assert guess(Single(Rate(2.0), seconds=120).steps(), max_requests=7).requests == 7


def test_a_run_that_would_cost_too_much_is_refused():
    """At the limit it is not."""
    found = guess(Single(Rate(10.0), seconds=100).steps())
    require_means(found, allowance(max_usd=0.2))
    with pytest.raises(LoadError, match=r"about 0.20 USD and MAX_USD is 0.19"):
        require_means(found, allowance(max_usd=0.19))


def test_assumed_prices_are_said_to_be():
    """Nobody takes them for the endpoint's own."""
    found = guess(Single(Rate(2.0), seconds=10).steps())
    assumed = allowance(prices=Prices(prompt=0.18, output=2.1, assumed=True))
    assert "0.18 and 2.1 a million (assumed" in found.text(assumed)
    assert "assumed" not in found.text(allowance())

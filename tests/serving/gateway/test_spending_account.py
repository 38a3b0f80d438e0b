"""What a key has spent, between two readings of the store: never too little, then exact."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.errors import BudgetExhausted, GatewayError, RateLimited
from serving.gateway.key import Key
from serving.gateway.period import FIRST_DAY, Period
from serving.gateway.spending_account import KNOWN_SECONDS, Account, Reading

TODAY = date(2026, 11, 21)


def key(**said: Any) -> Key:
    """Return a key with a budget."""
    return Key(id="key_a", name="a", digest=bytes(32), **{"budget_usd": 1.0} | said)


def account(usd: float = 0.0, **said: Any) -> Account:
    """Return the account of a key, of which so much was read."""
    asked = key(**said)
    since = asked.budget_period.start(TODAY) if asked.budget_period else FIRST_DAY
    return Account(asked, since, 0.0, Reading(usd, 0.0, 0.0))


def refusal(asked: Account) -> GatewayError:
    """Return why a request is refused."""
    with pytest.raises(GatewayError) as caught:
        asked.check()
    return caught.value


def test_both_sides_of_a_budget() -> None:
    """What is left lets a request in, however little; the last cent spent does not."""
    account(0.999999).check()
    error = refusal(account(1.0))
    assert isinstance(error, BudgetExhausted)
    assert (error.status, error.code, error.retry_after_seconds) == (
        402,
        "insufficient_quota",
        None,
    )


def test_many_small_sums_make_the_budget() -> None:
    """Ten times ten cents are a dollar, although binary fractions add up to less."""
    spent = account()
    for request in range(10):
        spent.check()
        spent.end(request, TODAY, 0.1)
    assert sum([0.1] * 10) < 1.0
    assert isinstance(refusal(spent), BudgetExhausted)


@pytest.mark.parametrize(
    ("period", "said"),
    [
        (None, "may spend 1 USD in all, and has spent 1.5 USD. Ask this"),
        ("daily", "1 USD a day, and has spent 1.5 USD. The next day begins on 2026-11-22 at 00:00"),
        ("weekly", "1 USD a week, and has spent 1.5 USD. The next week begins on 2026-11-23 at"),
        ("monthly", "1 USD a month, and has spent 1.5 USD. The next month begins on 2026-12-01"),
    ],
)
def test_a_refusal_says_what_is_spent_and_until_when(period: str | None, said: str) -> None:
    """Budget, sum, end of the period, and whom to ask."""
    spent = account(1.5, budget_period=period and Period(period))
    assert said in refusal(spent).message
    assert "Ask this server's operator for more." in refusal(spent).message


def test_what_runs_is_expected_to_spend_and_is_no_verdict_for_long() -> None:
    """Where running requests may take the rest, others are told to come back, not to pay."""
    spent = account(0.5)
    spent.running[1] = 0.3
    spent.check()
    spent.running[2] = 0.2
    error = refusal(spent)
    assert isinstance(error, RateLimited)
    assert error.retry_after_seconds == 1
    assert "has spent 0.5 USD; its running requests" in error.message
    spent.end(2, TODAY, 0.01)
    spent.check()


def test_an_old_reading_says_nothing() -> None:
    """On both sides of its age; without any, nothing is known."""
    read = account()
    assert read.is_known(KNOWN_SECONDS)
    assert not read.is_known(KNOWN_SECONDS + 0.001)
    assert not Account(key(), TODAY, 0.0).is_known(0.0)


def test_what_is_booked_on_a_day_before_does_not_count() -> None:
    """A request that began before midnight belongs to the period that it began in."""
    spent = account(budget_period=Period.DAILY)
    spent.running[1] = 2.0
    spent.end(1, TODAY - timedelta(days=1), 2.0)
    spent.check()
    spent.end(2, TODAY, 1.0)
    assert isinstance(refusal(spent), BudgetExhausted)


@dataclass
class World:
    """A ledger and its store in the open: what is entered, written, and read at two moments."""

    spent: Account = field(default_factory=account)
    entered: float = 0.0
    written: float = 0.0
    asked: list[tuple[float, float]] = field(default_factory=list)  # at its beginning: in, not yet
    running: list[int] = field(default_factory=list)
    number: int = 0

    def begin(self, cents: int) -> None:
        """Let a request in."""
        self.number += 1
        self.running.append(self.number)
        self.spent.running[self.number] = cents / 100

    def end(self, cents: int) -> None:
        """Enter the oldest request in ledger and account."""
        if self.running:
            self.spent.end(self.running.pop(0), TODAY, cents / 100)
            self.entered += cents / 100

    def write(self, _: int) -> None:
        """Let the ledger write all it has."""
        self.written = self.entered

    def ask(self, _: int) -> None:
        """Begin to read."""
        self.asked.append((self.spent.entered - (self.entered - self.written), self.written))

    def read(self, share: int) -> None:
        """End the oldest reading: the store answered at some time since it was asked."""
        if self.asked:
            part, least = self.asked.pop(0)
            usd = least + (self.written - least) * share / 100
            self.spent.reading = Reading(usd, part, 0.0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "end", "write", "ask", "read"]), st.integers(0, 100)),
    max_size=60,
)


@given(STEPS)
def test_spending_is_never_taken_for_less_than_it_is(script: list[tuple[str, int]]) -> None:
    """However entering, writing and reading overlap; and all at rest, it is exact."""
    world = World()
    for what, amount in script:
        getattr(world, what)(amount)
        assert world.spent.spent >= world.entered - 1e-9
        assert world.spent.expected >= world.spent.spent
    world.write(0)
    world.asked.clear()
    world.ask(0)
    world.read(0)
    assert world.spent.spent == pytest.approx(world.entered, abs=1e-9)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=40), st.integers(1, 100))
def test_a_burst_goes_over_by_less_than_one_request(cents: list[int], rest: int) -> None:
    """All that is let in at once, if it costs what is expected of it."""
    spent = account(1.0 - rest / 100)
    for request, cost in enumerate(cents):
        before = spent.expected
        try:
            spent.check()
        except RateLimited:
            assert before >= 1.0
            break
        assert before < 1.0
        spent.running[request] = cost / 100
    assert spent.expected < 1.0 + max(cents) / 100

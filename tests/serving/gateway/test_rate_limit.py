"""The limits of single keys in one gateway: exact on both sides."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.errors import RateLimited
from serving.gateway.key import Key
from serving.gateway.rate_account import Charge, duration
from serving.gateway.rate_limit import RateLimits
from serving.gateway.rate_window import Clock

LIMIT = 100


@dataclass
class Time:
    """A clock that is set by hand; 10 seconds into a minute at first."""

    seconds: float = 6010.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


def key(id: str = "key_a", **limits: Any) -> Key:
    """Return a key with these limits."""
    return Key(id=id, name=id, digest=bytes(32), **limits)


class Gateway:
    """Limits with a clock in hand, used without waiting."""

    def __init__(self) -> None:
        self.time = Time()
        self.limits = RateLimits(Clock(now=self.time))

    def admit(self, asked: Key, tokens: int = 1) -> Charge:
        """Let a request in, or raise RateLimited; nothing is waited for."""
        try:
            self.limits.admit(asked, tokens).send(None)
        except StopIteration as end:
            assert isinstance(end.value, Charge)
            return end.value
        raise AssertionError("an admission in one gateway has waited")

    def refusal(self, asked: Key, tokens: int = 1) -> RateLimited:
        """Return why a request is refused."""
        with pytest.raises(RateLimited) as refused:
            self.admit(asked, tokens)
        return refused.value


@pytest.fixture
def gateway() -> Gateway:
    """Return a gateway of one test."""
    return Gateway()


def test_requests_per_minute(gateway: Gateway) -> None:
    """The last one of a minute is let in, the next one waits for the next minute."""
    limited = key(requests_per_minute=3)
    for _ in range(3):
        gateway.admit(limited)
    error = gateway.refusal(limited)
    assert error.status == 429
    assert error.retry_after_seconds == 50
    assert "3 requests a minute" in error.message
    assert "requests_per_minute" in error.message
    gateway.time.seconds += 49.9
    assert gateway.refusal(limited).retry_after_seconds == 1
    gateway.time.seconds += 0.1
    gateway.admit(limited)


def test_tokens_per_minute(gateway: Gateway) -> None:
    """What is expected counts until it is known what was taken."""
    limited = key(tokens_per_minute=LIMIT)
    first = gateway.admit(limited, 60)
    error = gateway.refusal(limited, 41)
    assert "41 tokens" in error.message
    assert "40 of its 100" in error.message
    gateway.admit(limited, 40)
    first.settle(20)
    gateway.refusal(limited, 41)
    gateway.admit(limited, 40)


def test_a_debt_goes_into_the_next_minutes(gateway: Gateway) -> None:
    """Who took more than expected waits for it."""
    limited = key(tokens_per_minute=LIMIT)
    gateway.admit(limited, 60).settle(230)
    assert gateway.refusal(limited, 71).retry_after_seconds == 50 + 120
    assert gateway.refusal(limited, 70).retry_after_seconds == 50 + 60
    gateway.time.seconds += 60
    gateway.refusal(limited, 1)
    gateway.time.seconds += 60
    gateway.refusal(limited, 71)
    gateway.admit(limited, 70)


def test_more_than_the_whole_limit_is_let_in_once_a_minute(gateway: Gateway) -> None:
    """A long answer is possible with a small limit, and is paid for."""
    limited = key(tokens_per_minute=LIMIT)
    gateway.admit(limited, 1).settle(1)
    assert "only as the first of a minute" in gateway.refusal(limited, 150).message
    gateway.time.seconds += 60
    charge = gateway.admit(limited, 150)
    gateway.refusal(limited, 1)
    gateway.time.seconds += 60
    gateway.refusal(limited, 51)
    charge.settle(100)
    gateway.admit(limited, LIMIT)


def test_requests_at_the_same_time(gateway: Gateway) -> None:
    """A place is free again however the request before ended, and only once."""
    limited = key(max_concurrent=2)
    first, _ = gateway.admit(limited), gateway.admit(limited)
    error = gateway.refusal(limited)
    assert error.retry_after_seconds == 1
    assert "2 requests running at the same time" in error.message
    first.close()
    first.close()
    gateway.admit(limited)
    gateway.refusal(limited)


def test_a_refusal_takes_nothing(gateway: Gateway) -> None:
    """A request that one limit refuses is not counted by the others."""
    limited = key(requests_per_minute=2, tokens_per_minute=LIMIT, max_concurrent=1)
    gateway.admit(limited, 50)
    for _ in range(5):
        gateway.refusal(limited, 1)
    account = gateway.limits.account(limited.id)
    assert [window.used for window in account.windows.values()] == [1, 50]
    assert account.running == 1


def test_the_longest_wait_is_told(gateway: Gateway) -> None:
    """Who comes back then is not refused for another limit."""
    limited = key(requests_per_minute=1, tokens_per_minute=LIMIT, max_concurrent=1)
    gateway.admit(limited, 60).settle(230)
    error = gateway.refusal(limited, 70)
    assert error.retry_after_seconds == 50 + 60
    assert "70 tokens" in error.message


def test_a_refund_gives_request_and_tokens_back(gateway: Gateway) -> None:
    """Who was not served is not charged."""
    limited = key(requests_per_minute=1, tokens_per_minute=LIMIT)
    charge = gateway.admit(limited, LIMIT)
    charge.refund()
    charge.close()
    gateway.admit(limited, LIMIT)
    gateway.refusal(limited, 1)


def test_one_key_does_not_count_for_another(gateway: Gateway) -> None:
    """Limits belong to a key's id."""
    gateway.admit(key("a", requests_per_minute=1))
    gateway.refusal(key("a", requests_per_minute=1))
    gateway.admit(key("b", requests_per_minute=1))


def test_a_changed_limit_counts_at_once(gateway: Gateway) -> None:
    """The keys' file is read again while the gateway runs."""
    gateway.admit(key(requests_per_minute=1))
    gateway.admit(key(requests_per_minute=2))
    gateway.refusal(key(requests_per_minute=2))
    gateway.admit(key())


def test_what_openai_clients_read_from_the_headers(gateway: Gateway) -> None:
    """Limit, rest and reset of both limits, also where a request is refused."""
    limited = key(requests_per_minute=3, tokens_per_minute=LIMIT)
    assert dict(gateway.admit(limited, 90).headers) == {
        b"x-ratelimit-limit-requests": b"3",
        b"x-ratelimit-remaining-requests": b"2",
        b"x-ratelimit-reset-requests": b"50s",
        b"x-ratelimit-limit-tokens": b"100",
        b"x-ratelimit-remaining-tokens": b"10",
        b"x-ratelimit-reset-tokens": b"50s",
    }
    gateway.time.seconds = 6060.0
    gateway.admit(limited, 1).settle(250)
    headers = dict(gateway.refusal(limited, 1).headers())
    assert headers[b"retry-after"] == b"120"
    assert headers[b"x-ratelimit-remaining-tokens"] == b"0"
    assert headers[b"x-ratelimit-reset-tokens"] == b"3m0s"
    assert headers[b"x-ratelimit-reset-requests"] == b"1m0s"


def test_no_headers_without_limits(gateway: Gateway) -> None:
    """Who has no limits is told none; a limit of running requests has no header."""
    charge = gateway.admit(key())
    assert charge.headers == []
    charge.settle(5)
    charge.refund()
    charge.close()
    assert gateway.admit(key(max_concurrent=1)).headers == []
    assert "key_a" in gateway.limits.accounts


def test_durations_are_written_as_openai_does() -> None:
    """Clients parse them as Go's durations."""
    assert [duration(s) for s in (1, 59, 60, 61, 360)] == ["1s", "59s", "1m0s", "1m1s", "6m0s"]


def test_keys_that_are_not_in_use_are_forgotten(gateway: Gateway) -> None:
    """Memory does not grow with every key that ever came."""
    for number in range(50):
        gateway.admit(key(f"key_{number}", requests_per_minute=1)).close()
    running = gateway.admit(key("running", max_concurrent=1))
    gateway.admit(key("owing", tokens_per_minute=1), 1).settle(200)
    gateway.time.seconds += 60
    gateway.admit(key("new", requests_per_minute=1)).close()
    assert set(gateway.limits.accounts) == {"running", "owing", "new"}
    gateway.refusal(key("running", max_concurrent=1))
    running.close()
    gateway.admit(key("running", max_concurrent=1))


async def _crowd(limits: RateLimits, limited: Key, tokens: int, count: int) -> int:
    async def one() -> int:
        await asyncio.sleep(0)
        try:
            await limits.admit(limited, tokens)
        except RateLimited:
            return 0
        return 1

    return sum(await asyncio.gather(*(one() for _ in range(count))))


@pytest.mark.parametrize(
    ("limits", "admitted"),
    [
        ({"requests_per_minute": 137}, 137),
        ({"tokens_per_minute": 1379}, 137),
        ({"max_concurrent": 137}, 137),
    ],
)
def test_a_crowd_of_500_is_counted_exactly(limits: dict[str, int], admitted: int) -> None:
    """However many come at once, as many are let in as may be."""
    here = RateLimits(Clock(now=Time()))
    assert asyncio.run(_crowd(here, key(**limits), 10, 500)) == admitted


Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), st.integers(0, 2 * LIMIT)),
        st.tuples(st.just("settle"), st.integers(0, 2 * LIMIT)),
        st.tuples(st.just("refund"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 130)),
    ),
    max_size=60,
)


@given(steps)
def test_no_minute_has_more_than_its_limit(script: list[Step]) -> None:
    """Of what is charged to a minute, and of all that was ever charged, debts included."""
    gateway, limited = Gateway(), key(tokens_per_minute=LIMIT)
    first = gateway.limits.clock.minute()
    charged: defaultdict[int, int] = defaultdict(int)
    running: list[tuple[Charge, int, int]] = []
    for what, amount in script:
        minute = gateway.limits.clock.minute()
        if what == "wait":
            gateway.time.seconds += amount
        elif what == "admit":
            before, ever = charged[minute], sum(charged.values())
            try:
                charge = gateway.admit(limited, amount)
            except RateLimited:
                continue
            assert before + amount <= LIMIT or (before == 0 and amount > LIMIT)
            assert ever + min(amount, LIMIT) <= (minute - first + 1) * LIMIT
            charged[minute] += amount
            running.append((charge, minute, amount))
        elif running:
            charge, began, expected = running.pop(0)
            taken = 0 if what == "refund" else amount
            charge.refund() if what == "refund" else charge.settle(taken)
            charge.close()
            charged[minute if taken > expected else began] += taken - expected


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("admit"), st.integers(0, LIMIT)),
            st.tuples(st.just("settle"), st.integers(0, 100)),
            st.tuples(st.just("wait"), st.integers(1, 70)),
        ),
        max_size=60,
    )
)
def test_nothing_is_lost(script: list[Step]) -> None:
    """Without debts a request is refused only where it does not fit into its minute."""
    gateway, limited = Gateway(), key(tokens_per_minute=LIMIT)
    charged: defaultdict[int, int] = defaultdict(int)
    running: list[tuple[Charge, int, int]] = []
    for what, amount in script:
        minute = gateway.limits.clock.minute()
        if what == "wait":
            gateway.time.seconds += amount
        elif what == "admit":
            if charged[minute] + amount > LIMIT:
                gateway.refusal(limited, amount)
            else:
                running.append((gateway.admit(limited, amount), minute, amount))
                charged[minute] += amount
        elif running:
            charge, began, expected = running.pop()
            taken = expected * amount // 100
            charge.settle(taken)
            charged[began] -= expected - taken


def test_a_key_without_limits_costs_next_to_nothing() -> None:
    """Most keys have none; counting, where there are some, costs microseconds."""
    here = RateLimits()
    free = key()
    limited = key(requests_per_minute=10**9, tokens_per_minute=10**12, max_concurrent=10)
    count = 2000

    async def seconds(asked: Key) -> float:
        started = time.perf_counter()
        for _ in range(count):
            charge = await here.admit(asked, 100)
            charge.settle(90)
            charge.close()
        return (time.perf_counter() - started) / count

    best = [min(asyncio.run(seconds(asked)) for _ in range(5)) for asked in (free, limited)]
    assert best[0] < best[1] / 3

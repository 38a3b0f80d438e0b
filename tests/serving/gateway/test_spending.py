"""Budgets over a real ledger: what is read when, what is never lost, what is forgotten."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from serving.catalogue import Price
from serving.gateway import ledger as ledger_module
from serving.gateway import spending as module
from serving.gateway.errors import BudgetExhausted, BudgetUnknown, GatewayError, RateLimited
from serving.gateway.key import Key
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.period import Period
from serving.gateway.record import Record
from serving.gateway.spending import KEPT_SECONDS, Clock, Spending
from serving.gateway.spending_account import KNOWN_SECONDS
from serving.gateway.workload import Work
from serving.options import StoreSettings
from serving.store.address import Address
from tests.serving.gateway.kept_ledger import (  # noqa: F401 (fixtures)
    KeptLedger,
    fixture_sqlite,
    until,
)
from tests.serving.usage_records import START, record

DAY = 86_400
DOLLAR = Work(prompt_tokens=0, output_tokens=1_000_000)
DIME = replace(DOLLAR, output_tokens=100_000)


class CountedLedger(KeptLedger):
    """A ledger that counts how often it is read."""

    reads = 0

    async def read(self, work: Callable[..., Any]) -> Any:
        """Count, and read."""
        self.reads += 1
        return await super().read(work)


class Budgets(Spending):
    """Budgets over a ledger, with clocks that are set by hand, at a dollar a million tokens."""

    def __init__(self, ledger: CountedLedger | None, **settings: Any) -> None:
        self.ledger = ledger
        self.metrics = GatewayMetrics(2)
        self.wall, self.steady = START, 0.0
        super().__init__(
            ledger,
            StoreSettings(**settings),
            price=Price(completion=1.0),
            metrics=self.metrics.ledger,
            clock=Clock(lambda: self.wall, lambda: self.steady),
        )

    async def begin(self, asked: Key, work: Work = DIME) -> Record:
        """Let a request in that begins now."""
        begun = record(self.wall - START, key_id=asked.id, key=asked.name)
        await self.admit(asked, begun, work)
        return begun

    def end(self, begun: Record, usd: float) -> None:
        """End it, as the gateway's books do."""
        begun.cost = usd
        if self.ledger is not None:
            self.ledger.enter(begun)
        self.enter(begun)

    async def refusal(self, asked: Key) -> GatewayError:
        """Return why a request is refused."""
        with pytest.raises(GatewayError) as caught:
            await self.begin(asked)
        return caught.value

    def used(self, name: str) -> float | None:
        """Return what the metric says of a key."""
        return self.metrics.registry.get_sample_value(
            "gateway_key_budget_used_ratio", {"key": name}
        )


def key(name: str = "alice", **said: Any) -> Key:
    """Return a key with a dollar a day."""
    usual = {"budget_usd": 1.0, "budget_period": Period.DAILY}
    return Key(id=f"key_{name}", name=name, digest=bytes(32), **usual | said)


@asynccontextmanager
async def opened(
    address: Address, *, runs: bool = False, **settings: Any
) -> AsyncIterator[Budgets]:
    """Keep budgets over a ledger at an address; where it runs, it reads by itself."""
    ledger = CountedLedger(address)
    await ledger.open()
    budgets = Budgets(ledger, **settings)
    task = asyncio.create_task(budgets.run()) if runs else None
    try:
        yield budgets
    finally:
        if task is not None:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await (task or asyncio.sleep(0))
        await ledger.close()


@pytest.fixture(name="quick")
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write and read often."""
    monkeypatch.setattr(ledger_module, "WRITE_SECONDS", 0.01)
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.01)


def test_many_who_ask_at_once_are_one_question(sqlite: Address) -> None:
    """Whoever comes while the first is asked for shares the next; then nobody asks for a while."""

    async def test() -> None:
        async with opened(sqlite) as budgets:
            keys = [key(f"key-{number}") for number in range(20)]
            assert budgets.ledger is not None
            await asyncio.gather(*(budgets.begin(each) for each in keys * 9))
            assert budgets.ledger.reads == 2
            budgets.steady = KNOWN_SECONDS
            await budgets.begin(keys[0])
            assert budgets.ledger.reads == 2
            assert isinstance(await budgets.refusal(keys[0]), RateLimited)
            budgets.steady += 0.001
            assert isinstance(await budgets.refusal(keys[0]), RateLimited)
            assert budgets.ledger.reads == 3

    asyncio.run(test())


def test_a_key_without_a_budget_asks_nothing(sqlite: Address) -> None:
    """Nor does it cost anything."""

    async def test() -> None:
        async with opened(sqlite) as budgets:
            free = key(budget_usd=None, budget_period=None)
            budgets.knock(free)
            budgets.end(await budgets.begin(free), 5.0)
            assert budgets.ledger is not None
            assert budgets.ledger.reads == 0

    asyncio.run(test())


@pytest.mark.usefixtures("quick")
def test_nothing_is_lost_between_running_and_written(sqlite: Address) -> None:
    """While requests begin and end, rows are written and sums are read, each dime counts once."""

    async def test() -> None:
        async with opened(sqlite, runs=True) as budgets:
            rich, ended = key(budget_usd=1000.0), 0
            for number in range(100):
                begun = await budgets.begin(rich)
                account = budgets._accounts[rich.id]
                assert account.expected >= account.spent + 0.1 - 1e-9
                budgets.end(begun, 0.1)
                ended += 1
                assert account.spent >= 0.1 * ended - 1e-9
                await asyncio.sleep(0.01 * (number % 3))
                assert account.spent >= 0.1 * ended - 1e-9
            await until(lambda: account.spent == pytest.approx(0.1 * ended, abs=1e-9))
            await until(lambda: budgets.ledger.metric("unwritten_rows") == 0)
            await until(lambda: account.entered - account.reading.written == 0)
            assert account.reading.usd == pytest.approx(0.1 * ended)

    asyncio.run(test())


def test_both_sides_of_the_budget_before_and_after_the_body(sqlite: Address) -> None:
    """A spent budget is told before the body is read; a running request is not yet spent."""

    async def test() -> None:
        async with opened(sqlite) as budgets:
            asked = key()
            budgets.knock(asked)  # nothing is known yet
            begun = await budgets.begin(asked, DOLLAR)
            budgets.knock(asked)
            budgets.end(begun, 0.999999)
            budgets.end(await budgets.begin(asked), 0.000001)
            with pytest.raises(BudgetExhausted):
                budgets.knock(asked)
            assert isinstance(await budgets.refusal(asked), BudgetExhausted)
            budgets.knock(key(budget_usd=1.01))  # more was given to it
            await budgets.begin(key(budget_usd=1.01))

    asyncio.run(test())


def test_a_day_begins_with_all_of_its_budget(sqlite: Address) -> None:
    """At midnight, also for requests of the day before that are not written or still run."""

    async def test() -> None:
        async with opened(sqlite) as budgets:
            asked = key()
            budgets.wall = START + DAY - 1
            late = await budgets.begin(asked)
            budgets.end(await budgets.begin(asked), 1.0)
            assert isinstance(await budgets.refusal(asked), BudgetExhausted)
            budgets.wall += 1
            begun = await budgets.begin(asked)
            budgets.end(late, 1.0)
            budgets.end(begun, 0.5)
            assert budgets._accounts[asked.id].spent == 0.5
            await budgets.begin(asked)

    asyncio.run(test())


def test_a_budget_for_ever_does_not_begin_anew(sqlite: Address) -> None:
    """Years later it is still spent."""

    async def test() -> None:
        async with opened(sqlite) as budgets:
            asked = key(budget_period=None)
            budgets.end(await budgets.begin(asked), 1.0)
            budgets.wall, budgets.steady = START + 1000 * DAY, 1000.0 * DAY
            assert isinstance(await budgets.refusal(asked), BudgetExhausted)

    asyncio.run(test())


@pytest.mark.parametrize("unknown", ["refuse", "allow"])
def test_a_store_that_was_never_there(
    sqlite: Address, unknown: str, caplog: pytest.LogCaptureFixture, quick: None
) -> None:
    """It is asked once for all who come; the log says it once, and once that it is back."""
    caplog.set_level(logging.INFO, module.__name__)

    def said() -> list[str]:
        return [each.levelname for each in caplog.records if each.name == module.__name__]

    async def test() -> None:
        folder = sqlite.path.with_name("later")
        address = replace(sqlite, place=folder / "serving.db")
        async with opened(address, budget_unknown=unknown) as budgets:
            assert budgets.ledger is not None
            for _ in range(3):
                if unknown == "allow":
                    await budgets.begin(key(), DOLLAR)
                else:
                    assert isinstance(await budgets.refusal(key()), BudgetUnknown)
            assert budgets.ledger.reads == 1
            assert said() == ["WARNING"]
            folder.mkdir()
            following = asyncio.create_task(budgets.run())
            await until(lambda: len(said()) > 1)
            following.cancel()
            assert said() == ["WARNING", "INFO"]
            if unknown == "allow":
                assert isinstance(await budgets.refusal(key()), RateLimited)
            else:
                await budgets.begin(key())

    asyncio.run(test())


def test_without_a_ledger_nothing_is_known() -> None:
    """The operator is told why; in silence where budgets are let be."""

    async def test() -> None:
        assert "is not kept by this server" in (await Budgets(None).refusal(key())).message
        budgets = Budgets(None, budget_unknown="allow")
        budgets.end(await budgets.begin(key()), 5.0)
        await budgets.begin(key())

    asyncio.run(test())


@pytest.mark.usefixtures("quick")
def test_a_key_that_nobody_uses_is_not_asked_for(sqlite: Address) -> None:
    """The store has peace until its next request; the metric keeps what was last known."""

    async def test() -> None:
        async with opened(sqlite, runs=True) as budgets:
            budgets.end(await budgets.begin(key()), 0.25)
            await until(lambda: budgets.used("alice") == 0.25)
            budgets.steady = KNOWN_SECONDS + 1
            await asyncio.sleep(0.1)  # what was asked for just now comes back
            assert budgets.ledger is not None
            reads = budgets.ledger.reads
            await asyncio.sleep(20 * module.REFRESH_SECONDS)
            assert budgets.ledger.reads == reads
            assert budgets.used("alice") == 0.25
            await budgets.begin(key())
            await until(lambda: budgets.ledger.reads > reads + 1)

    asyncio.run(test())


@pytest.mark.usefixtures("quick")
def test_what_is_past_is_forgotten_and_its_metric_with_it(sqlite: Address) -> None:
    """A period that is over, and after a day a key that nobody uses."""

    async def test() -> None:
        async with opened(sqlite, runs=True) as budgets:
            budgets.end(await budgets.begin(key("alice")), 0.25)
            budgets.end(await budgets.begin(key("bob", budget_period=None)), 0.5)
            await until(lambda: budgets.used("alice") == 0.25 and budgets.used("bob") == 0.5)
            budgets.wall += DAY
            await until(lambda: budgets.used("alice") is None)
            await until(lambda: budgets.used("bob") == 0.5)
            budgets.steady = KEPT_SECONDS + 1
            await until(lambda: budgets.used("bob") is None)

    asyncio.run(test())


def test_keys_over_the_number_of_labels_are_told_together() -> None:
    """With the largest share among them."""
    metrics = GatewayMetrics(2)
    ratios = {"alice": 0.1, "bob": 0.2, "carol": 0.4, "dave": 0.3}
    metrics.ledger.tell_budgets(ratios.items())
    for name, shown in {"alice": 0.1, "bob": 0.2, "other": 0.4, "carol": None}.items():
        labels = {"key": name}
        found = metrics.registry.get_sample_value("gateway_key_budget_used_ratio", labels)
        assert found == shown

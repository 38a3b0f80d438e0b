"""What gateways hold of shared limits, on a real PostgreSQL."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from serving.gateway.key_file import parse
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.leases import KEPT_MINUTES, Grant, LeaseBook, Order, Wish
from tests.postgres import WAIT_SECONDS

MINUTE = 1000
LIMIT = 100


@pytest.fixture
def engine(postgres_url: str) -> Iterator[sa.Engine]:
    """Return connections to a store with its tables."""
    engine = open_store(Address.of(StoreSettings(url=SecretStr(postgres_url))))
    yield engine
    engine.dispose()


def book(engine: sa.Engine, name: str = "a", expiry_seconds: float = WAIT_SECONDS) -> LeaseBook:
    """Return a gateway's hand in the store; it is heard of."""
    one = LeaseBook(lambda: engine, name, expiry_seconds)
    one.beat(MINUTE)
    return one


def order(amount: int, key_id: str = "key", minute: int = MINUTE, limit: int = LIMIT) -> Order:
    """Return an order for requests."""
    return Order(key_id, "requests", minute, limit, amount)


def rows(engine: sa.Engine, table: str) -> int:
    """Count the rows of a table."""
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())  # noqa: S608


def test_a_minute_is_leased_up_to_its_limit(engine: sa.Engine) -> None:
    """The last lease gets what is left, the next one nothing, and what goes back can be had."""
    first, second = book(engine, "a"), book(engine, "b")
    assert first.trade([order(60)]) == [Grant(60, 60)]
    assert second.trade([order(39)]) == [Grant(39, 99)]
    assert first.trade([order(5)]) == [Grant(1, 100)]
    assert second.trade([order(1)]) == [Grant(0, 100)]
    assert first.trade([order(-10)]) == [Grant(-10, 90)]
    assert second.trade([order(11)]) == [Grant(10, 100)]


def test_the_first_lease_gets_no_more_than_the_limit(engine: sa.Engine) -> None:
    """Whatever is asked for."""
    assert book(engine).trade([order(LIMIT + 1)]) == [Grant(LIMIT, LIMIT)]


def test_a_limit_that_was_lowered_gives_nothing_and_takes_nothing_away(engine: sa.Engine) -> None:
    """What was leased by then is leased."""
    one = book(engine)
    one.trade([order(60)])
    assert one.trade([order(5, limit=50)]) == [Grant(0, 60)]
    assert one.trade([order(5, limit=61)]) == [Grant(1, 61)]


def test_orders_of_one_call_are_answered_in_their_order(engine: sa.Engine) -> None:
    """Each key and each minute has a limit of its own."""
    asked = [order(3, "z"), order(1, "a"), order(2, "z", MINUTE + 1)]
    assert book(engine).trade(asked) == [Grant(3, 3), Grant(1, 1), Grant(2, 2)]
    assert book(engine).trade([]) == []


def test_the_longest_name_of_a_key_fits(engine: sa.Engine) -> None:
    """Of a file's key the id is the name and more; one that did not fit would stop all leases."""
    [key] = parse(f"keys: [{{name: {64 * 'a'}, digest: 'sha256:{64 * '0'}'}}]".encode(), "FILE")
    one = book(engine)
    assert one.trade([order(1, key.id)]) == [Grant(1, 1)]
    assert one.hold([Wish(key.id, 1, 0, 1)]) == [1]


def test_leases_at_the_same_time_never_exceed_the_limit(engine: sa.Engine) -> None:
    """Eight gateways lease of the same two minutes, each in its own order of them."""

    def lease(number: int) -> int:
        one = book(engine, str(number))
        windows = [order(7, "x"), order(7, "y")]
        got = [one.trade(windows[:: 1 if number % 2 else -1]) for _ in range(5)]
        return sum(grant.amount for grants in got for grant in grants)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lease, range(8))) == 2 * LIMIT


def test_slots_are_held_up_to_the_limit(engine: sa.Engine) -> None:
    """Of all gateways together; giving back makes room at once."""
    first, second = book(engine, "a"), book(engine, "b")
    assert first.hold([Wish("key", 10, 0, 6)]) == [6]
    assert second.hold([Wish("key", 10, 0, 6), Wish("other", 1, 0, 1)]) == [4, 1]
    assert second.hold([Wish("key", 10, 4, 5)]) == [4]
    assert first.hold([Wish("key", 10, 5, 5)]) == [5]
    assert second.hold([Wish("key", 10, 4, 6)]) == [5]
    assert second.hold([]) == []


def test_requests_that_run_already_keep_their_slots(engine: sa.Engine) -> None:
    """After a time without the store more may run than may; the store is told the truth."""
    first, second = book(engine, "a"), book(engine, "b")
    assert first.hold([Wish("key", 10, 8, 8)]) == [8]
    assert second.hold([Wish("key", 10, 5, 6)]) == [5]
    assert first.hold([Wish("key", 10, 7, 8)]) == [7]


def test_slots_taken_at_the_same_time_never_exceed_the_limit(engine: sa.Engine) -> None:
    """Eight gateways ask at once."""
    books = [book(engine, str(number)) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        held = threads.map(lambda one: one.hold([Wish("key", LIMIT, 0, 30)]), books)
        assert sum(count for (count,) in held) == LIMIT


def test_a_gateway_that_is_not_heard_of_counts_no_more(engine: sa.Engine) -> None:
    """Nor are its slots; both are deleted by another one's sign of life."""
    silent, other = book(engine, "a", expiry_seconds=0.5), book(engine, "b")
    silent.hold([Wish("key", 2, 0, 2)])
    give_up = time.monotonic() + WAIT_SECONDS
    while other.hold([Wish("key", 2, 0, 2)]) == [0]:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert other.beat(MINUTE) == 1
    assert rows(engine, "lease_gateways") == 1
    assert rows(engine, "lease_slots") == 1
    assert silent.beat(MINUTE) == 2


def test_a_gateway_that_leaves_is_gone_at_once(engine: sa.Engine) -> None:
    """With its slots."""
    first, second = book(engine, "a"), book(engine, "b")
    first.hold([Wish("key", 1, 0, 1)])
    first.leave()
    assert second.hold([Wish("key", 1, 0, 1)]) == [1]
    assert second.beat(MINUTE) == 1


def test_rows_that_are_past_are_deleted(engine: sa.Engine) -> None:
    """Minutes that no clock is in any more, and slots of which there are none."""
    one = book(engine)
    one.trade([order(1), order(1, minute=MINUTE - KEPT_MINUTES)])
    one.hold([Wish("key", 1, 0, 1)])
    one.beat(MINUTE)
    assert (rows(engine, "lease_windows"), rows(engine, "lease_slots")) == (2, 1)
    one.hold([Wish("key", 1, 0, 0)])
    one.beat(MINUTE + 1)
    assert (rows(engine, "lease_windows"), rows(engine, "lease_slots")) == (1, 0)

"""What gateways on one PostgreSQL hold of the keys' limits. Blocks: call it from a thread.

A minute of a limit is one row; who leases changes it in one statement, so all leases together
never exceed the limit. Running requests are a row for each gateway, which counts only while the
gateway is heard of.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

# One gateway at a time sweeps; any number that nobody else takes.
SWEEP_LOCK: Final = 0x7177656E34
# Clocks of gateways differ; what is older than this many minutes nobody writes any more.
KEPT_MINUTES: Final = 3

metadata: Final = sa.MetaData()
gateways: Final = sa.Table(
    "lease_gateways",
    metadata,
    sa.Column("gateway_id", sa.String),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
)
windows: Final = sa.Table(
    "lease_windows",
    metadata,
    sa.Column("key_id", sa.String),
    sa.Column("unit", sa.String),
    sa.Column("minute", sa.BigInteger),
    sa.Column("allowed", sa.BigInteger),
    sa.Column("granted", sa.BigInteger),  # by the last lease: its statement returns it
    sa.Column("taken", sa.BigInteger),
)
slots: Final = sa.Table(
    "lease_slots",
    metadata,
    sa.Column("key_id", sa.String),
    sa.Column("gateway_id", sa.String),
    sa.Column("slots", sa.BigInteger),
)


@dataclass(frozen=True, order=True, slots=True)
class Order:
    """A wish to take `amount` of a minute's limit, or, below zero, to give it back."""

    key_id: str
    unit: str
    minute: int
    limit: int
    amount: int


@dataclass(frozen=True, slots=True)
class Grant:
    """What an order got, and what all gateways together now have of the limit."""

    amount: int
    taken: int


@dataclass(frozen=True, order=True, slots=True)
class Wish:
    """How many requests of a key run here, and how many should be able to."""

    key_id: str
    limit: int
    running: int
    wanted: int


class LeaseBook:
    """One gateway's hand in the tables; every method raises SQLAlchemyError or StartError."""

    def __init__(
        self, connect: Callable[[], sa.Engine], gateway_id: str, expiry_seconds: float
    ) -> None:
        self._connect = connect
        self._engine: sa.Engine | None = None
        self._gateway_id = gateway_id
        self._expiry_seconds = expiry_seconds

    def beat(self, minute: int) -> int:
        """Say that this gateway lives, sweep out what is past; return how many gateways live."""
        life = sa.func.make_interval(0, 0, 0, 0, 0, 0, self._expiry_seconds)
        mine = insert(gateways).values(gateway_id=self._gateway_id, expires_at=sa.func.now() + life)
        unused = sa.and_(slots.c.gateway_id == self._gateway_id, slots.c.slots == 0)
        with self._open().begin() as connection:
            connection.execute(
                mine.on_conflict_do_update(
                    index_elements=["gateway_id"], set_={"expires_at": mine.excluded.expires_at}
                )
            )
            connection.execute(sa.delete(slots).where(unused))
        with self._open().begin() as connection:
            if connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(SWEEP_LOCK))):
                _sweep(connection, minute)
            alive = sa.select(sa.func.count()).select_from(gateways).where(_alive())
            return int(connection.scalar(alive) or 1)

    def trade(self, orders: Sequence[Order]) -> list[Grant]:
        """Carry out orders, no two for the same window; return what each one got."""
        if not orders:
            return []
        # In one order for all gateways, so that no two wait for each other's rows.
        asked = insert(windows).values([_opening(order) for order in sorted(orders)])
        free = sa.func.greatest(asked.excluded.allowed - windows.c.taken, 0)
        granted = sa.func.least(asked.excluded.granted, free)
        statement = asked.on_conflict_do_update(
            index_elements=["key_id", "unit", "minute"],
            set_={
                "allowed": asked.excluded.allowed,
                "granted": granted,
                "taken": sa.func.greatest(windows.c.taken + granted, 0),
            },
        ).returning(*windows.c)
        with self._open().begin() as connection:
            rows = connection.execute(statement).all()
        found = {(row.key_id, row.unit, row.minute): Grant(row.granted, row.taken) for row in rows}
        return [found[order.key_id, order.unit, order.minute] for order in orders]

    def hold(self, wishes: Sequence[Wish]) -> list[int]:
        """Set how many requests of each key may run here; return it, at least those that do."""
        if not wishes:
            return []
        with self._open().begin() as connection:
            for key_id in sorted(wish.key_id for wish in wishes):
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock(key_id))))
            others = self._held_by_others(connection, [wish.key_id for wish in wishes])
            held = [
                max(wish.running, min(wish.wanted, wish.limit - others.get(wish.key_id, 0)))
                for wish in wishes
            ]
            rows = [
                {"key_id": wish.key_id, "gateway_id": self._gateway_id, "slots": count}
                for wish, count in zip(wishes, held, strict=True)
            ]
            self._write(connection, rows)
        return held

    def release(self) -> None:
        """Let all slots of this gateway go."""
        with self._open().begin() as connection:
            connection.execute(sa.delete(slots).where(slots.c.gateway_id == self._gateway_id))

    def leave(self) -> None:
        """Be heard of no more."""
        self.release()
        with self._open().begin() as connection:
            connection.execute(sa.delete(gateways).where(gateways.c.gateway_id == self._gateway_id))

    def close(self) -> None:
        """Close the connections; what is held here lapses when the gateway is not heard of."""
        if self._engine is not None:
            self._engine.dispose()

    def _open(self) -> sa.Engine:
        if self._engine is None:
            self._engine = self._connect()
        return self._engine

    def _held_by_others(self, connection: sa.Connection, key_ids: list[str]) -> dict[str, int]:
        asked = (
            sa.select(slots.c.key_id, sa.func.sum(slots.c.slots))
            .join(gateways, gateways.c.gateway_id == slots.c.gateway_id)
            .where(_alive(), slots.c.key_id.in_(key_ids), slots.c.gateway_id != self._gateway_id)
            .group_by(slots.c.key_id)
        )
        return {key_id: int(count) for key_id, count in connection.execute(asked)}

    def _write(self, connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
        mine = insert(slots).values(rows)
        connection.execute(
            mine.on_conflict_do_update(
                index_elements=["key_id", "gateway_id"], set_={"slots": mine.excluded.slots}
            )
        )


def _opening(order: Order) -> dict[str, Any]:
    """Return the row of a window that nobody has leased of."""
    granted = min(order.amount, order.limit)
    return {
        "key_id": order.key_id,
        "unit": order.unit,
        "minute": order.minute,
        "allowed": order.limit,
        "granted": granted,
        "taken": max(granted, 0),
    }


def _alive() -> sa.ColumnElement[bool]:
    return gateways.c.expires_at > sa.func.now()


def _sweep(connection: sa.Connection, minute: int) -> None:
    """Delete rows of past minutes and of gateways that are not heard of: nobody writes them."""
    connection.execute(sa.delete(windows).where(windows.c.minute < minute - KEPT_MINUTES))
    connection.execute(sa.delete(gateways).where(~_alive()))
    known = sa.select(gateways.c.gateway_id)
    connection.execute(sa.delete(slots).where(slots.c.gateway_id.not_in(known)))


def _lock(key_id: str) -> int:
    """Return the number of a key's lock: 64 bits with a sign."""
    return int.from_bytes(hashlib.sha256(key_id.encode()).digest()[:8], signed=True)

"""The usage ledger in the store: requests, and their sums by day and minute. Blocks."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from serving.gateway.period import FIRST_DAY
from serving.gateway.record import Record
from serving.store.database import read_only
from serving.store.usage_tables import (
    DAY,
    MINUTE,
    DaySum,
    MinuteSum,
    Row,
    day_rows,
    folded_rows,
    ledger_batches,
    minute_rows,
    record_of,
    requests,
    row_of,
    usage_days,
    usage_minutes,
    written_text,
)

__all__ = ["DaySum", "MinuteSum", "UsageStore"]

INSERT: Final[Mapping[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
DAY_SECONDS: Final = 86_400.0
# Whoever retries a batch for longer may count it twice.
BATCH_DAYS: Final = 7
# Deleted in one transaction: others who write wait for it.
PRUNED_ROWS: Final = 5_000
RECORD_COLUMNS: Final = [column for column in requests.c if column.name != "number"]


class UsageStore:
    """The tables of usage. Every method raises SQLAlchemyError; reading never waits for writers."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reader = read_only(engine)

    def write(self, batch_id: str, records: Sequence[Record]) -> None:
        """Enter finished requests, and add them to the sums, all or nothing.

        Whoever never heard whether a batch was written may write it again: what is there under
        its id already is not counted twice. Only requests for an answer with a known key belong
        here; one that never came to the engine is in the sums alone.
        """
        written = [record for record in records if record.generates and record.known]
        rows = [row_of(record) for record in written]
        days, minutes = day_rows(written, rows), minute_rows(written, rows)
        admitted = [row for row in rows if row["admitted"]]
        with self._engine.begin() as connection:
            if not self._is_new(connection, batch_id):
                return
            if admitted:
                connection.execute(sa.insert(requests), admitted)
            self._add(connection, usage_days, DAY, days)
            self._add(connection, usage_minutes, MINUTE, minutes)

    def prune(self, now: float, request_days: int, rollup_days: int) -> None:
        """Delete requests and sums that are older, in steps that let others write in between."""
        while self._prune_requests(now - request_days * DAY_SECONDS) == PRUNED_ROWS:
            pass
        first_day = datetime.fromtimestamp(now, UTC).date() - timedelta(days=rollup_days)
        self._fold_days(first_day)
        first_minute = now - rollup_days * DAY_SECONDS
        first_batch = now - BATCH_DAYS * DAY_SECONDS
        for old in (
            sa.delete(usage_minutes).where(usage_minutes.c.minute < first_minute),
            sa.delete(ledger_batches).where(ledger_batches.c.written_at < first_batch),
        ):
            with self._engine.begin() as connection:
                connection.execute(old)

    def find(self, ids: Sequence[str], key_id: str | None = None) -> Record | None:
        """Return the latest request with one of these ids, of this key if one is given."""
        asked = (
            sa.select(*RECORD_COLUMNS)
            .where(
                requests.c.id.in_(written_text(each) for each in ids), *_of_key(requests, key_id)
            )
            .order_by(requests.c.time.desc(), requests.c.number.desc())
            .limit(1)
        )
        with self._reader.connect() as connection:
            row = connection.execute(asked).mappings().first()
        return None if row is None else record_of(row)

    def days(self, since: date, until: date, key_id: str | None = None) -> list[DaySum]:
        """Return the sums of these UTC days, the last one included, of all keys or of one."""
        asked = (
            sa.select(usage_days)
            .where(
                usage_days.c.day.between(since, until),
                usage_days.c.day > FIRST_DAY,
                *_of_key(usage_days, key_id),
            )
            .order_by(usage_days.c.day, *(usage_days.c[name] for name in DAY))
        )
        with self._reader.connect() as connection:
            return [DaySum(**row) for row in connection.execute(asked).mappings()]

    def spent(self, key_id: str, since: date) -> float:
        """Return what a key has spent from a UTC day on, in USD."""
        asked = sa.select(sa.func.coalesce(sa.func.sum(usage_days.c.cost), 0.0)).where(
            usage_days.c.key_id == key_id, usage_days.c.day >= since
        )
        with self._reader.connect() as connection:
            return float(connection.execute(asked).scalar_one())

    def spent_since(
        self, days: Sequence[date], key_id: str | None = None
    ) -> dict[str, list[float]]:
        """Return what each key, or one, has spent from each of these UTC days on, in USD."""
        sums = [
            sa.func.sum(sa.case((usage_days.c.day >= day, usage_days.c.cost), else_=0.0))
            for day in days
        ]
        asked = (
            sa.select(usage_days.c.key_id, *sums)
            .where(usage_days.c.day >= min(days), *_of_key(usage_days, key_id))
            .group_by(usage_days.c.key_id)
        )
        with self._reader.connect() as connection:
            return {row[0]: [float(usd) for usd in row[1:]] for row in connection.execute(asked)}

    def minutes(self, since: float, until: float) -> list[MinuteSum]:
        """Return the sums of minutes that begin from `since` on and before `until`, in order."""
        asked = (
            sa.select(usage_minutes)
            .where(usage_minutes.c.minute >= since, usage_minutes.c.minute < until)
            .order_by(usage_minutes.c.minute, usage_minutes.c.model)
        )
        with self._reader.connect() as connection:
            return [MinuteSum(**row) for row in connection.execute(asked).mappings()]

    def sample(self, since: float, until: float, limit: int = 20_000) -> list[Record]:
        """Return requests from `since` on and before `until`, the oldest first.

        Of more than `limit` each k-th is taken, so that percentiles stay what they are.
        """
        within = sa.and_(requests.c.time >= since, requests.c.time < until)
        with self._reader.connect() as connection:
            count = connection.execute(
                sa.select(sa.func.count()).select_from(requests).where(within)
            ).scalar_one()
            step = -(-count // limit)
            asked = sa.select(*RECORD_COLUMNS).where(within)
            if step > 1:
                asked = asked.where(requests.c.number % step == 0)
            asked = asked.order_by(requests.c.time, requests.c.number).limit(limit)
            return [record_of(row) for row in connection.execute(asked).mappings()]

    def _fold_days(self, before: date) -> None:
        """Delete the sums of older days; their cost stays, for budgets that are for ever.

        It becomes one row a key, of the first day. What another gateway deletes is folded there.
        """
        old = sa.delete(usage_days).where(usage_days.c.day < before, usage_days.c.day > FIRST_DAY)
        with self._engine.begin() as connection:
            gone = connection.execute(old.returning(usage_days)).mappings()
            self._add(connection, usage_days, DAY, folded_rows(DaySum(**row) for row in gone))

    def _is_new(self, connection: sa.Connection, batch_id: str) -> bool:
        """Note a batch's id; a second writer of it waits here for the end of the first."""
        said = {"id": batch_id, "written_at": time.time()}
        asked = INSERT[connection.dialect.name](ledger_batches).on_conflict_do_nothing()
        noted = connection.execute(asked, said, execution_options={"preserve_rowcount": True})
        return noted.rowcount == 1

    def _add(
        self, connection: sa.Connection, table: sa.Table, identity: tuple[str, ...], rows: list[Row]
    ) -> None:
        """Add rows to those that are there under the same identity."""
        if not rows:
            return
        asked = INSERT[connection.dialect.name](table)
        changed = {
            column.name: asked.excluded.key
            if column.name == "key"
            else column + asked.excluded[column.name]
            for column in table.c
            if column.name not in identity
        }
        connection.execute(
            asked.on_conflict_do_update(index_elements=list(identity), set_=changed), rows
        )

    def _prune_requests(self, before: float) -> int:
        """Delete a part of the older requests; those that another gateway deletes are left out."""
        old = (
            sa.select(requests.c.number)
            .where(requests.c.time < before)
            .order_by(requests.c.time)
            .limit(PRUNED_ROWS)
            .with_for_update(skip_locked=True)
        )
        with self._engine.begin() as connection:
            return connection.execute(
                sa.delete(requests).where(requests.c.number.in_(old))
            ).rowcount


def _of_key(table: sa.Table, key_id: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if key_id is None else [table.c.key_id == key_id]

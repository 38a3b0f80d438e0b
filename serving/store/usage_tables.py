"""The tables of usage, what a row of each holds, and what requests add up to."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, get_args

import msgspec
import sqlalchemy as sa

from serving.gateway.period import FIRST_DAY
from serving.gateway.record import Record, Verdict
from serving.gateway.timeline import Stage

MAX_CHARACTERS: Final = 128
# No database stores them all: PostgreSQL no NUL, neither of them half a surrogate pair.
UNWRITABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
MINUTE_SECONDS: Final = 60
Row = dict[str, Any]


class Sum(msgspec.Struct, kw_only=True):
    """How many requests ended how, what they used, and what they cost in USD."""

    ok: int = 0
    refused: int = 0
    cancelled: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    cost: float = 0.0


class DaySum(Sum, kw_only=True):
    """What one key used in one UTC day, of one model, in one application."""

    key_id: str
    day: date
    model: str
    app: str
    key: str  # its latest name
    cached_tokens: int = 0
    image_tokens: int = 0
    video_tokens: int = 0
    reasoning_tokens: int = 0
    answer_tokens: int = 0
    images: int = 0
    videos: int = 0


class MinuteSum(Sum, kw_only=True):
    """What all keys used of one model in one minute."""

    minute: int  # its beginning, in seconds since 1970
    model: str
    output_tokens: int = 0


# The stages are one column of JSON: they are read together, none is searched for, and a new one
# needs no change of the table.
COLUMN_TYPES: Final[dict[Any, type[sa.types.TypeEngine[Any]]]] = {
    str: sa.String,
    str | None: sa.String,
    int: sa.BigInteger,
    int | None: sa.BigInteger,
    float: sa.Double,
    float | None: sa.Double,
    bool: sa.Boolean,
    date: sa.Date,
    dict[Stage, float]: sa.JSON,
}
metadata: Final = sa.MetaData()


def _columns(kind: type[msgspec.Struct]) -> list[sa.Column[Any]]:
    return [
        sa.Column(field.name, COLUMN_TYPES[field.type]) for field in msgspec.structs.fields(kind)
    ]


requests: Final = sa.Table(
    "requests", metadata, sa.Column("number", sa.BigInteger), *_columns(Record)
)
usage_days: Final = sa.Table("usage_days", metadata, *_columns(DaySum))
usage_minutes: Final = sa.Table("usage_minutes", metadata, *_columns(MinuteSum))
ledger_batches: Final = sa.Table(
    "ledger_batches", metadata, sa.Column("id", sa.String), sa.Column("written_at", sa.Double)
)
# What names a row of the sums; what else they hold is added up, but for the key's name.
DAY: Final = ("key_id", "day", "model", "app")
MINUTE: Final = ("minute", "model")
TEXTS: Final = tuple(
    field.name for field in msgspec.structs.fields(Record) if field.type in {str, str | None}
)
# Of a record, what its sums hold beside the number of its verdict.
ADDED: Final[dict[type[msgspec.Struct], tuple[str, ...]]] = {
    kind: tuple(
        field.name
        for field in msgspec.structs.fields(kind)
        if field.default == 0 and field.name not in get_args(Verdict)
    )
    for kind in (DaySum, MinuteSum)
}


def row_of(record: Record) -> Row:
    """Return a record's row: its fields, without what cannot be written."""
    row = msgspec.structs.asdict(record)
    for name in TEXTS:
        if row[name]:
            row[name] = written_text(row[name])
    return row


def written_text(text: str) -> str:
    """Return a text as it is in the tables: a part of it, if not all can be written."""
    return UNWRITABLE.sub("", text)[:MAX_CHARACTERS]


def record_of(row: sa.RowMapping) -> Record:
    """Return the record of a row."""
    stages = {Stage(name): seconds for name, seconds in row["stages"].items()}
    return Record(**{**row, "stages": stages})


def day_rows(records: Sequence[Record], rows: Iterable[Row]) -> list[Row]:
    """Return what these records, and their rows, add up to by key, UTC day, model and app.

    What did not come to the engine is of no app: each name that a client thinks of would be a row.
    """
    sums: dict[tuple[str, date, str, str], DaySum] = {}
    for record, row in zip(records, rows, strict=True):
        day = datetime.fromtimestamp(record.time, UTC).date()
        app = row["app"] if record.admitted else ""
        identity = (row["key_id"], day, row["model"], app)
        total = sums.get(identity)
        if total is None:
            names = dict(zip(DAY, identity, strict=True))
            total = sums[identity] = DaySum(**names, key=row["key"])
        total.key = row["key"]
        _add(total, record)
    return _in_order(sums)


def minute_rows(records: Sequence[Record], rows: Iterable[Row]) -> list[Row]:
    """Return what these records, and their rows, add up to by minute and model."""
    sums: dict[tuple[int, str], MinuteSum] = {}
    for record, row in zip(records, rows, strict=True):
        identity = (int(record.time // MINUTE_SECONDS) * MINUTE_SECONDS, row["model"])
        total = sums.get(identity)
        if total is None:
            total = sums[identity] = MinuteSum(minute=identity[0], model=identity[1])
        _add(total, record)
    return _in_order(sums)


def folded_rows(days: Iterable[DaySum]) -> list[Row]:
    """Return what these days did cost, as one row a key of the first day there is."""
    sums: dict[str, DaySum] = {}
    for day in days:
        empty = DaySum(key_id=day.key_id, day=FIRST_DAY, model="", app="", key=day.key)
        sums.setdefault(day.key_id, empty).cost += day.cost
    return _in_order(sums)


def _add(total: Sum, record: Record) -> None:
    """Count a record: its verdict, and of what it holds whatever the sum holds."""
    setattr(total, record.verdict, getattr(total, record.verdict) + 1)
    for name in ADDED[type(total)]:
        setattr(total, name, getattr(total, name) + getattr(record, name))


def _in_order(sums: Mapping[Any, Sum]) -> list[Row]:
    """Return the sums as rows, in one order for all writers: none waits for another in a ring."""
    return [msgspec.structs.asdict(total) for _, total in sorted(sums.items())]

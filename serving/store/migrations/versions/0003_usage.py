"""The tables of usage: requests, what they add up to by day and minute, and written batches."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003_usage"
down_revision = "0002_leases"

TEXT = sa.String(128)
# SQLite counts by itself in this type alone.
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "requests",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        *_needed(TEXT, "route", "dialect", "key_id", "key", "model", "app", "referer", "user"),
        *_needed(sa.Boolean(), "generates", "known", "admitted", "streamed"),
        sa.Column("status", sa.BigInteger, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("error", TEXT),
        sa.Column("finish_reason", TEXT),
        sa.Column("choices", sa.BigInteger, nullable=False),
        sa.Column("max_tokens", sa.BigInteger),
        sa.Column("thinking_token_budget", sa.BigInteger),
        *_needed(sa.Boolean(), "budget_hit", "truncated_in_thinking", "estimated"),
        sa.Column("events", sa.BigInteger, nullable=False),
        *_counts(),
        *_needed(sa.BigInteger(), "body_bytes", "media_bytes"),
        sa.Column("cost", sa.Double, nullable=False),
        sa.Column("first_token_seconds", sa.Double),
        sa.Column("first_answer_seconds", sa.Double),
        sa.Column("duration_seconds", sa.Double, nullable=False),
        sa.Column("stages", sa.JSON, nullable=False),
        *_needed(sa.BigInteger(), "running_sequences", "queued_requests"),
        sa.Column("kv_cache_usage", sa.Double, nullable=False),
    )
    op.create_index("requests_time", "requests", ["time"])
    op.create_index("requests_id", "requests", ["id"])
    op.create_table(
        "usage_days",
        sa.Column("key_id", TEXT, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("model", TEXT, primary_key=True),
        sa.Column("app", TEXT, primary_key=True),
        sa.Column("key", TEXT, nullable=False),
        *_needed(sa.BigInteger(), "ok", "refused", "cancelled", "failed"),
        *_counts(),
        sa.Column("cost", sa.Double, nullable=False),
    )
    op.create_index("usage_days_day", "usage_days", ["day"])
    op.create_table(
        "usage_minutes",
        sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("model", TEXT, primary_key=True),
        *_needed(sa.BigInteger(), "ok", "refused", "cancelled", "failed"),
        *_needed(sa.BigInteger(), "prompt_tokens", "output_tokens"),
        sa.Column("cost", sa.Double, nullable=False),
    )
    op.create_table(
        "ledger_batches",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("written_at", sa.Double, nullable=False),
    )


def _counts() -> list[sa.Column[Any]]:
    kinds = ("prompt", "cached", "image", "video", "reasoning", "answer")
    return _needed(sa.BigInteger(), *(f"{kind}_tokens" for kind in kinds), "images", "videos")


def _needed(kind: sa.types.TypeEngine[Any], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]

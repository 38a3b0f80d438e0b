"""Finished requests as the ledger gets them."""

from datetime import UTC, datetime
from typing import Any

from serving.gateway.record import Record

# A day's beginning.
START = datetime(2026, 11, 20, tzinfo=UTC).timestamp()


def record(number: float = 0, **fields: Any) -> Record:
    """Return a request that was answered, in this second of the day."""
    usual = {
        "id": f"req_{number}",
        "time": START + number,
        "key_id": "key_a",
        "key": "alice",
        "model": "tiny",
        "generates": True,
        "known": True,
        "admitted": True,
    }
    return Record(**usual | fields)

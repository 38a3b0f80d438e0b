"""Logging, configured once: short lines on a terminal, one JSON object a line elsewhere."""

import json as encoder
import logging
import sys
from datetime import UTC, datetime
from typing import Any

RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
QUIET = ("uvicorn", "asyncio", "aiohttp")


def configure(level: str, json: bool) -> None:
    """Send all logs of this process to stderr, from `level` on; libraries from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if json else LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """One record as one JSON object, extra fields included."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, logger, message and fields."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return encoder.dumps(entry, ensure_ascii=False, default=str)


class LineFormatter(logging.Formatter):
    """One record as a short line for a person."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level where it matters, message, and fields that have a value."""
        line = super().format(record)
        if record.levelno >= logging.WARNING:
            line = line.replace(" ", f" {record.levelname} ", 1)
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items() if value)
        return f"{line} {fields}" if fields else line


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in RESERVED}

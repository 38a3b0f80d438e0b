"""Logging, configured once: short lines on a terminal, one JSON object a line elsewhere.

No line repeats what a client sent: of an exception only type and place are written, and of a
library's record only its template, since what fills it may be a client's text.
"""

import asyncio
import json as encoder
import logging
import math
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any

RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
OWN = "serving"
COMPLAINT_SECONDS = 60.0
QUIET = ("uvicorn", "asyncio", "aiohttp", "alembic", "httpx2")

logger = logging.getLogger(__name__)


def configure(level: str, json: bool) -> None:
    """Send all logs of this process to stderr, from `level` on; libraries from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(cut_to_template)
    handler.setFormatter(JsonFormatter() if json else LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def cut_to_template(record: logging.LogRecord) -> bool:
    """Take what fills a library's message away from it; let every record through."""
    if record.name.partition(".")[0] != OWN:
        record.args = ()
        record.stack_info = None
    return True


def describe(error: BaseException) -> str:
    """Return an exception's type and the lines of code that it passed, without its words."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}".rstrip()


def log_loop_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio found wrong; its own words hold reprs of what was worked on."""
    error = context.get("exception")
    logger.error("outside any request: %s", describe(error) if error else "no exception")


class Complaints:
    """Lets one complaint a minute through: what fails a thousand times a second is one line."""

    def __init__(self) -> None:
        self._last = -math.inf

    def due(self) -> bool:
        """Tell whether to complain now; if so, the minute begins anew."""
        now = time.monotonic()
        if now - self._last < COMPLAINT_SECONDS:
            return False
        self._last = now
        return True


class Formatter(logging.Formatter):
    """What both forms share: an exception without its words."""

    def formatException(self, ei: Any) -> str:
        """Write type and place."""
        return describe(ei[1]) if ei[1] is not None else ""


class JsonFormatter(Formatter):
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


class LineFormatter(Formatter):
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

"""How a check ends other than well, and how it reads an answer whose form it cannot trust."""

import json
from typing import Any

MAX_SEEN_CHARACTERS = 160


class Failed(Exception):
    """The endpoint did something else than expected; the words say what was seen."""


class Skipped(Exception):
    """The check does not apply to this deployment; the words say why."""


def expect(holds: bool, seen: str) -> None:
    """Fail with what was seen unless the condition holds."""
    if not holds:
        raise Failed(short(seen))


def pick(value: Any, *path: str | int) -> Any:
    """Follow keys and indexes into decoded JSON; an answer that ends earlier is a failure."""
    found = value
    for step in path:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            wanted = ".".join(map(str, path))
            raise Failed(short(f"no {wanted} in {json.dumps(value)}")) from None
    return found


def pick_text(value: Any, *path: str | int) -> str:
    """Follow keys and indexes to a text; null counts as none, anything else is a failure."""
    found = pick(value, *path)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Failed(short(f"{'.'.join(map(str, path))} is {json.dumps(found)}"))
    return found


def short(text: str) -> str:
    """Put a text on one line that a terminal can show."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_SEEN_CHARACTERS else line[: MAX_SEEN_CHARACTERS - 1] + "…"

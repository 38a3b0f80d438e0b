"""Log lines for a terminal and for machines."""

import json
import logging
from collections.abc import Iterator

import pytest

from serving.logs import configure


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Put the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_json_lines_hold_message_fields_and_exception(capsys):
    """One object a line, text of any kind included."""
    configure("info", json=True)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("a.b").exception("über %s\n2", 1, extra={"status": 5})
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["logger"], entry["level"], entry["status"]) == ("a.b", "error", 5)
    assert entry["message"] == "über 1\n2"
    assert "ValueError: why" in entry["exception"]
    assert entry["time"].endswith("+00:00")


def test_terminal_lines_are_short(capsys):
    """Time, message and the fields that have a value."""
    configure("info", json=False)
    logging.getLogger("a").info("request", extra={"status": 200, "finish_reason": None})
    logging.getLogger("a").warning("look")
    first, second = capsys.readouterr().err.splitlines()
    assert first[8:] == " request status=200"
    assert second[8:] == " WARNING look"


@pytest.mark.parametrize("name", ["uvicorn.error", "asyncio", "aiohttp.client"])
def test_libraries_speak_up_only_for_warnings(capsys, name):
    """Their routine is not ours."""
    configure("info", json=False)
    logging.getLogger(name).info("routine")
    logging.getLogger(name).warning("trouble")
    assert "routine" not in (said := capsys.readouterr().err)
    assert "trouble" in said


def test_the_level_holds(capsys):
    """Below it nothing is written."""
    configure("warning", json=True)
    logging.getLogger("a").info("x")
    assert capsys.readouterr().err == ""

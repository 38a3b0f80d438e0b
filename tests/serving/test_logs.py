"""Log lines for a terminal and for machines."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest

from serving.logs import configure, log_loop_fault


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
        logging.getLogger("serving.b").exception("über %s\n2", 1, extra={"status": 5})
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["logger"], entry["level"], entry["status"]) == ("serving.b", "error", 5)
    assert entry["message"] == "über 1\n2"
    assert entry["exception"].startswith("ValueError\n")
    assert "test_logs.py" in entry["exception"]
    assert "why" not in line.replace('raise ValueError(\\"why\\")', "")
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


@pytest.mark.parametrize("json", [True, False])
def test_a_librarys_record_is_cut_to_its_template(capsys, json):
    """What fills it, and the words of an exception, may be a client's."""
    configure("debug", json=json)
    words = "a client's words"
    try:
        raise ValueError(words) from KeyError(words)
    except ValueError:
        logging.getLogger("aiohttp.web").exception("failed at %s", words, stack_info=True)
    said = capsys.readouterr().err
    assert "failed at %s" in said
    assert "ValueError" in said
    assert "client's" not in said


@pytest.mark.parametrize("context", [{"exception": ValueError("words")}, {}])
def test_a_fault_of_the_loop_is_told_without_words(capsys, context):
    """asyncio's own message and objects hold reprs of what was worked on."""
    configure("info", json=False)
    loop = asyncio.new_event_loop()
    log_loop_fault(loop, {"message": "words", "future": "words", **context})
    loop.close()
    said = capsys.readouterr().err
    assert "outside any request" in said
    assert ("ValueError" in said) is bool(context)
    assert "words" not in said

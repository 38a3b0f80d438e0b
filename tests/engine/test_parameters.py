"""Every parameter has its effect: through the gateway, the real engine and the tiny model."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from serving.gateway.api import chat, completions, messages, responses
from serving.tiny_model.exam import TASKS, question
from tests.engine import dialect_parameters, parameters
from tests.engine.asking import (
    CHAT,
    COMPLETIONS,
    COUNT_TOKENS,
    MESSAGES,
    RESPONSES,
    Asking,
    Reply,
)
from tests.engine.effects import SUM, Row, said, same

QUESTIONS = 10  # of each task
SMALL = 48
STOPS = {"stop", "stop_sequences"}

ROWS = [(row, path) for row in (*parameters.ROWS, *dialect_parameters.ROWS) for path in row.on]

STREAMED = [(row, path) for row, path in ROWS if path != COUNT_TOKENS]


def listed(rows: list[tuple[Row, str]]) -> pytest.MarkDecorator:
    """Run a test for each row on each of its paths."""
    params = [
        pytest.param(row, path, id=f"{path[1:]} {row.parameter}: {row.effect}")
        for row, path in rows
    ]
    return pytest.mark.parametrize(("row", "path"), params)


@pytest.fixture(scope="module")
def ask(endpoint: Any) -> Iterator[Asking]:
    """Return what asks the endpoint."""
    with httpx.Client(base_url=endpoint.url, timeout=300) as client:
        yield Asking(client)


@listed(ROWS)
def test_parameter_has_its_effect(ask: Asking, row: Row, path: str) -> None:
    """The answer with the parameter differs from the one without it in the way the row says."""
    without, with_it = ask.once(path, **row.base), ask(path, **row.base | row.fields)
    assert row.holds(without, with_it), f"without: {without}\nwith: {with_it}"


@listed([(row, path) for row, path in STREAMED if row.repeats and not row.refused])
def test_streamed_is_whole(ask: Asking, row: Row, path: str) -> None:
    """The same request, streamed, has the same words, calls, counts and reasons to end."""
    asked = row.base | row.fields
    fields = {name: value for name, value in asked.items() if not name.startswith("stream")}
    options = {"stream_options": {"include_usage": True}} if path in (CHAT, COMPLETIONS) else {}
    whole, streamed = ask.once(path, **fields), ask(path, **fields, stream=True, **options)
    assert said(streamed) == said(whole)
    assert ends(streamed) == ends(whole)
    if not STOPS & fields.keys() or path == COMPLETIONS:
        # What the engine had counted when a stop text was seen depends on how fast it was read.
        assert counts(streamed) == counts(whole)


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        pytest.param(CHAT, chat.IGNORED, id="chat"),
        pytest.param(COMPLETIONS, completions.IGNORED, id="completions"),
        pytest.param(RESPONSES, responses.IGNORED, id="responses"),
        pytest.param(MESSAGES, messages.IGNORED, id="messages"),
    ],
)
def test_ignored_fields_change_nothing(ask: Asking, path: str, ignored: frozenset[str]) -> None:
    """What has no effect is taken in any form, and has none."""
    for junk in ("x", 7, {"a": [None]}):
        assert same(ask.once(path, **SUM), ask(path, **SUM | dict.fromkeys(ignored, junk)))


@pytest.mark.parametrize("task", TASKS)
def test_small_max_tokens_leave_an_answer(ask: Asking, task: str) -> None:
    """Who knows nothing of thoughts and allows few tokens gets content or a call."""
    bodies = [question(task, index).body for index in range(QUESTIONS)]
    for body in bodies:
        body.pop("thinking_token_budget", None)
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda body: ask(CHAT, **body, max_tokens=SMALL), bodies))
    assert [reply for reply in replies if not (reply.only.text or reply.only.calls)] == []


def ends(reply: Reply) -> list[tuple[str | None, tuple[str, ...]]]:
    """Return why each choice ended, and what it called."""
    return [(choice.finish_reason, choice.calls) for choice in reply.choices]


def counts(reply: Reply) -> tuple[int, int]:
    """Return the output's and the thought's tokens."""
    return reply.tokens, reply.thought_tokens

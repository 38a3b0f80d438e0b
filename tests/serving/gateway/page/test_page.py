"""What the page says, from made-up models and reports: true, escaped, and nothing invented."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace as replaced

from loadtests.shapes import Users
from serving.catalogue import INSTRUCT, THINKING, ModelEntry, entry_for
from serving.gateway.page.page import TOY, page
from serving.gateway.page.reports import Reports, reports_in
from serving.options import GatewaySettings
from tests.loadtests.samples import LOST, VALID, at, run_of, step_of

NO_REPORTS = Reports(None, None)
SCORE = {
    "model": THINKING,
    "questions": 200,
    "shares": {"temperature 0": {"colour": 0.985, "<kind>": 1.0}},
    "mistakes": [{"task": "colour"}],
}
SPREAD = {"size": 90, "least": 0.1, "percentiles": [0.12, 0.2, 0.3, None], "most": 0.5}
NEVER = {"size": 90, "least": 0.1, "percentiles": [0.4, 0.5, "never", "never"], "most": "never"}
# Requests of half a second to the first token and one to the answer, two of ten lost.
LOADED = replaced(
    step_of([at(5.0)] * 800 + [at(5.0, LOST)] * 200, load=Users(4)), label="<4> users"
)
DOUBT = replaced(VALID, valid=False, reasons=("The client was late.",))
LOAD = msgspec.to_builtins(
    run_of(
        LOADED,
        certificate=DOUBT,
        date="2026-11-21T10:00:00+00:00",
        model_served=THINKING,
        vllm_version="0.32.0",
        machine={"cpu": "a <CPU>"},
    )
)
LOAD["verdict"]["sentence"] = "Every objective <is> met."


def shown(entry: ModelEntry, reports: Reports = NO_REPORTS, **known: Any) -> str:
    """Write the page of a model before a ready engine, `known` being what the watch knows."""
    usual = {
        "max_model_len": 262_144,
        "kv_cache_tokens": 123_456,
        "kv_cache_usage": 0.25,
        "engine_version": "0.32.0",
        "unready": lambda: None,
    }
    served: Any = SimpleNamespace(
        entry=entry,
        limits=GatewaySettings(),
        watch=SimpleNamespace(**usual | known),
        keys=SimpleNamespace(needed=False),
    )
    return page(served, "http://model.example", reports)


def words(text: str) -> str:
    """Return a page's text without its tags, a space for each run of white space."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_facts_are_those_of_model_options_and_engine() -> None:
    """Context, limits, names, sampling and the engine's own figures."""
    text = words(shown(entry_for(THINKING)))
    for fact in (
        "Served as Qwen/Qwen3-VL-8B-Thinking",
        "Also asked for as qwen/qwen3-vl-8b-thinking",
        "Context 262,144 tokens",
        "Thought and answer 32,768 tokens together",
        "Pictures up to 8: PNG, JPEG, WEBP, GIF",
        "presence_penalty 0 1.5",
        "State ready Engine vLLM 0.32.0 KV cache 123,456 tokens, 25% in use",
        "high 80%",
    ):
        assert fact in text
    assert TOY not in text


def test_prices_are_listed_and_offered() -> None:
    """Both, with the discount; a model without a price is said to cost nothing."""
    text = words(shown(entry_for(THINKING)))
    assert "USD per million tokens; 35% off" in text
    assert "Input $0.18 $0.117" in text
    assert "Output $2.10 $1.365" in text
    assert "$0.117 in, $1.365 out a million tokens" in text
    assert "requests cost nothing here" in shown(entry_for("tiny"))


def test_the_test_model_says_what_it_is() -> None:
    """Nobody takes the toy for the model it is shaped like."""
    assert TOY in shown(entry_for("tiny"))


def test_a_model_that_does_not_think_offers_no_effort() -> None:
    """Neither the selector nor the table of shares."""
    text = shown(entry_for(INSTRUCT))
    assert '<select id="effort" hidden>' in text
    assert "This model answers at once." in text


def test_what_is_not_known_yet_is_not_made_up() -> None:
    """Before the engine has answered, its figures are said to come."""
    unknown = {"max_model_len": None, "kv_cache_tokens": None, "engine_version": None}
    text = words(shown(entry_for(THINKING), unready=lambda: "it <starts>", **unknown))
    assert "State not ready: it &lt;starts&gt;" in text
    assert text.count("known once the engine is ready") == 3


def test_a_models_name_is_no_markup() -> None:
    """Whatever a folder or an alias is called."""
    evil = "<script>alert('\"')</script>"
    text = shown(replace(entry_for("tiny"), id=evil, aliases=(evil,)))
    assert "<script>alert" not in text
    offer = re.search(r'data-offer="([^"]*)"', text)
    assert offer is not None
    assert "&lt;script&gt;" in offer[1]


def test_tabs_and_panels_belong_together() -> None:
    """Each link of the tab list has a section, and all ids are there once."""
    text = shown(entry_for("tiny"))
    tabs = re.findall(r'<a id="tab-(\w+)" href="#(\w+)">', text)
    panels = re.findall(r'<section id="(\w+)" class="panel" aria-labelledby="tab-(\w+)"', text)
    assert tabs == panels
    assert [name for name, _ in tabs] == ["overview", "chat", "performance", "usage", "api"]
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Reports]:
    """Return what writes reports into a folder and reads them as the page does."""

    def write_and_read(**files: Any) -> Reports:
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            path = tmp_path / f"{name}.json"
            path.write_text(text)
            os.utime(path, (1_780_000_000, 1_780_000_000))
        return reports_in(tmp_path, THINKING)

    return write_and_read


def test_reports_are_shown(write: Callable[..., Reports]) -> None:
    """Score and load of this very model, with when and how they were measured."""
    text = shown(entry_for(THINKING), write(score=SCORE, load=LOAD))
    assert "<kind>" not in text
    said = words(text)
    assert "Right answers of 200 questions a task and sampling; 2026-05-28" in said
    assert "colour 98.5%" in said
    assert "Not to be trusted: Every objective &lt;is&gt; met." in said
    assert "mixed; 2026-11-21, vLLM 0.32.0; client on a &lt;CPU&gt;" in said
    assert "&lt;4&gt; users 1,000 200 " in said
    assert " 500 ms 1,000 ms never" in said


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="none"),
        pytest.param({"score": "{", "load": "[]"}, id="damaged"),
        pytest.param(
            {
                "score": SCORE | {"model": "tiny-qwen3-vl"},
                "load": LOAD | {"run": LOAD["run"] | {"model_served": "tiny-qwen3-vl"}},
            },
            id="of another model",
        ),
    ],
)
def test_without_a_report_the_command_is_named(
    write: Callable[..., Reports], files: dict[str, Any]
) -> None:
    """A model gets no other's figures, and a file that cannot be read is none."""
    text = words(shown(entry_for(THINKING), write(**files)))
    assert "make score examines" in text
    assert "make load puts" in text


def test_a_new_report_replaces_the_last(write: Callable[..., Reports]) -> None:
    """A file is read again when it has changed."""
    assert write(score=SCORE).score.questions == 200
    assert write(score=SCORE | {"questions": 1000}).score.questions == 1000

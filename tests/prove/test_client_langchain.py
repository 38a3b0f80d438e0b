"""LangChain's ChatOpenAI, with base URL, key and model changed and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="module")
def answers(ask: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return what an application sees of each answer."""
    return ask("ask_langchain.py")


@pytest.mark.parametrize("asked", ["whole", "stream", "responses", "responses stream"])
def test_answer_is_text_and_its_thought_is_counted(answers: dict[str, Any], asked: str) -> None:
    """No thought is in the text; usage has the reasoning tokens and adds up."""
    answer = answers[asked]
    assert answer["text"] == "19"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert 0 < usage["output_token_details"]["reasoning"] < usage["output_tokens"]


def test_thought_is_a_reasoning_item(answers: dict[str, Any]) -> None:
    """Through the Responses API, unstreamed, the thought arrives; elsewhere ChatOpenAI drops it."""
    assert answers["responses"]["reasoning"].strip() == "12 plus 7 is 19."


def test_finish_reason_is_kept(answers: dict[str, Any]) -> None:
    """Whole and streamed answers end alike."""
    assert answers["whole"]["finish"] == answers["stream"]["finish"] == "stop"


def test_tool_loop_ends_in_an_answer(answers: dict[str, Any]) -> None:
    """A bound tool is called, and the message with its result becomes the answer."""
    assert answers["tool"]["call"] == ["get_weather", {"city": "Paris"}]
    assert answers["tool"]["text"] == "It is sunny in Paris."


def test_structured_output_is_the_pydantic_model(answers: dict[str, Any]) -> None:
    """A picture is described to the model's schema."""
    assert answers["object"] == {"colour": "red", "kind": "circle", "count": 1}


def test_refusal_is_openais_exception(answers: dict[str, Any]) -> None:
    """The 404 arrives with its code and names what is served."""
    assert answers["refused"]["code"] == "model_not_found"
    assert "tiny-qwen3-vl" in answers["refused"]["message"]

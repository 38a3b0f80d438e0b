"""LiteLLM as a client, through its providers for OpenAI, for a hosted vLLM and for OpenRouter."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.parametrize("provider", ["openai", "hosted_vllm", "openrouter"])


@pytest.fixture(scope="module")
def answers(ask: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return what an application sees of each provider's answers."""
    return ask("ask_litellm.py")


@pytest.mark.parametrize("asked", ["whole", "stream"])
def test_answer_and_thought_come_apart(answers: dict[str, Any], provider: str, asked: str) -> None:
    """Text, reasoning content, finish reason and usage arrive, whole and streamed."""
    answer = answers[provider][asked]
    assert (answer["text"], answer["finish"]) == ("19", "stop")
    assert answer["reasoning"].strip() == "12 plus 7 is 19."
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    reasoning_tokens = usage["completion_tokens_details"]["reasoning_tokens"]
    assert 0 < reasoning_tokens < usage["completion_tokens"]


def test_tool_loop_ends_in_an_answer(answers: dict[str, Any], provider: str) -> None:
    """The call is well formed, and the answer uses its result."""
    tool = answers[provider]["tool"]
    assert (tool["asked"], tool["call"]) == ("tool_calls", ["get_weather", {"city": "Paris"}])
    assert tool["text"] == "It is sunny in Paris."


def test_picture_is_described_to_a_pydantic_model(answers: dict[str, Any], provider: str) -> None:
    """The schema holds for the text alone."""
    answer = answers[provider]["object"]
    assert answer["text"] == '{"colour":"red","kind":"circle","count":1}'
    assert answer["reasoning"].strip() == "I see 1 red circle."


def test_refusal_is_litellms_not_found(answers: dict[str, Any], provider: str) -> None:
    """The 404 keeps its status, and its message what is served."""
    refused = answers[provider]["refused"]
    assert refused["status"] == 404
    assert "tiny-qwen3-vl" in refused["said"]

"""The template's rendering, word for word: turns, thoughts, tools, pictures."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import Qwen3VLProcessor

pytestmark = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed; enable: make serve"
)

PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
CLOCK = {"type": "function", "function": {"name": "get_time", "description": "Ünits <tell>"}}

WEATHER_CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'
TIME_CALL = '<tool_call>\n{"name": "get_time", "arguments": {"city": "Oslo"}}\n</tool_call>'


def call(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    """Write an assistant's message with one tool call."""
    function = {"name": name, "arguments": arguments}
    calls = [{"id": "1", "type": "function", "function": function}]
    return {"role": "assistant", "content": "", "tool_calls": calls, **more}


@pytest.fixture
def render(processor: Qwen3VLProcessor) -> Callable[..., str]:
    """Return the template as a function of messages."""

    def rendered(*messages: dict[str, Any], tools: Any = None, ask: bool = False) -> str:
        return processor.tokenizer.apply_chat_template(
            list(messages), tools=tools, add_generation_prompt=ask, tokenize=False
        )

    return rendered


def user(content: Any) -> dict[str, Any]:
    """Write a user's message."""
    return {"role": "user", "content": content}


def test_generation_prompt_opens_a_thought(render: Callable[..., str]) -> None:
    """The model's turn starts inside <think>, so that its first token is a thought's."""
    assert render(user("Hi"), ask=True) == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n"
    )


def test_system_message_stands_first(render: Callable[..., str]) -> None:
    """Without tools the system turn is the system message."""
    assert render({"role": "system", "content": "Be brief."}, user("Hi")) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    )


@pytest.mark.parametrize("system", [True, False], ids=["with system", "without system"])
def test_tools_stand_in_the_one_system_turn(render: Callable[..., str], system: bool) -> None:
    """Every tool is one line of JSON, after the system message where there is one."""
    messages = [{"role": "system", "content": "Be brief."}] if system else []
    text = render(*messages, user("Hi"), tools=[TOOL, CLOCK])
    head, _, rest = text.partition("<tools>\n")
    listed, _, tail = rest.partition("\n</tools>")
    assert [json.loads(line) for line in listed.splitlines()] == [TOOL, CLOCK]
    assert "Ünits <tell>" in listed, "tools are not escaped for HTML"
    assert text.count("<|im_start|>system\n") == 1
    opening = (
        "<|im_start|>system\nBe brief.\n\n# Tools" if system else "<|im_start|>system\n# Tools"
    )
    assert head.startswith(opening)
    assert tail.endswith("<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n")


def test_a_thought_is_forgotten_after_the_next_question(render: Callable[..., str]) -> None:
    """Old thoughts do not fill the context, whether they came apart or inside the content."""
    apart = {"role": "assistant", "content": "Red.", "reasoning_content": "I see red."}
    newer = {"role": "assistant", "content": "Red.", "reasoning": "I see red."}
    inside = {"role": "assistant", "content": "<think>\nI see red.\n</think>\n\nRed."}
    for answer in (apart, newer, inside):
        assert render(user("Which?"), answer, user("Sure?")) == (
            "<|im_start|>user\nWhich?<|im_end|>\n"
            "<|im_start|>assistant\nRed.<|im_end|>\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
        )


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_a_thought_is_kept_until_the_tools_have_answered(
    render: Callable[..., str], field: str
) -> None:
    """After the last question the model still knows why it called."""
    messages = (
        user("Old?"),
        {"role": "assistant", "content": "Yes.", field: "Forgotten."},
        user("Weather in Rome?"),
        call("get_weather", {"city": "Rome"}, **{field: "I need the weather."}),
        {"role": "tool", "content": "sunny"},
    )
    assert render(*messages, ask=True) == (
        "<|im_start|>user\nOld?<|im_end|>\n"
        "<|im_start|>assistant\nYes.<|im_end|>\n"
        "<|im_start|>user\nWeather in Rome?<|im_end|>\n"
        "<|im_start|>assistant\n<think>\nI need the weather.\n</think>\n\n"
        f"{WEATHER_CALL}<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\nsunny\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n<think>\n"
    )


def test_results_of_several_tools_share_a_user_turn(render: Callable[..., str]) -> None:
    """Results that follow each other stand in one turn, the next question in its own."""
    text = render(
        user("Both?"),
        call("get_time", '{"city": "Oslo"}'),
        {"role": "tool", "content": "noon"},
        {"role": "tool", "content": [{"type": "text", "text": "rainy"}]},
        user("Thanks."),
    )
    assert text.endswith(
        "<|im_start|>user\n<tool_response>\nnoon\n</tool_response>"
        "\n<tool_response>\nrainy\n</tool_response><|im_end|>\n"
        "<|im_start|>user\nThanks.<|im_end|>\n"
    )


@pytest.mark.parametrize("arguments", [{"city": "Oslo"}, '{"city": "Oslo"}'])
def test_arguments_are_written_as_json_once(render: Callable[..., str], arguments: Any) -> None:
    """Clients send arguments as text, vLLM passes an object: both render alike."""
    text = render(user("Time?"), call("get_time", arguments))
    assert text.endswith(f"assistant\n{TIME_CALL}<|im_end|>\n")


def test_several_calls_of_one_turn_stand_below_each_other(render: Callable[..., str]) -> None:
    """Each call has its own tags, on lines of its own, after the words of the answer."""
    both = call("get_time", {"city": "Oslo"})
    both["content"] = "Let me see."
    both["tool_calls"] += call("get_weather", {"city": "Rome"})["tool_calls"]
    assert render(user("Both?"), both).endswith(
        f"<|im_start|>assistant\nLet me see.\n{TIME_CALL}\n{WEATHER_CALL}<|im_end|>\n"
    )


@pytest.mark.parametrize(
    ("picture", "place"),
    [
        pytest.param({"type": "image"}, PICTURE, id="curriculum"),
        pytest.param({"type": "image_url", "image_url": {"url": "data:"}}, PICTURE, id="OpenAI"),
        pytest.param({"image": "x.png"}, PICTURE, id="Qwen"),
        pytest.param(
            {"type": "video"}, PICTURE.replace("image_pad", "video_pad"), id="curriculum video"
        ),
        pytest.param(
            {"type": "video_url", "video_url": {"url": "data:"}},
            PICTURE.replace("image_pad", "video_pad"),
            id="OpenAI video",
        ),
    ],
)
def test_pictures_and_text_keep_their_order(
    render: Callable[..., str], picture: dict[str, Any], place: str
) -> None:
    """Each part stands where the client put it, in every spelling of a picture."""
    parts = [
        {"type": "text", "text": "First "},
        picture,
        {"type": "text", "text": "then"},
        picture,
        picture,
        {"type": "text", "text": "?"},
    ]
    assert render(user(parts)) == (
        f"<|im_start|>user\nFirst {place}then{place}{place}?<|im_end|>\n"
    )

"""Vercel's AI SDK with OpenRouter's provider, of whose settings only base URL and key change."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).resolve().parents[1] / "clients-node"
SUM_THOUGHT = "12 plus 7 is 19."


@pytest.fixture(scope="module")
def answers(endpoint: Any, circle_part: Callable[..., Any]) -> dict[str, Any]:
    """Return what an application sees of each answer; one start of Node.js asks all questions."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed; enable: make ci-deps")
    if not (CLIENTS / "node_modules" / "set-up").exists():
        pytest.skip("the JavaScript clients are not installed; enable: make setup-check")
    order = {
        "base_url": f"{endpoint.url}/api/v1",
        "picture": circle_part("red")["image_url"]["url"],
    }
    ended = subprocess.run(
        [node, "ask.mjs"],
        cwd=CLIENTS,
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    seen: dict[str, Any] = json.loads(ended.stdout)
    assert {name: answer["failed"] for name, answer in seen.items() if "failed" in answer} == {}
    return seen


@pytest.mark.parametrize(
    ("asked", "text", "thought"),
    [
        pytest.param("text", "19", SUM_THOUGHT, id="generateText"),
        pytest.param("stream", "19", SUM_THOUGHT, id="streamText"),
        pytest.param("picture", "1 red circle", "I see 1 red circle.", id="picture"),
        pytest.param("tool", "It is sunny in Paris.", "The tool says sunny.", id="tool"),
    ],
)
def test_answer_and_thought_come_apart(
    answers: dict[str, Any], asked: str, text: str, thought: str
) -> None:
    """Text, reasoning, finish reason and usage are each in their place."""
    answer = answers[asked]
    assert (answer["text"], answer["reasoning"].strip()) == (text, thought)
    assert answer["finish"] == "stop"
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert 0 < usage["outputTokenDetails"]["reasoningTokens"] < usage["outputTokens"]


def test_response_names_what_is_served(answers: dict[str, Any]) -> None:
    """The alias is answered under the real model's name, with an id of OpenRouter's form."""
    assert answers["text"]["model"] == "tiny-qwen3-vl"
    assert answers["text"]["id"].startswith("gen-")


def test_stream_has_reasoning_parts_before_text_parts(answers: dict[str, Any]) -> None:
    """The thought is over before the answer begins, and comes once more as details."""
    stream = answers["stream"]
    parts = [kind for kind in stream["kinds"] if kind.startswith(("reasoning-", "text-"))]
    assert parts == [
        f"{part}-{step}" for part in ("reasoning", "text") for step in ("start", "delta", "end")
    ]
    [detail] = stream["details"]
    assert detail["type"] == "reasoning.text"
    assert detail["text"] == stream["reasoning"]


def test_tool_is_called_and_its_result_used(answers: dict[str, Any]) -> None:
    """The SDK's own loop runs the tool between two requests, thoughts passed back."""
    tool = answers["tool"]
    assert (tool["name"], tool["input"]) == ("get_weather", {"city": "Paris"})
    assert tool["finishes"] == ["tool-calls", "stop"]


def test_object_keeps_to_its_schema(answers: dict[str, Any]) -> None:
    """An object is generated after the thought, which stays reasoning."""
    answer = answers["object"]
    assert answer["object"] == {"colour": "red", "kind": "circle", "count": 1}
    assert answer["reasoning"].strip() == "I see 1 red circle."


def test_error_is_the_sdks_own(answers: dict[str, Any]) -> None:
    """A refusal becomes an APICallError with status and message, and is not tried again."""
    error = answers["unknown"]
    assert (error["isCallError"], error["statusCode"]) == (True, 404)
    assert "tiny-qwen3-vl" in error["message"]
    assert error["isRetryable"] is False

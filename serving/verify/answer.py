"""A chat's answer, put together from a whole reply or from a stream, and the way to ask for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.verify.client import DONE, Endpoint
from serving.verify.judgement import names
from serving.verify.verdict import Failed, expect, pick, pick_text

CHAT = "/v1/chat/completions"
# As repeatable as sampling gets, and the same for every model, whatever its own defaults are.
SAMPLING = {"temperature": 0, "presence_penalty": 0, "seed": 7}
MAX_TOKENS = 1024  # of which the endpoint gives most to the thought
SUM = "What is 12 + 7?"
SUM_IS = ("19", "nineteen")
TAGS = ("<think>", "</think>")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a chat request brought; `calls` are pairs of a name and its arguments, still encoded."""

    content: str
    reasoning: str
    calls: tuple[tuple[str, str], ...]
    finish_reason: str | None
    usage: Mapping[str, Any]
    message: Mapping[str, Any]

    @property
    def reasoning_tokens(self) -> int:
        """How many tokens of the output were thought."""
        details = self.usage.get("completion_tokens_details") or {}
        return int(details.get("reasoning_tokens") or 0)

    @property
    def counts(self) -> tuple[int, ...]:
        """Every count that belongs to the answer."""
        names = ("prompt_tokens", "completion_tokens", "total_tokens")
        return (*(int(pick(self.usage, name)) for name in names), self.reasoning_tokens)


def question(endpoint: Endpoint, content: Any, **fields: Any) -> dict[str, Any]:
    """Write a chat request of one user message, or of the messages given in `fields`."""
    return {
        "model": endpoint.model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": MAX_TOKENS,
        **SAMPLING,
        **fields,
    }


async def ask(endpoint: Endpoint, content: Any, path: str = CHAT, **fields: Any) -> Answer:
    """Ask for a whole answer; a think tag in it is a failure."""
    reply = await endpoint.post(path, question(endpoint, content, **fields))
    return answer_from(reply.answered())


def answer_from(body: Any) -> Answer:
    """Read a whole reply."""
    message = pick(body, "choices", 0, "message")
    calls = [pick(call, "function") for call in message.get("tool_calls") or ()]
    return _without_tags(
        Answer(
            content=pick_text(message, "content"),
            reasoning=message.get("reasoning") or "",
            calls=tuple((pick_text(c, "name"), pick_text(c, "arguments")) for c in calls),
            finish_reason=pick(body, "choices", 0, "finish_reason"),
            usage=pick(body, "usage"),
            message=message,
        )
    )


async def ask_streamed(
    endpoint: Endpoint, content: Any, path: str = CHAT, **fields: Any
) -> tuple[Answer, list[Any]]:
    """Ask for a stream; return its answer and its chunks. It must end with [DONE]."""
    chunks: list[Any] = []
    ended = False
    async for event in endpoint.events(path, question(endpoint, content, **fields)):
        expect(not ended, "an event after [DONE]")
        ended = event.data == DONE
        if not ended:
            if "error" in event.data:
                raise Failed(str(event.data["error"]))
            chunks.append(event.data)
    expect(ended, f"the stream ended after {len(chunks)} events without [DONE]")
    return answer_from_chunks(chunks), chunks


def answer_from_chunks(chunks: list[Any]) -> Answer:
    """Put a stream's chunks together."""
    said = {"content": "", "reasoning": ""}
    calls: dict[int, list[str]] = {}
    finish_reason, usage = None, None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in pick(chunk, "choices"):
            delta = pick(choice, "delta")
            finish_reason = choice.get("finish_reason") or finish_reason
            for name in said:
                said[name] += delta.get(name) or ""
            for call in delta.get("tool_calls") or ():
                parts = calls.setdefault(pick(call, "index"), ["", ""])
                parts[0] += pick(call, "function").get("name") or ""
                parts[1] += pick(call, "function").get("arguments") or ""
    return _without_tags(
        Answer(
            content=said["content"],
            reasoning=said["reasoning"],
            calls=tuple((name, arguments) for name, arguments in calls.values()),
            finish_reason=finish_reason,
            usage=usage or {},
            message=said,
        )
    )


def expect_sum(text: str) -> None:
    """Fail unless a text, without the thought, holds the right sum."""
    expect(not any(tag in text for tag in TAGS), f"a think tag in the text: {text}")
    expect(names(text, SUM_IS), text or "an empty answer")


def _without_tags(answer: Answer) -> Answer:
    for tag in TAGS:
        expect(tag not in answer.content, f"{tag} in the content: {answer.content}")
        expect(tag not in answer.reasoning, f"{tag} in the thought: {answer.reasoning}")
    return answer

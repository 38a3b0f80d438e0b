"""Chat answers in both dialects: whole and streamed say the same, and what the engine said."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.answer import CompletionDetails, PromptDetails, Usage
from serving.gateway.api.chat_view import ChatView
from serving.gateway.dialect import DIALECTS, OPENAI, OPENROUTER, Dialect
from serving.gateway.errors import EngineFailed
from serving.gateway.stream import StreamScan
from serving.gateway.view import Asked
from tests.fake_engine import DONE, MODEL, usage_event

TRAPS = [
    '"reasoning":"x"',
    '","reasoning":"x',
    '"finish_reason":"stop"',
    '"id":"chatcmpl-req_7"',
    '"object":"chat.completion.chunk"',
    '"logprobs":{',
    "</think>",
    "\\",
    "\n\n",
    "\u2028",
]
# Thoughts are marked, so that a leak shows.
THOUGHTS = st.lists(st.sampled_from(TRAPS) | st.text(max_size=5), max_size=4).map(
    lambda tokens: ["θ" + token for token in tokens]
)
ANSWERS = st.lists(
    st.sampled_from(TRAPS) | st.text(max_size=5), max_size=4
).map(lambda tokens: [token.replace("θ", "t") for token in tokens])  # fmt: skip
USAGE = Usage(
    prompt_tokens=300,
    completion_tokens=20,
    prompt_tokens_details=PromptDetails(cached_tokens=4, multimodal_tokens={"image": 256}),
    completion_tokens_details=CompletionDetails(reasoning_tokens=12),
    prompt_cost=0.003,
    completion_cost=0.04,
)
REASONS = ("finish_reason", "native_finish_reason", "stop_reason")
CALL = {"name": "get_weather", "arguments": '{"city":"Bonn"}'}


@dataclass
class Said:
    """What a model said, token by token, and how the tokens came in events."""

    thought: list[str]
    answer: list[str]
    logprobs: bool = False
    sizes: list[int] = field(default_factory=list)
    calls: bool = False
    finish_reason: str = "stop"
    stop_reason: str | None = None

    @property
    def tokens(self) -> list[tuple[str, str]]:
        """Return field and text of each token."""
        thought = [("reasoning", text) for text in self.thought]
        return [*thought, ("end", "</think>"), *(("content", text) for text in self.answer)]

    def entries(self, tokens: list[tuple[str, str]]) -> dict[str, Any] | None:
        """Return the tokens' logprobs in the engine's form."""
        fields = {"logprob": -0.5, "top_logprobs": []}
        made = [{"token": text, "bytes": [*text.encode()], **fields} for _, text in tokens]
        return {"content": made} if self.logprobs else None

    def whole(self) -> bytes:
        """Return the engine's whole answer."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.answer)}
        message["reasoning"] = "".join(self.thought) or None
        if self.calls:
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": CALL}]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": self.entries(self.tokens),
            "finish_reason": self.finish_reason,
            "stop_reason": self.stop_reason,
            "token_ids": None,
        }
        return json.dumps({"id": "chatcmpl-req_7", "choices": [choice]}).encode()

    def events(self) -> bytes:
        """Return the engine's stream, tokens in events of the given sizes."""
        chunks = [_event({"role": "assistant", "content": ""})]
        tokens, sizes = self.tokens, iter(self.sizes)
        while tokens:
            size = next(sizes, 1)
            some, tokens = tokens[:size], tokens[size:]
            texts = {name: "".join(t for n, t in some if n == name) for name, _ in some}
            delta = {name: text for name, text in texts.items() if name != "end" and text}
            if delta or self.logprobs:  # vLLM sends no event without either
                chunks.append(_event(delta, self.entries(some)))
        if self.calls:
            call = {"index": 0, "id": "call_1", "type": "function", "function": CALL}
            chunks.append(_event({"tool_calls": [call]}))
        last = {"finish_reason": self.finish_reason, "stop_reason": self.stop_reason}
        return b"".join([*chunks, _event({"content": ""}, **last), usage_event(), DONE])


def _event(delta: dict[str, Any], logprobs: Any = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": None} | fields
    chunk = {
        "id": "chatcmpl-req_7",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": MODEL,
        "choices": [choice],
    }
    text = json.dumps(chunk, separators=(",", ":"), ensure_ascii=False)
    return b"data: " + text.encode() + b"\n\n"


SAID = st.builds(
    Said,
    thought=THOUGHTS,
    answer=ANSWERS,
    logprobs=st.booleans(),
    sizes=st.lists(st.integers(1, 4), max_size=8),
    calls=st.booleans(),
    finish_reason=st.sampled_from(["stop", "length", "tool_calls", "abort", "repetition"]),
    stop_reason=st.sampled_from([None, "X"]),
)


def view(dialect: Dialect, *, alias: bool = True, hide: bool = False) -> ChatView:
    """Return a view of a request with a known id."""
    return ChatView(Asked("req_7", MODEL, 5, hide), dialect, alias=alias, show_usage=True)


def streamed(said: Said, shows: ChatView) -> list[dict[str, Any]]:
    """Return the events that a client of the stream gets."""
    scan = StreamScan()
    data = shows.events(scan.feed(said.events())) + shows.end(USAGE)
    *events, end, rest = data.split(b"\n\n")
    assert (end, rest) == (b"data: [DONE]", b"")
    return [json.loads(each.removeprefix(b"data: ")) for each in events]


def put_together(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Read a stream as a client does: texts are joined, other fields kept."""
    message: dict[str, Any] = {"content": ""}
    found: dict[str, Any] = {"message": message, "logprobs": []}
    for chunk in events:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for name in ("content", "reasoning", "reasoning_content"):
                if delta.get(name):
                    message[name] = message.get(name, "") + delta[name]
            for detail in delta.get("reasoning_details", []):
                message["details"] = message.get("details", "") + detail["text"]
                assert detail["type"] == "reasoning.text"
            for call in delta.get("tool_calls", []):
                message.setdefault("calls", []).append(call["function"])
            found["logprobs"] += (choice["logprobs"] or {}).get("content") or []
            if choice["finish_reason"]:
                found["reasons"] = [choice.get(name) for name in REASONS]
    return found


def read_whole(answer: dict[str, Any]) -> dict[str, Any]:
    """Bring a whole answer into the same form."""
    [choice] = answer["choices"]
    said = choice["message"]
    message = {"content": said["content"]}
    for name in ("reasoning", "reasoning_content"):
        if said.get(name):
            message[name] = said[name]
    if details := said.get("reasoning_details"):
        message["details"] = "".join(each["text"] for each in details)
    if calls := said.get("tool_calls"):
        message["calls"] = [each["function"] for each in calls]
    reasons = [choice.get(name) for name in REASONS]
    logprobs = (choice["logprobs"] or {"content": []})["content"]
    return {"message": message, "logprobs": logprobs, "reasons": reasons}


def expected(said: Said, dialect: Dialect, alias: bool, hide: bool) -> dict[str, Any]:
    """Work out by hand what a client is to find."""
    message: dict[str, Any] = {"content": "".join(said.answer)}
    thought = "".join(said.thought)
    if thought and not hide:
        message["reasoning"] = thought
        if alias:
            message["reasoning_content"] = thought
        if dialect is OPENROUTER:
            message["details"] = thought
    if said.calls:
        message["calls"] = [CALL]
    tokens = [("content", text) for text in said.answer] if hide else said.tokens
    logprobs = (said.entries(tokens) or {"content": []})["content"]
    shown = {"abort": "error", "repetition": "stop"}.get(said.finish_reason, said.finish_reason)
    native = said.finish_reason if dialect is OPENROUTER else None
    return {"message": message, "logprobs": logprobs, "reasons": [shown, native, said.stop_reason]}


@given(SAID, st.sampled_from(DIALECTS), st.booleans(), st.booleans())
def test_whole_and_streamed_say_what_the_engine_said(said, dialect, alias, hide):
    """Same text, thought, calls, logprobs, reasons and usage; a hidden thought leaks nowhere."""
    events = streamed(said, view(dialect, alias=alias, hide=hide))
    whole = json.loads(view(dialect, alias=alias, hide=hide).whole(said.whole(), USAGE))
    assert read_whole(whole) == expected(said, dialect, alias, hide)
    assert put_together(events) == expected(said, dialect, alias, hide)
    assert events[-1]["usage"] == whole["usage"]
    assert not hide or "θ" not in json.dumps([events, whole], ensure_ascii=False)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.base)
def test_every_event_has_the_answers_head(dialect):
    """One id in the dialect's own form, one model, and OpenRouter's provider."""
    said = Said(["θhm"], ["red"], calls=True)
    whole = json.loads(view(dialect).whole(said.whole(), USAGE))
    prefix, provider = ("gen", "qwen3-vl-serving") if dialect is OPENROUTER else ("chatcmpl", None)
    for each in [*streamed(said, view(dialect)), whole]:
        assert (each["id"], each["model"], each["created"]) == (f"{prefix}-7", MODEL, 5)
        assert each.get("provider") == provider
    assert whole["object"] == "chat.completion"
    assert {each["object"] for each in streamed(said, view(dialect))} == {"chat.completion.chunk"}


@given(st.sampled_from(TRAPS) | st.text())
def test_v1_events_without_a_thought_are_the_engines_bytes(text):
    """What only answers is passed on as it came, but for the id, whatever it looks like."""
    event = _event({"content": text})
    own = event.replace(b'{"id":"chatcmpl-req_7"', b'{"id":"chatcmpl-7"', 1)
    assert view(OPENAI).events(event) == own


def test_hidden_thoughts_take_their_events_with_them():
    """What only thinks is not sent at all; an event that also ends the answer stays."""
    shows = view(OPENAI, hide=True)
    assert shows.events(_event({"reasoning": "θ"}) + _event({"reasoning": "θ"})) == b""
    cut = shows.events(_event({"reasoning": "θ"}, finish_reason="length"))
    assert json.loads(cut.removeprefix(b"data: "))["choices"][0]["finish_reason"] == "length"


def test_usage_in_each_dialect():
    """OpenAI's counts with pictures beside them; OpenRouter's with the cost."""
    whole = json.loads(view(OPENAI).whole(Said([], []).whole(), USAGE))["usage"]
    assert whole == {
        "prompt_tokens": 300,
        "completion_tokens": 20,
        "total_tokens": 320,
        "prompt_tokens_details": {"cached_tokens": 4, "image_tokens": 256},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }
    routed = json.loads(view(OPENROUTER).whole(Said([], []).whole(), USAGE))["usage"]
    assert routed == whole | {
        "cost": pytest.approx(0.043),
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": 0.003,
            "upstream_inference_completions_cost": 0.04,
        },
    }


def test_a_budget_that_ended_the_thought_is_told():
    """The answer is there; that the thought was cut is no secret."""
    hit = Usage(1, 1, reasoning_budget_hit=True)
    usage = json.loads(view(OPENAI).whole(Said([], []).whole(), hit))["usage"]
    assert usage["completion_tokens_details"]["reasoning_budget_hit"] is True


@pytest.mark.parametrize("usage", [None, USAGE])
@pytest.mark.parametrize("shown", [True, False])
def test_the_end_of_a_stream(usage, shown):
    """Usage is an event without choices, where there is any and it was asked for; then the end."""
    shows = ChatView(Asked("req_7", MODEL, 5), OPENAI, alias=True, show_usage=shown)
    *events, end, _ = shows.end(usage).split(b"\n\n")
    assert end == b"data: [DONE]"
    assert [json.loads(each[6:])["choices"] for each in events] == [[]] * bool(usage and shown)


def test_a_broken_stream_ends_in_the_dialects_form():
    """OpenAI's error object; at OpenRouter a chunk whose choice ends by "error"."""
    error = EngineFailed("It broke.")
    own = json.loads(view(OPENAI).error(error).removeprefix(b"data: "))
    assert own == {
        "error": {
            "message": "It broke.", "type": "server_error", "param": None, "code": "engine_error",
        }
    }  # fmt: skip
    routed = json.loads(view(OPENROUTER).error(error).removeprefix(b"data: "))
    assert (routed["id"], routed["object"]) == ("gen-7", "chat.completion.chunk")
    assert routed["choices"][0]["finish_reason"] == "error"
    assert routed["error"]["code"] == 502
    assert routed["error"]["metadata"]["error_type"] == "provider_unavailable"

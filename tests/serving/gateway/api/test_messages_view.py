"""A message, whole and as events: the same however the engine's stream is cut."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.answer import Usage
from serving.gateway.api.messages_view import PING, MessagesView
from serving.gateway.dialect import OPENAI, OPENROUTER, Dialect
from serving.gateway.errors import EngineFailed, GatewayError, Overloaded
from serving.gateway.view import Asked
from tests.fake_engine import delta_event

Json = dict[str, Any]
USAGE = msgspec.convert(
    {
        "prompt_tokens": 11,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    },
    Usage,
)
SHOWN_USAGE = {
    "input_tokens": 7,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 4,
    "output_tokens": 9,
    "output_tokens_details": {"thinking_tokens": 3},
}
TEXTS = st.text(max_size=8) | st.sampled_from(['"', "\\", "\u2028", "data: {}\n\n", "漢🙂", "\n"])
INPUTS = st.dictionaries(TEXTS, TEXTS | st.integers() | st.lists(st.booleans()), max_size=3)


def view(dialect: Dialect = OPENAI, hide: bool = False, omit: bool = False) -> MessagesView:
    asked = Asked("req_abc", "tiny-qwen3-vl", 1, hide_thought=hide)
    return MessagesView(asked, dialect, omit_thought=omit)


def call(index: int, **fields: Any) -> bytes:
    """Write an event with a piece of a call; the first piece has an id and a name."""
    named = {name: fields.pop(name) for name in ("id", "type") if name in fields}
    return delta_event(tool_calls=[{"index": index, **named, "function": fields}])


def begun(index: int) -> bytes:
    return call(index, id=f"call-{index}", type="function", name=f"f{index}")


def streamed(events: list[bytes], shown: MessagesView) -> bytes:
    return b"".join(shown.events(event) for event in events) + shown.end(USAGE)


def parsed(stream: bytes) -> list[Json]:
    """Read a stream's events; each has a name that its data repeats."""
    events = []
    for block in stream.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def message_of(stream: bytes) -> Json:
    """Put a message together as a client does; the order of events is checked on the way."""
    first, *events, ending, last = parsed(stream)
    assert (first["type"], ending["type"], last["type"]) == (
        "message_start",
        "message_delta",
        "message_stop",
    )
    message: Json = first["message"]
    pieces: list[str] = []
    is_open = False
    for event in events:
        match event["type"]:
            case "content_block_start":
                assert not is_open and event["index"] == len(message["content"])
                message["content"].append(event["content_block"])
                pieces, is_open = [], True
            case "content_block_delta":
                assert is_open and event["index"] == len(message["content"]) - 1
                _add(message["content"][-1], event["delta"], pieces)
            case "content_block_stop":
                assert is_open and event["index"] == len(message["content"]) - 1
                is_open = False
    assert not is_open
    return message | ending["delta"] | {"usage": ending["usage"]}


def _add(block: Json, delta: Json, pieces: list[str]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            pieces.append(delta["partial_json"])
            block["input"] = json.loads("".join(pieces))


def whole(shown: MessagesView, finish_reason: str = "stop", **fields: Any) -> Json:
    """Show an engine's whole answer."""
    stop_reason = fields.pop("stop_reason", None)
    message = {"role": "assistant", "content": None, "reasoning": None, **fields}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": finish_reason,
        "stop_reason": stop_reason,
    }
    body = shown.whole(json.dumps({"choices": [choice]}).encode(), USAGE)
    return json.loads(body)  # type: ignore[no-any-return]


def tool_calls(*arguments: str) -> list[Json]:
    return [
        {"id": f"call-{n}", "type": "function", "function": {"name": f"f{n}", "arguments": text}}
        for n, text in enumerate(arguments)
    ]


@given(
    st.lists(TEXTS, max_size=4),
    st.lists(TEXTS, max_size=4),
    st.lists(INPUTS, max_size=3),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_a_stream_is_the_whole_message(
    thoughts: list[str],
    answers: list[str],
    inputs: list[Json],
    hide: bool,
    omit: bool,
    data: st.DataObject,
) -> None:
    """However text and arguments are cut, the events add up to the message sent whole."""
    events = [delta_event(role="assistant", content="")]
    events += [delta_event(reasoning=text) for text in thoughts]
    events += [delta_event(content=text) for text in answers]
    arguments = [json.dumps(each) for each in inputs]
    for index, text in enumerate(arguments):
        cut = data.draw(st.integers(0, len(text)))
        events += begun(index), call(index, arguments=text[:cut]), call(index, arguments=text[cut:])
    reason = "tool_calls" if inputs else "stop"
    events.append(delta_event(finish_reason=reason))
    expected = whole(
        view(hide=hide, omit=omit),
        reason,
        reasoning="".join(thoughts) or None,
        content="".join(answers) or None,
        tool_calls=tool_calls(*arguments),
    )
    assert message_of(streamed(events, view(hide=hide, omit=omit))) == expected
    inputs_shown = [block["input"] for block in expected["content"] if block["type"] == "tool_use"]
    assert inputs_shown == inputs


PIECES = st.one_of(
    TEXTS.map(lambda text: delta_event(content=text)),
    TEXTS.map(lambda text: delta_event(reasoning=text)),
    st.integers(0, 2).map(begun),
    st.tuples(st.integers(0, 2), TEXTS).map(lambda each: call(each[0], arguments=each[1])),
    st.sampled_from([delta_event("length", content=""), delta_event("stop", content="a")]),
)


@given(st.lists(PIECES, max_size=10), st.lists(st.integers(0, 10)), st.booleans(), st.booleans())
def test_any_chunking_gives_the_same_events(
    events: list[bytes], cuts: list[int], hide: bool, omit: bool
) -> None:
    """How many of the engine's events come at once changes nothing, whatever they are."""
    ends = sorted({min(cut, len(events)) for cut in cuts} | {len(events)})
    blocks = [b"".join(events[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    expected = streamed(events, view(hide=hide, omit=omit))
    assert streamed(blocks, view(hide=hide, omit=omit)) == expected
    assert message_of(expected)["content"]


@pytest.mark.parametrize(
    ("hide", "omit", "blocks"),
    [
        pytest.param(
            False,
            False,
            [{"type": "thinking", "thinking": "hm", "signature": "sig_abc"}],
            id="shown",
        ),
        pytest.param(
            False,
            True,
            [{"type": "thinking", "thinking": "", "signature": "sig_abc"}],
            id="omitted",
        ),
        pytest.param(True, False, [], id="hidden"),
    ],
)
def test_the_thought_is_shown_as_asked(hide: bool, omit: bool, blocks: list[Json]) -> None:
    """A thought is a block of its own, an empty one, or none; its tokens count in any case."""
    message = whole(view(hide=hide, omit=omit), reasoning="hm", content="red")
    assert message == {
        "id": "msg_abc",
        "type": "message",
        "role": "assistant",
        "model": "tiny-qwen3-vl",
        "content": [*blocks, {"type": "text", "text": "red"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": SHOWN_USAGE,
    }


def test_a_hidden_thought_is_silence() -> None:
    """After the message's start a thought that is not shown sends nothing, so that pings can."""
    shown = view(hide=True)
    assert parsed(shown.events(delta_event(role="assistant", content="")))
    assert shown.events(delta_event(reasoning="hm")) == b""
    assert parsed(PING) == [{"type": "ping"}]
    assert shown.comment == PING


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        pytest.param('{"city": "Rome"}', {"city": "Rome"}, id="object"),
        pytest.param("", {}, id="nothing"),
        pytest.param(" {} ", {}, id="empty object"),
        pytest.param('{"city": "Ro', {"INVALID_JSON": '{"city": "Ro'}, id="cut short"),
        pytest.param('{"a": 1}, "name": "f"', {"INVALID_JSON": '{"a": 1}, "name": "f"'}, id="more"),
        pytest.param('"Rome"', {"INVALID_JSON": '"Rome"'}, id="text"),
        pytest.param("[1]", {"INVALID_JSON": "[1]"}, id="list"),
        pytest.param("null", {"INVALID_JSON": "null"}, id="null"),
        pytest.param("[" * 9999, {"INVALID_JSON": "[" * 9999}, id="too deep"),
    ],
)
def test_an_input_is_always_an_object(arguments: str, shown: Json) -> None:
    """Arguments that are none are shown as text under a name that says so, streamed too."""
    events = [begun(0), call(0, arguments=arguments), delta_event("tool_calls")]
    block = {"type": "tool_use", "id": "call-0", "name": "f0", "input": shown}
    message = whole(view(), "tool_calls", tool_calls=tool_calls(arguments))
    assert message["content"] == [block]
    assert message["stop_reason"] == "tool_use"
    assert message_of(streamed(events, view())) == message


@pytest.mark.parametrize(
    ("reason", "stop", "arguments", "expected"),
    [
        pytest.param("stop", None, None, ("end_turn", None), id="stop"),
        pytest.param("repetition", None, None, ("end_turn", None), id="repetition"),
        pytest.param("stop", 151643, None, ("end_turn", None), id="stop token"),
        pytest.param("stop", "END", None, ("stop_sequence", "END"), id="stop text"),
        pytest.param("length", None, None, ("max_tokens", None), id="length"),
        pytest.param("length", None, '{"a"', ("max_tokens", None), id="length in a call"),
        pytest.param("tool_calls", None, "{}", ("tool_use", None), id="call"),
        pytest.param("stop", None, "{}", ("tool_use", None), id="named call"),
        pytest.param("tool_calls", "END", "{}", ("tool_use", None), id="stop text after a call"),
        pytest.param("stop", "END", '{"a"', ("stop_sequence", "END"), id="stop text in a call"),
        pytest.param("content_filter", None, None, ("refusal", None), id="filter"),
    ],
)
def test_stop_reasons_are_anthropics(
    reason: str, stop: Any, arguments: str | None, expected: tuple[str, str | None]
) -> None:
    """Each way of the engine's to end has Anthropic's word, whole and streamed."""
    called = [] if arguments is None else tool_calls(arguments)
    events = [begun(0), call(0, arguments=arguments)] if called else [delta_event(content="a")]
    ending = json.loads(delta_event(reason).removeprefix(b"data: "))
    ending["choices"][0]["stop_reason"] = stop
    events.append(b"data: " + json.dumps(ending).encode() + b"\n\n")
    content = None if called else "a"
    message = whole(view(), reason, stop_reason=stop, content=content, tool_calls=called)
    assert (message["stop_reason"], message["stop_sequence"]) == expected
    assert message_of(streamed(events, view())) == message


def test_nothing_said_is_an_empty_text() -> None:
    """A client that reads content[0].text finds some, when only a hidden thought came."""
    events = [delta_event(reasoning="hm"), delta_event("length")]
    message = whole(view(hide=True), "length", reasoning="hm")
    assert message["content"] == [{"type": "text", "text": ""}]
    assert message_of(streamed(events, view(hide=True))) == message


def test_openrouters_messages_have_a_price() -> None:
    """Under OpenRouter's path usage says what it cost; a budget that was hit is said everywhere."""
    usage = msgspec.structs.replace(
        USAGE, prompt_cost=0.25, completion_cost=0.5, reasoning_budget_hit=True
    )
    costs = {
        "cost": 0.75,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": 0.25,
            "upstream_inference_completions_cost": 0.5,
        },
    }
    hit = {"output_tokens_details": {"thinking_tokens": 3, "reasoning_budget_hit": True}}
    for dialect, more in ((OPENAI, {}), (OPENROUTER, costs)):
        shown = view(dialect)
        stream = shown.events(delta_event("stop", content="a")) + shown.end(usage)
        assert message_of(stream)["usage"] == SHOWN_USAGE | hit | more


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(Overloaded("Busy."), "rate_limit_error", id="busy"),
        pytest.param(EngineFailed("Broken."), "api_error", id="broken"),
    ],
)
def test_a_broken_stream_ends_with_an_error_event(error: GatewayError, kind: str) -> None:
    """The event has the name and the form that Anthropic's client turns into an exception."""
    [event] = parsed(view().error(error))
    assert event["error"]["type"] == kind
    assert event["error"]["message"] == error.message
    assert event["request_id"] == "req_abc"

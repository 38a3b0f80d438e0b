"""A response as events: the same however the engine's stream is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.dialect import OPENAI, OPENROUTER, Dialect
from serving.gateway.errors import (
    BadRequest,
    EngineFailed,
    GatewayError,
    Overloaded,
    ShuttingDown,
)
from tests.fake_engine import delta_event
from tests.serving.gateway.api.responses_world import (
    EVENTS,
    OPENROUTER_EVENTS,
    TEXTS,
    begun,
    call,
    parsed,
    response_of,
    streamed,
    tool_calls,
    view,
    whole,
    words_of,
)


@given(
    st.lists(TEXTS, max_size=4),
    st.lists(TEXTS, max_size=4),
    st.lists(TEXTS, max_size=3),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_a_stream_is_the_whole_response(
    thoughts: list[str],
    answers: list[str],
    arguments: list[str],
    hide: bool,
    cut: bool,
    data: st.DataObject,
) -> None:
    """However text and arguments are cut, the events add up to the response sent whole."""
    events = [delta_event(role="assistant", content="")]
    events += [delta_event(reasoning=text) for text in thoughts]
    events += [delta_event(content=text) for text in answers]
    for index, text in enumerate(arguments):
        at = data.draw(st.integers(0, len(text)))
        events += begun(index), call(index, arguments=text[:at]), call(index, arguments=text[at:])
    reason = "length" if cut else "tool_calls" if arguments else "stop"
    events.append(delta_event(finish_reason=reason))
    expected = whole(
        view(hide=hide),
        reason,
        reasoning="".join(thoughts) or None,
        content="".join(answers) or None,
        tool_calls=tool_calls(*arguments),
    )
    shown = response_of(streamed(events, view(hide=hide)))
    assert shown | {"completed_at": 0} == expected | {"completed_at": 0}
    said = {"reasoning": "" if hide else "".join(thoughts), "message": "".join(answers)}
    for item in shown["output"]:
        if item["type"] != "function_call":
            assert words_of(item) == said[item["type"]]
    called = [item["arguments"] for item in shown["output"] if item["type"] == "function_call"]
    assert called == arguments


PIECES = st.one_of(
    TEXTS.map(lambda text: delta_event(content=text)),
    TEXTS.map(lambda text: delta_event(reasoning=text)),
    st.integers(0, 2).map(begun),
    st.tuples(st.integers(0, 2), TEXTS).map(lambda each: call(each[0], arguments=each[1])),
    st.sampled_from([delta_event("length", content=""), delta_event("stop", content="a")]),
)


@given(st.lists(PIECES, max_size=10), st.lists(st.integers(0, 10)), st.booleans())
def test_any_chunking_gives_the_same_events(
    events: list[bytes], cuts: list[int], hide: bool
) -> None:
    """How many of the engine's events come at once changes nothing, whatever they are."""
    ends = sorted({min(cut, len(events)) for cut in cuts} | {len(events)})
    blocks = [b"".join(events[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    one_by_one = parsed(streamed(events, view(hide=hide)))
    together = streamed(blocks, view(hide=hide))
    assert parsed(together)[:-1] == one_by_one[:-1]
    assert response_of(together)["output"] == one_by_one[-1]["response"]["output"]


@pytest.mark.parametrize("dialect", [OPENAI, OPENROUTER], ids=["v1", "api/v1"])
def test_events_are_as_the_clients_types_say(dialect: Dialect) -> None:
    """Every event of a thought, a message and a call is valid for both clients."""
    events = [
        delta_event(reasoning="hm"),
        delta_event(content="red"),
        begun(0),
        call(0, arguments="{}"),
        delta_event("tool_calls"),
    ]
    tool = {"type": "function", "name": "f0", "parameters": None}
    shown = view(dialect, tools=[tool], tool_choice={"type": "function", "name": "f0"})
    stream = streamed(events, shown).removesuffix(b"data: [DONE]\n\n")
    kinds = set()
    for each in parsed(stream):
        valid = EVENTS.validate_python(each)
        assert valid.type == each["type"]
        known = OPENROUTER_EVENTS.validate_python(each)
        assert not getattr(known, "is_unknown", False)
        kinds.add(each["type"].removeprefix("response."))
    assert kinds == {
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "output_text.delta",
        "output_text.done",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "content_part.done",
        "output_item.done",
        "completed",
    }


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        pytest.param(Overloaded("Busy."), "rate_limit_exceeded", "rate_limit_exceeded", id="busy"),
        pytest.param(EngineFailed("Broken."), "server_error", "provider_unavailable", id="broken"),
        pytest.param(ShuttingDown("Bye."), "server_error", "provider_overloaded", id="shutdown"),
        pytest.param(BadRequest("No."), "invalid_prompt", "invalid_request", id="refused"),
    ],
)
def test_a_broken_stream_ends_as_failed(error: GatewayError, code: str, kind: str) -> None:
    """The last event has what was said, and why there is no more; OpenRouter's has its type."""
    for dialect, more in ((OPENAI, {}), (OPENROUTER, {"error_type": kind})):
        shown = view(dialect)
        begin = shown.events(delta_event(reasoning="hm") + delta_event(content="r"))
        *_, last = parsed(begin + shown.error(error))
        assert last["type"] == "response.failed"
        response = last["response"]
        assert (response["status"], response["completed_at"]) == ("failed", None)
        assert response["error"] == {"code": code, "message": error.message}
        assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]
        assert words_of(response["output"][-1]) == "r"
        assert {n: response[n] for n in ("error_type",) if n in response} == more
        EVENTS.validate_python(last)


def test_a_failure_before_the_first_event_is_a_whole_stream() -> None:
    """A client that has only seen comments learns which response failed."""
    kinds = [each["type"] for each in parsed(view().error(EngineFailed("Broken.")))]
    assert kinds == ["response.created", "response.in_progress", "response.failed"]

"""Streams and faults over real sockets, whose order the engine's script and records tell."""

import json
import socket

import pytest

from tests.fake_engine import (
    DONE,
    UNARY,
    WAIT_SECONDS,
    answer_events,
    delta_event,
    raw,
    refusal,
    slow_first_byte,
    stall,
    stream,
    usage_event,
    whole,
)

# With this id the fake engine's events have the id that clients see.
OWN_ID = {"x-request-id": "1"}


def events_of(body: bytes) -> list[bytes]:
    """Split a stream into its events."""
    return [event + b"\n\n" for event in body.split(b"\n\n") if event]


def last_error(body: bytes) -> dict[str, object]:
    """Return the error object of the last event."""
    return json.loads(events_of(body)[-1].removeprefix(b"data: "))["error"]


def open_stream(gateway, **fields) -> socket.socket:
    """Send a streamed chat request by hand and return its socket."""
    chat = {"messages": [{"role": "user", "content": "hi"}], "stream": True, **fields}
    body = json.dumps(chat).encode()
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_SECONDS)
    connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
        + body
    )
    return connection


@pytest.mark.parametrize(
    ("path", "options", "shown"),
    [
        pytest.param("/v1", {}, False, id="v1 not asked"),
        pytest.param("/v1", {"include_usage": False}, False, id="v1 refused"),
        pytest.param("/v1", {"include_usage": True}, True, id="v1 asked"),
        pytest.param("/api/v1", {}, True, id="api/v1 always"),
    ],
)
def test_usage_is_always_asked_for_and_shown_to_whom_it_is_due(
    engine, gateway, path, options, shown
):
    """One event without choices before the end, or none."""
    answer = gateway.chat(path=f"{path}/chat/completions", stream=True, stream_options=options)
    *events, end = events_of(answer.body)
    usages = [json.loads(event[6:]).get("usage") for event in events]
    assert end == DONE
    assert [bool(usage) for usage in usages] == [False] * 7 + [True] * shown
    assert not shown or usages[-1]["total_tokens"] == 16
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert engine.last().json["stream_options"] == {"include_usage": True}


def test_without_an_older_name_the_events_are_the_engines_bytes(engine, start_gateway):
    """Nothing is decoded, changed or put together again on the way."""
    gateway = start_gateway(reasoning_content=False)
    answer = gateway.chat(OWN_ID, stream=True)
    assert answer.body == b"".join(answer_events()).replace(usage_event(), b"")


@pytest.mark.parametrize("text", ["\u2028", "\x85", "ü漢🙂", 'data: [DONE]\\n\\n"usage":{'])
def test_unusual_characters_pass_unharmed(engine, gateway, text):
    """No character is a line end or a marker but those of the protocol."""
    engine.play(stream([delta_event(content=text), DONE]))
    body = gateway.chat(stream=True).body
    first = json.loads(events_of(body)[0].removeprefix(b"data: "))
    assert first["choices"][0]["delta"]["content"] == text


def test_characters_cut_between_chunks_arrive_whole(engine, gateway):
    """The engine may cut anywhere, within a character too."""
    data = b"".join(answer_events(thought="", answer="漢字🙂"))
    engine.play(stream([data[at : at + 1] for at in range(len(data))]))
    answer = gateway.chat(OWN_ID, stream=True)
    assert answer.body == data.replace(usage_event(), b"")


def test_events_are_passed_on_when_they_come(engine, gateway):
    """An event is at the client before the engine sends the next one."""
    engine.play(stall(answer_events()[:2]))
    received = b""
    with open_stream(gateway) as connection:
        while b'"reasoning":"h"' not in received:
            received += connection.recv(65536) or pytest.fail("the stream ended")


@pytest.mark.parametrize("streamed", [True, False])
def test_hanging_up_cancels_the_engines_request(engine, start_gateway, wait_for, streamed):
    """The engine loses its client at once when the client of the gateway leaves."""
    gateway = start_gateway()
    engine.play(stall([delta_event(content="a")]))
    connection = open_stream(gateway, stream=streamed)
    if streamed:
        connection.recv(65536)
    request = engine.last()
    connection.close()
    assert request.hung_up.wait(WAIT_SECONDS)
    outcome = 'gateway_requests_total{outcome="client_gone",route="chat_completions"}'
    wait_for(lambda: gateway.metric(outcome) == 1)


@pytest.mark.parametrize(
    ("script", "verdict", "said"),
    [
        pytest.param(
            refusal(400, "bad temperature", "temperature"),
            (400, "invalid_value"),
            "bad temperature",
            id="400",
        ),
        pytest.param(refusal(422, "no such picture"), (422, None), "no such picture", id="422"),
        pytest.param(
            refusal(400, "This model's maximum context length is 9"),
            (400, "context_length_exceeded"),
            "length is 9",
            id="context",
        ),
        pytest.param(
            refusal(503, "The engine is currently busy and"),
            (429, "engine_overloaded"),
            "busy",
            id="queue full",
        ),
        pytest.param(
            refusal(503, "EngineCore died"),
            (503, "engine_unavailable"),
            "restarting",
            id="engine dead",
        ),
        pytest.param(refusal(500, "oops"), (502, "engine_error"), "status 500", id="500"),
        pytest.param(whole(b"<html>"), (502, "engine_error"), "not a JSON", id="garbage body"),
        pytest.param(whole(b"{,}"), (502, "engine_error"), "cannot be read", id="no JSON"),
        pytest.param(
            whole(b'{"choices":5}'), (502, "engine_error"), "cannot be read", id="other JSON"
        ),
        pytest.param(
            whole(UNARY.replace(b"red", b"\xff")),
            (502, "engine_error"),
            "cannot be read",
            id="bytes",
        ),
        pytest.param(
            raw(b"garbage\r\n\r\n"), (502, "engine_error"), "not HTTP", id="garbage protocol"
        ),
        pytest.param(
            raw(b""), (503, "engine_unavailable"), "starting or restarting", id="closed at once"
        ),
        pytest.param(
            raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"),
            (502, "engine_error"),
            "broke off",
            id="cut short",
        ),
    ],
)
def test_engine_errors_have_their_code_and_sentence(engine, gateway, script, verdict, said):
    """Every failure of the engine before an answer has its status, code and sentence."""
    engine.play(script)
    answer = gateway.chat()
    assert (answer.status, answer.error["code"]) == verdict
    assert said in answer.error["message"]
    assert ("retry-after" in answer.headers) == (answer.status in {429, 503})


def test_engine_refusal_keeps_the_field(engine, gateway):
    """The field the engine named is named to the client."""
    engine.play(refusal(400, "bad", "temperature"))
    assert gateway.chat().error["param"] == "temperature"


BROKEN = (
    b'data: {"error":{"message":"oops","type":"InternalServerError","param":null,"code":500}}\n\n'
)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param(stream([delta_event(content="a")], end=False), "engine_error", id="reset"),
        pytest.param(stream([delta_event(content="a")]), "engine_error", id="no end"),
        pytest.param(
            stream([delta_event(content="a"), b'data: {"x": "\xe6\xbc']),
            "engine_error",
            id="truncated UTF-8",
        ),
        pytest.param(
            stream([delta_event(content="a"), BROKEN, DONE]), "engine_error", id="error event"
        ),
        pytest.param(stall([delta_event(content="a")]), "engine_timeout", id="stall"),
    ],
)
def test_a_broken_stream_ends_with_one_error_event(engine, start_gateway, script, code):
    """What came before stays, one error event follows, and no [DONE]."""
    gateway = start_gateway(idle_timeout_seconds=2 if code == "engine_timeout" else 120)
    engine.play(script)
    answer = gateway.chat(OWN_ID, stream=True)
    assert answer.status == 200
    assert events_of(answer.body)[:-1] == [delta_event(content="a")]
    assert last_error(answer.body)["code"] == code


def test_openrouters_clients_get_a_last_choice_that_says_error(engine, gateway):
    """What came before stays; the error stands in a chunk of the same answer."""
    engine.play(stream([delta_event(content="a"), BROKEN, DONE]))
    answer = gateway.chat(path="/api/v1/chat/completions", stream=True)
    first, last = [json.loads(event[6:]) for event in events_of(answer.body)]
    assert first["choices"][0]["delta"]["content"] == "a"
    assert (last["id"], last["object"]) == (first["id"], first["object"])
    assert last["choices"][0]["finish_reason"] == "error"
    assert (last["error"]["code"], "oops" in last["error"]["message"]) == (502, False)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([BROKEN, DONE], id="error event"),
        pytest.param([], id="no end"),
        pytest.param([b'data: {"choices":[{"index":0,\xff}]}\n\n'], id="bytes"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_broken_answer_with_stop_texts_is_the_engines_fault(engine, gateway, events, streamed):
    """Where the gateway reads the events itself, garbage is no fault of its own."""
    engine.play(stream([delta_event(content="a"), *events]))
    answer = gateway.chat(stream=streamed, stop="x")
    assert answer.status in ({200, 502} if streamed else {502}), "event, or status if none was sent"
    assert last_error(answer.body)["code"] == "engine_error"


def test_an_error_before_the_first_event_is_a_status(engine, gateway):
    """A stream that starts with an error never was one."""
    engine.play(stream([BROKEN, DONE]))
    answer = gateway.chat(stream=True)
    assert (answer.status, answer.error["code"]) == (502, "engine_error")


@pytest.mark.parametrize("streamed", [True, False])
def test_a_silent_engine_is_a_timeout_naming_the_phase(engine, start_gateway, streamed):
    """An engine that reports no work and says nothing is given up."""
    gateway = start_gateway(idle_timeout_seconds=0.4)
    engine.play(slow_first_byte(30, stream(answer_events())))
    answer = gateway.chat(stream=streamed)
    assert (answer.status, answer.error["code"]) == (504, "engine_timeout")
    assert "first byte" in answer.error["message"]
    assert engine.last().hung_up.wait(WAIT_SECONDS)


def test_a_working_engine_is_waited_for(engine, start_gateway):
    """A whole answer may take longer than the idle limit while the engine computes."""
    engine.works = True
    gateway = start_gateway(idle_timeout_seconds=3)
    gateway.wait_ready()
    engine.play(slow_first_byte(4, whole(UNARY)))
    assert gateway.chat().status == 200


def test_no_engine_is_503_until_it_comes_and_comes_again(engine, start_gateway):
    """The gateway needs no restart to find an engine that comes later, or again."""
    engine.stop()
    gateway = start_gateway()
    for _ in range(2):
        answer = gateway.chat(stream=True)
        assert (answer.status, answer.error["code"]) == (503, "engine_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        engine.start()
        assert gateway.chat(stream=True).status == 200
        engine.stop()


def test_a_reader_that_stalls_is_cut_off(engine, start_gateway, wait_for, caplog):
    """Unread bytes are bounded, their reader loses the connection, and no fault is logged."""
    event = delta_event(content="x" * 100_000)
    engine.play(stream([event] * 200 + [DONE]))
    gateway = start_gateway(stalled_reader_seconds=1, stream_buffer_bytes=65_536)
    with open_stream(gateway) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = engine.last()
        assert request.hung_up.wait(WAIT_SECONDS)
    assert sum(len(data) for _, data in request.sent) < 15_000_000
    outcome = 'gateway_requests_total{outcome="reader_stalled",route="chat_completions"}'
    wait_for(lambda: gateway.metric(outcome) == 1)
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []

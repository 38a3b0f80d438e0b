"""Every way in which an answer can fail has an outcome of its own."""

import threading
import time

import pytest

from loadtests.client.chat import ChatClient, Exchange, Limits
from loadtests.endpoint import parse_url
from loadtests.outcome import Outcome

IMPATIENT = Limits(silence_seconds=0.4)
HURRIED = Limits(request_seconds=0.6)


def error_event(stream):
    stream.head()
    stream.event(reasoning="hm")
    stream.chunk(b'data: {"error": {"message": "engine died", "code": 500}}\n\n')
    stream.finish()


def cut_in_a_chunk(stream):
    stream.head()
    stream.event(content="19")
    stream.raw(b"ff\r\ndata: {")
    stream.cut()


def cut_between_chunks(stream):
    stream.head()
    stream.event(content="19")
    stream.cut()


def reset_by_peer(stream):
    stream.head()
    stream.event(content="19")
    time.sleep(0.1)
    stream.reset()


def ended_without_done(stream):
    stream.head()
    stream.event(content="19")
    stream.raw(b"0\r\n\r\n")


def truncated_in_thinking(stream):
    stream.head()
    stream.event(reasoning="hm")
    stream.finish("length", completion_tokens=1)


def blank_answer(stream):
    stream.head()
    stream.event(reasoning="hm")
    stream.event(content="\n\n")
    stream.finish()


def garbage_event(stream):
    stream.head()
    stream.chunk(b"data: <html>\n\n")


def finished_in_error(stream):
    stream.head()
    stream.event(content="19")
    stream.finish("error")


def not_text(stream):
    stream.head()
    stream.chunk(b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n')


def deep_event(stream):
    stream.head()
    stream.chunk(b'data: {"x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}\n\n")


def deep_error(stream):
    body = b"[" * 20_000 + b"]" * 20_000
    stream.raw(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def broken_chunk(stream):
    stream.head()
    stream.raw(b"chunk\r\n")


def wrong_shape(stream):
    stream.head()
    stream.chunk(b'data: {"choices": 5}\n\n')


def endless_event(stream):
    stream.head()
    for _ in range(40):
        stream.chunk(b"data: " + b"x" * 65536)


def plain_json(stream):
    stream.json(200, {"choices": []})


def server_error(stream):
    stream.json(500, {"error": {"message": "out of memory"}})


def server_error_as_text(stream):
    stream.raw(b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy")


def not_http(stream):
    stream.raw(b"SSH-2.0-OpenSSH_9.6\r\n")
    stream.cut()


def gone_before_the_header(stream):
    stream.cut()


def silent(stream):
    stream.head()
    stream.until_client_leaves()


def endless_comments(stream):
    stream.head()
    while True:
        stream.chunk(b": still here\n\n")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("script", "outcome", "detail", "limits"),
    [
        pytest.param(error_event, Outcome.STREAM_ERROR, "engine died", None, id="error event"),
        pytest.param(cut_in_a_chunk, Outcome.CUT_STREAM, "", None, id="cut in a chunk"),
        pytest.param(cut_between_chunks, Outcome.CUT_STREAM, "", None, id="cut between chunks"),
        pytest.param(reset_by_peer, Outcome.CUT_STREAM, "reset", None, id="reset"),
        pytest.param(ended_without_done, Outcome.CUT_STREAM, "[DONE]", None, id="no [DONE]"),
        pytest.param(gone_before_the_header, Outcome.CUT_STREAM, "", None, id="no response"),
        pytest.param(not_http, Outcome.CUT_STREAM, "SSH", None, id="not HTTP"),
        pytest.param(truncated_in_thinking, Outcome.NO_ANSWER, "", None, id="thought alone"),
        pytest.param(blank_answer, Outcome.NO_ANSWER, "", None, id="blank answer"),
        pytest.param(garbage_event, Outcome.STREAM_ERROR, "<html>", None, id="not JSON"),
        pytest.param(not_text, Outcome.STREAM_ERROR, "not a chat chunk", None, id="not UTF-8"),
        pytest.param(finished_in_error, Outcome.STREAM_ERROR, "'error'", None, id="finish reason"),
        pytest.param(deep_event, Outcome.STREAM_ERROR, "not a chat chunk", None, id="deep event"),
        pytest.param(deep_error, Outcome.HTTP_ERROR, "[[[", None, id="deep error"),
        pytest.param(broken_chunk, Outcome.CUT_STREAM, "chunk size", None, id="broken framing"),
        pytest.param(wrong_shape, Outcome.STREAM_ERROR, "not a chat chunk", None, id="wrong shape"),
        pytest.param(endless_event, Outcome.STREAM_ERROR, "1 MiB", None, id="endless event"),
        pytest.param(plain_json, Outcome.STREAM_ERROR, "application/json", None, id="not a stream"),
        pytest.param(server_error, Outcome.HTTP_ERROR, "out of memory", None, id="HTTP 500"),
        pytest.param(server_error_as_text, Outcome.HTTP_ERROR, "busy", None, id="HTTP 503 as text"),
        pytest.param(silent, Outcome.TIMEOUT, "not a byte for 0.4 s", IMPATIENT, id="silence"),
        pytest.param(endless_comments, Outcome.TIMEOUT, "0.6 s in all", HURRIED, id="too long"),
    ],
)
def test_each_failure_has_its_own_outcome(server, script, outcome, detail, limits):
    """A failure is never an answer, whatever came before it."""
    server.script = script
    client, exchange = ChatClient(parse_url(server.url), limits), Exchange()
    client.ask(b'{"stream": true}', exchange)
    client.close()
    assert exchange.outcome is outcome
    assert detail in exchange.detail
    assert exchange.done >= exchange.sent


def asked(server, key=None):
    """Ask once and return what came of it."""
    client, exchange = ChatClient(parse_url(server.url, key)), Exchange()
    client.ask(b'{"stream": true}', exchange)
    client.close()
    return exchange


def test_an_error_of_null_is_none(server):
    """Some endpoints say in every event that there is no error."""

    def script(stream):
        stream.head()
        stream.chunk(b'data: {"choices": [{"delta": {"content": "19"}}], "error": null}\n\n')
        stream.finish()

    server.script = script
    assert asked(server).outcome is Outcome.ANSWERED


@pytest.mark.parametrize("before", ["", "x" * 290])
def test_a_key_that_the_server_repeats_is_not_kept(server, before):
    """Not in whole, nor in part where the reason is cut short."""
    server.script = lambda stream: stream.json(401, {"error": {"message": f"{before} sk-canary!"}})
    exchange = asked(server, key="sk-canary")
    assert exchange.outcome is Outcome.HTTP_ERROR
    assert exchange.detail == f"{before} ***!".strip()[:300]


def test_a_body_that_does_not_end_costs_the_connection_alone(server):
    """Its trailer drips on for longer than the end of a body is awaited."""
    gone = threading.Event()

    def script(stream):
        stream.head()
        stream.event(content="19")
        stream.raw(b"e\r\ndata: [DONE]\n\n\r\n0\r\n")
        try:
            while not gone.wait(0.05):
                stream.raw(b"a: b\r\n")
        except OSError:
            gone.set()

    server.script = script
    threading.Timer(10, gone.set).start()
    assert asked(server).outcome is Outcome.ANSWERED
    assert not gone.is_set(), "the client left first"
    gone.set()

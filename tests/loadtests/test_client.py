"""The ruler against a server that knows when it sent what."""

import time

import pytest

from loadtests.client import ChatClient, Exchange, Limits, Outcome
from loadtests.endpoint import parse_url

BODY = b'{"stream": true}'
# How much later than the server's own record the client may see an event, on a busy machine.
LATENESS_SECONDS = 0.15
GAP_SECONDS = 0.4
SHORT = Limits(connect_seconds=2, silence_seconds=0.4, request_seconds=0.6)


def ask(server, limits=None):
    """Send one request by a client of its own."""
    client, exchange = ChatClient(parse_url(server.url), limits), Exchange()
    client.ask(BODY, exchange)
    client.close()
    return exchange


def assert_just_after(seen, sent):
    """Assert that the client saw at `seen` what the server sent at `sent`."""
    assert seen is not None
    assert sent <= seen <= sent + LATENESS_SECONDS


def slow_thinker(stream):
    """Pause before the header, the thought and the answer."""
    time.sleep(GAP_SECONDS)
    stream.head()
    stream.event("role", role="assistant", content="")
    time.sleep(GAP_SECONDS)
    stream.event("thought", reasoning="hm")
    time.sleep(GAP_SECONDS)
    stream.event("answer", content="19")
    time.sleep(GAP_SECONDS)
    stream.event("last", content=".")
    stream.finish(completion_tokens=4)


def test_times_agree_with_the_servers_record(server):
    """Every time is the server's time of sending, and a slow server is seen slow."""
    server.script = slow_thinker
    exchange = ask(server)
    assert exchange.outcome is Outcome.ANSWERED
    assert_just_after(exchange.first_byte, server.sent.time_of("head"))
    assert_just_after(exchange.first_token, server.sent.time_of("thought"))
    assert_just_after(exchange.first_reasoning, server.sent.time_of("thought"))
    assert_just_after(exchange.first_answer, server.sent.time_of("answer"))
    assert_just_after(exchange.last_token, server.sent.time_of("last"))
    assert_just_after(exchange.done, server.sent.time_of("finish"))
    assert exchange.first_token - exchange.sent >= 2 * GAP_SECONDS
    assert exchange.first_answer - exchange.sent >= 3 * GAP_SECONDS


def test_small_events_are_seen_one_by_one(server):
    """The first of many small events is seen at once, not when some buffer is full."""

    def drip(stream):
        stream.head()
        for _ in range(40):
            stream.event("token", content="a")
            time.sleep(0.02)
        stream.finish()

    server.script = drip
    exchange = ask(server)
    assert exchange.fragments == 40
    assert_just_after(exchange.first_answer, server.sent.time_of("token"))
    assert_just_after(exchange.last_token, server.sent.last_time_of("token"))


def test_an_event_in_two_chunks_counts_when_it_is_whole(server):
    """An event that is cut anywhere has the time of its last part."""

    def halves(stream):
        stream.head()
        stream.chunk(b'data: {"choices": [{"delta": {"cont', "first half")
        time.sleep(GAP_SECONDS)
        stream.chunk(b'ent": "19"}}]}\n\n', "second half")
        stream.finish()

    server.script = halves
    exchange = ask(server)
    assert_just_after(exchange.first_answer, server.sent.time_of("second half"))


def test_usage_and_model_come_from_the_server(server):
    """Counts are the server's, never the client's number of fragments."""
    exchange = ask(server)
    assert exchange.usage["completion_tokens"] == 5
    assert exchange.usage["completion_tokens_details"] == {"reasoning_tokens": 3}
    assert exchange.model == "scripted"
    assert exchange.finish_reason == "stop"
    assert exchange.fragments == 2


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
    time.sleep(1)
    stream.cut()


def endless_comments(stream):
    stream.head()
    for _ in range(20):
        stream.chunk(b": still here\n\n")
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("script", "outcome", "detail"),
    [
        pytest.param(error_event, Outcome.STREAM_ERROR, "engine died", id="error event"),
        pytest.param(cut_in_a_chunk, Outcome.CUT_STREAM, "", id="cut in a chunk"),
        pytest.param(cut_between_chunks, Outcome.CUT_STREAM, "", id="cut between chunks"),
        pytest.param(reset_by_peer, Outcome.CUT_STREAM, "reset", id="reset"),
        pytest.param(ended_without_done, Outcome.CUT_STREAM, "[DONE]", id="no [DONE]"),
        pytest.param(gone_before_the_header, Outcome.CUT_STREAM, "", id="no response"),
        pytest.param(not_http, Outcome.CUT_STREAM, "SSH", id="not HTTP"),
        pytest.param(truncated_in_thinking, Outcome.NO_ANSWER, "", id="thought alone"),
        pytest.param(blank_answer, Outcome.NO_ANSWER, "", id="blank answer"),
        pytest.param(garbage_event, Outcome.STREAM_ERROR, "<html>", id="not JSON"),
        pytest.param(wrong_shape, Outcome.STREAM_ERROR, "not a chat chunk", id="wrong shape"),
        pytest.param(endless_event, Outcome.STREAM_ERROR, "1 MiB", id="endless event"),
        pytest.param(plain_json, Outcome.STREAM_ERROR, "application/json", id="not a stream"),
        pytest.param(server_error, Outcome.HTTP_ERROR, "out of memory", id="HTTP 500"),
        pytest.param(server_error_as_text, Outcome.HTTP_ERROR, "busy", id="HTTP 503 as text"),
        pytest.param(silent, Outcome.TIMEOUT, "not a byte for 0.4 s", id="silence"),
        pytest.param(endless_comments, Outcome.TIMEOUT, "0.6 s in all", id="too long"),
    ],
)
def test_each_failure_has_its_own_outcome(server, script, outcome, detail):
    """A failure is never an answer, whatever came before it."""
    server.script = script
    exchange = ask(server, SHORT)
    assert exchange.outcome is outcome
    assert detail in exchange.detail
    assert exchange.done >= exchange.sent


def test_nothing_listening_is_no_connection(unused_url):
    """A refused connection is told apart from a broken one."""
    exchange = Exchange()
    ChatClient(parse_url(unused_url)).ask(BODY, exchange)
    assert exchange.outcome is Outcome.NO_CONNECTION
    assert exchange.status is None


def test_answers_share_a_connection_and_failures_do_not(server):
    """The connection is kept after an answer and replaced after a failure."""
    client = ChatClient(parse_url(server.url))
    scripts = [server.script, server.script, error_event, server.script]
    outcomes, connections = [], []
    for script in scripts:
        server.script = script
        exchange = Exchange()
        client.ask(BODY, exchange)
        outcomes.append(exchange.outcome)
        connections.append(server.sent.connections)
    client.close()
    answered, failed = Outcome.ANSWERED, Outcome.STREAM_ERROR
    assert outcomes == [answered, answered, failed, answered]
    assert connections == [1, 1, 1, 2]


def test_an_interrupted_exchange_stays_unfinished(server):
    """What ends the client from outside passes through, and what was seen so far is kept."""

    class Interrupt(BaseException):
        pass

    class Interrupted(Exchange):
        def observe(self, event, now):
            super().observe(event, now)
            raise Interrupt

    exchange = Interrupted()
    client = ChatClient(parse_url(server.url))
    with pytest.raises(Interrupt):
        client.ask(BODY, exchange)
    assert exchange.outcome is Outcome.UNFINISHED
    assert exchange.model == "scripted"


def test_the_key_is_sent_and_not_shown(server):
    """The key goes into the header and into no representation."""
    endpoint = parse_url(server.url, "sk-canary")
    client, exchange = ChatClient(endpoint), Exchange()
    client.ask(BODY, exchange)
    client.close()
    assert "Authorization: Bearer sk-canary" in server.sent.headers
    assert "canary" not in repr(endpoint) + repr(exchange)

"""The ruler against a server that knows when it sent what."""

import time

import pytest

from loadtests.client import ChatClient, Exchange, Limits, Outcome
from loadtests.endpoint import parse_url
from tests.loadtests.conftest import WAIT_SECONDS

BODY = b'{"stream": true}'
GAP_SECONDS = 0.05
IMPATIENT = Limits(silence_seconds=0.4)
HURRIED = Limits(request_seconds=0.6)


def ask(server, limits=None, exchange=None):
    """Send one request by a client of its own."""
    client, exchange = ChatClient(parse_url(server.url), limits), exchange or Exchange()
    client.ask(BODY, exchange)
    client.close()
    return exchange


class Watched(Exchange):
    """An exchange of which the server knows when the client saw something."""

    def moment_of(self, fact):
        """Wait until a fact about the exchange holds, and return when that was noticed."""
        give_up = time.monotonic() + WAIT_SECONDS
        while not fact(self) and time.monotonic() < give_up:
            time.sleep(0.001)
        return time.perf_counter()


def test_times_agree_with_the_servers_record(server):
    """A time lies between the sending and what the server did next; a slow server is seen slow."""
    exchange, noticed = Watched(), {}

    def slow_thinker(stream):
        time.sleep(GAP_SECONDS)
        stream.head()
        noticed["head"] = exchange.moment_of(lambda e: e.first_byte is not None)
        stream.event("role", role="assistant", content="")
        time.sleep(GAP_SECONDS)
        for number, (label, delta) in enumerate(
            (
                ("thought", {"reasoning": "hm"}),
                ("answer", {"content": "19"}),
                ("last", {"content": "."}),
            ),
            start=1,
        ):
            stream.event(label, **delta)
            noticed[label] = exchange.moment_of(lambda e, number=number: e.fragments == number)
            time.sleep(GAP_SECONDS)
        stream.finish(completion_tokens=4)

    server.script = slow_thinker
    ask(server, exchange=exchange)
    noticed["finish"] = time.perf_counter()
    assert exchange.outcome is Outcome.ANSWERED
    for label, seen in (
        ("head", exchange.first_byte),
        ("thought", exchange.first_token),
        ("thought", exchange.first_reasoning),
        ("answer", exchange.first_answer),
        ("last", exchange.last_token),
        ("finish", exchange.done),
    ):
        assert server.sent.time_of(label) <= seen <= noticed[label], label
    assert exchange.first_token - exchange.sent >= 2 * GAP_SECONDS
    assert exchange.first_answer - exchange.sent >= 3 * GAP_SECONDS


def test_small_events_are_seen_one_by_one(server):
    """Each of many small events is seen before the next is sent, not when some buffer is full."""
    exchange, late = Watched(), []

    def drip(stream):
        stream.head()
        for number in range(1, 41):
            stream.event("token", content="a")
            exchange.moment_of(lambda e, number=number: e.fragments == number)
            late.append(exchange.fragments != number)
        stream.finish()

    server.script = drip
    ask(server, exchange=exchange)
    assert exchange.fragments == 40
    assert late == [False] * 40


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
    assert server.sent.time_of("second half") <= exchange.first_answer <= exchange.done


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
    exchange = ask(server, limits)
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

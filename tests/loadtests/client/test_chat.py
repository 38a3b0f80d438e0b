"""The ruler against a server that knows when it sent what."""

import socket
import sys
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtests.client import chat as client_module
from loadtests.client.chat import ChatClient, Exchange, Limits
from loadtests.endpoint import parse_url
from loadtests.outcome import Outcome
from tests.loadtests.conftest import WAIT_SECONDS, answer, chat_event

BODY = b'{"stream": true}'
GAP_SECONDS = 0.05
LATE_SECONDS = 0.05
IMPATIENT = Limits(silence_seconds=0.4)


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
        noticed["head"] = exchange.moment_of(lambda e: e.headers is not None)
        stream.event("role", role="assistant", content="")
        noticed["role"] = exchange.moment_of(lambda e: e.first_byte is not None)
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
        ("head", exchange.headers),
        ("role", exchange.first_byte),
        ("thought", exchange.first_token),
        ("thought", exchange.first_reasoning),
        ("answer", exchange.first_answer),
        ("last", exchange.last_token),
        ("finish", exchange.done),
    ):
        assert server.sent.time_of(label) - 1e-3 <= seen <= noticed[label] + 1e-3, label
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
    assert server.sent.time_of("second half") - 1e-3 <= exchange.first_answer <= exchange.done


def test_usage_and_model_come_from_the_server(server):
    """Counts are the server's, never the client's number of fragments."""
    exchange = ask(server)
    assert (exchange.usage.prompt, exchange.usage.completion) == (9, 5)
    assert exchange.usage.reasoning == 3
    assert exchange.model == "scripted"
    assert exchange.finish_reason == "stop"
    assert exchange.fragments == 2


def server_error(stream):
    stream.json(500, {"error": {"message": "out of memory"}})


def cut_between_chunks(stream):
    stream.head()
    stream.event(content="19")
    stream.cut()


def gone_before_the_header(stream):
    stream.cut()


def test_nothing_listening_is_no_connection(unused_url):
    """A refused connection is told apart from a broken one."""
    exchange = Exchange()
    ChatClient(parse_url(unused_url)).ask(BODY, exchange)
    assert exchange.outcome is Outcome.NO_CONNECTION
    assert exchange.status is None


def connections_after(server, scripts):
    """Ask once for each script with one client; return outcomes and connections after each."""
    client, seen = ChatClient(parse_url(server.url)), []
    for script in scripts:
        server.script = script
        exchange = Exchange()
        client.ask(BODY, exchange)
        seen.append((exchange.outcome, server.sent.connections))
    client.close()
    return seen


def test_a_connection_is_kept_while_its_responses_end(server):
    """It is kept after an answer and an error that came whole, and replaced after a broken one."""
    scripts = [server.script, server_error, server.script, cut_between_chunks, server.script]
    assert connections_after(server, scripts) == [
        (Outcome.ANSWERED, 1),
        (Outcome.HTTP_ERROR, 1),
        (Outcome.ANSWERED, 1),
        (Outcome.CUT_STREAM, 1),
        (Outcome.ANSWERED, 2),
    ]


def test_a_connection_that_the_server_closed_while_idle_is_replaced(server):
    """A server may close what it keeps; the next request is not lost for it, and none is resent."""

    def answer_and_close(stream):
        answer(stream)
        stream.cut()

    server.script = answer_and_close
    client, outcomes = ChatClient(parse_url(server.url)), []
    for _ in range(3):
        exchange = Exchange()
        client.ask(BODY, exchange)
        outcomes.append(exchange.outcome)
        time.sleep(GAP_SECONDS)
    client.close()
    assert outcomes == [Outcome.ANSWERED] * 3
    assert len(server.sent.bodies) == 3


def test_a_connection_is_not_kept_for_long(server, monkeypatch):
    """One that was idle for long is given up before the server gives it up."""
    monkeypatch.setattr(client_module, "IDLE_SECONDS", 0.0)
    script = server.script
    assert [count for _, count in connections_after(server, [script, script])] == [1, 2]


def test_nothing_is_sent_twice(server):
    """A request that was cut before its response is a failure, also on a kept connection."""
    seen = connections_after(server, [server.script, gone_before_the_header])
    assert seen == [(Outcome.ANSWERED, 1), (Outcome.CUT_STREAM, 1)]
    assert len(server.sent.bodies) == 2


def test_a_refusal_during_the_upload_is_read():
    """A server that will not take a large body says why, and that is what is told."""
    body = b'{"error": {"message": "too large"}}'
    head = b"HTTP/1.1 413 X\r\nContent-Length: %d\r\n\r\n" % len(body)

    def refuse(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(head + body)
            time.sleep(GAP_SECONDS)  # the rest is not read: closing resets the connection

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,))
        thread.start()
        exchange = Exchange()
        client = ChatClient(parse_url(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        client.ask(b'{"x": "' + b"y" * 30_000_000 + b'"}', exchange)
        thread.join(WAIT_SECONDS)
        client.close()
    assert (exchange.outcome, exchange.status) == (Outcome.HTTP_ERROR, 413)
    assert "too large" in exchange.detail
    assert exchange.uploaded is None


def test_an_upload_that_goes_on_and_on_ends_with_the_request():
    """A server that takes a little now and then cannot keep a client for ever."""

    def sip(listener):
        connection, _ = listener.accept()
        with connection:
            while connection.recv(1 << 18):
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=sip, args=(listener,))
        thread.start()
        exchange = Exchange()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = ChatClient(parse_url(url), Limits(request_seconds=0.5))
        client.ask(b" " * (32 << 20), exchange)
        client.close()
    thread.join(WAIT_SECONDS)
    assert (exchange.outcome, exchange.detail) == (Outcome.TIMEOUT, "longer than 0.5 s in all")
    assert exchange.uploaded is None


def test_the_way_of_a_request_is_dated_in_order(server):
    """Sent, head, first byte, first token, done; the server's id is kept."""

    def script(stream):
        stream.head(more="X-Request-ID: req-7\r\n")
        stream.event(content="19")
        stream.finish()

    server.script = script
    seen = ask(server)
    times = [seen.sent, seen.headers, seen.first_byte, seen.first_token, seen.done]
    assert times == sorted(times)
    assert seen.uploaded >= seen.sent
    assert seen.request_id == "req-7"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what arrives")
def test_a_busy_client_still_dates_events_by_their_arrival(server):
    """A client that is held up for 50 ms at each event knows when the next one came."""

    class Slow(Watched):
        def observe(self, event, now):
            super().observe(event, now)
            time.sleep(LATE_SECONDS)

    exchange, after = Slow(), {}

    def script(stream):
        stream.head()
        for number, label in enumerate(("one", "two", "three"), start=1):
            stream.event(label, content="a")
            after[label] = time.perf_counter()
            exchange.moment_of(lambda e, number=number: e.fragments == number)
        stream.finish()

    server.script = script
    ask(server, exchange=exchange)
    assert server.sent.time_of("three") - 1e-3 <= exchange.last_token <= after["three"] + 1e-3
    second = exchange.last_token - exchange.gaps_us[1] / 1e6
    assert server.sent.time_of("two") - 1e-3 <= second <= after["two"] + 1e-3


def test_a_stream_much_faster_than_its_reader_loses_nothing(server):
    """Thousands of events that wait in buffers are each counted, and their order is kept."""
    texts = [f"{n} " for n in range(5000)]
    events = b"".join(chat_event({"content": text}) for text in texts)

    def flood(stream):
        stream.head()
        for at in range(0, len(events), 50_000):
            stream.chunk(events[at : at + 50_000])
        stream.finish(completion_tokens=5000)

    server.script = flood
    exchange = ask(server)
    assert exchange.outcome is Outcome.ANSWERED
    assert exchange.answer == "".join(texts)
    assert (exchange.fragments, len(exchange.gaps_us)) == (5000, 4999)
    assert min(exchange.gaps_us) >= 0


TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=6)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(TEXTS, st.lists(st.integers(0, 600), max_size=6), st.lists(st.integers(0, 900), max_size=6))
def test_any_chunking_gives_the_same_answer(server, texts, chunk_cuts, packet_cuts):
    """Wherever server and network cut, inside a letter too, the answer is the same."""
    events = b"".join(chat_event({"content": text}) for text in texts) + b"data: [DONE]\n\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in cut(events, chunk_cuts) if c)

    def script(stream):
        stream.head()
        for packet in cut(chunks + b"0\r\n\r\n", packet_cuts):
            stream.raw(packet)

    server.script = script
    exchange = ask(server)
    assert exchange.answer == "".join(texts)
    assert exchange.fragments == sum(1 for text in texts if text)
    answered = any(text and not text.isspace() for text in texts)
    assert exchange.outcome is (Outcome.ANSWERED if answered else Outcome.NO_ANSWER)


def cut(data, cuts):
    """Cut bytes at these places."""
    cuts = sorted(min(at, len(data)) for at in cuts)
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def test_many_clients_at_once_do_not_mix_their_answers(server):
    """Each exchange holds its own answer."""

    def echo(stream):
        stream.head()
        for letter in str(stream.body["n"]):
            stream.event(content=letter)
        stream.finish()

    server.script = echo
    exchanges = [Exchange() for _ in range(16)]

    def run(number):
        client = ChatClient(parse_url(server.url))
        client.ask(b'{"n": %d}' % (number * 7919), exchanges[number])
        client.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert [exchange.answer for exchange in exchanges] == [str(n * 7919) for n in range(16)]


def test_an_interrupted_exchange_is_censored(server):
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
    assert exchange.outcome is Outcome.CENSORED
    assert exchange.done >= exchange.sent
    assert exchange.model == "scripted"


def test_the_key_is_sent_and_not_shown(server):
    """The key goes into the header and into no representation."""
    endpoint = parse_url(server.url, "sk-canary")
    client, exchange = ChatClient(endpoint), Exchange()
    client.ask(BODY, exchange)
    client.close()
    assert "Authorization: Bearer sk-canary" in server.sent.headers
    assert "canary" not in repr(endpoint) + repr(exchange)

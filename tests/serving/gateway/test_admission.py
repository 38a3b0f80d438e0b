"""What a gateway lets to its engine, through real sockets: both sides of each limit."""

import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from serving.engine.socket import connection
from serving.gateway.key import digest
from tests.fake_engine import (
    UNARY,
    WAIT_SECONDS,
    Script,
    Wire,
    answer_events,
    counted,
    held,
    refusal,
    slow_first_byte,
    whole,
)
from tests.serving.gateway.conftest import CHAT
from tests.serving.gateway.fast_clock import SPEED

BODY = json.dumps(CHAT).encode()
COUNT = ("POST", "/v1/messages/count_tokens", BODY)


class Gate:
    """A script that answers only once it is opened."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.script: Script = held(answer_events()[:1], self.go, answer_events()[1:])


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Return a gate that is open at the end of the test."""
    closed = Gate()
    yield closed
    closed.go.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Return threads for clients."""
    with ThreadPoolExecutor(16) as threads:
        yield threads


def ask(pool: ThreadPoolExecutor, gateway, count: int, **more) -> list[Future]:
    """Ask so many streamed questions at once."""
    return [pool.submit(gateway.chat, stream=True, **more) for _ in range(count)]


def test_what_the_engine_cannot_compute_yet_waits_and_what_is_too_much_is_refused(
    engine, start_gateway, gate, pool, wait_for
):
    """Two run, two wait, the fifth is told at once when to come again; all four are served."""
    engine.default = gate.script
    gateway = start_gateway(max_running_requests=2, max_queued_requests=2)
    gateway.wait_ready()
    running = ask(pool, gateway, 2)
    wait_for(lambda: len(engine.requests) == 2)
    waiting = ask(pool, gateway, 2)
    wait_for(lambda: gateway.metric("gateway_requests_queued") == 2)
    refused = gateway.chat()
    assert (refused.status, refused.error["code"]) == (429, "engine_overloaded")
    assert refused.error["type"] == "rate_limit_error"
    assert int(refused.headers["retry-after"]) >= 1
    assert len(engine.requests) == 2
    gate.go.set()
    assert [each.result().status for each in (*running, *waiting)] == [200] * 4
    assert gateway.metric('gateway_refusals_total{reason="engine_overloaded"}') == 1
    assert gateway.metric("gateway_requests_queued") == 0
    assert gateway.metric("gateway_sequences_running") == 0


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/responses", "/v1/messages"])
def test_every_way_to_the_engine_goes_through_the_line(
    engine, start_gateway, gate, pool, wait_for, path
):
    """No dialect passes by; the refusal has its form, and comes before the body is read."""
    engine.default = gate.script
    gateway = start_gateway(max_running_requests=1, max_queued_requests=0)
    gateway.wait_ready()
    running = ask(pool, gateway, 1)
    wait_for(lambda: len(engine.requests) == 1)
    refused = gateway.request("POST", path, b"not even JSON")
    assert (refused.status, refused.error["type"]) == (429, "rate_limit_error")
    gate.go.set()
    assert running[0].result().status == 200


def test_who_waits_too_long_is_refused(start_fast, gate, pool):
    """The wait has an end even where the engine's speed was judged too well."""
    engine, gateway = start_fast(max_running_requests=1, max_queue_seconds=60, works=True)
    engine.default = gate.script
    running = ask(pool, gateway, 1)
    assert engine.last()
    refused = ask(pool, gateway, 1)[0].result()
    assert (refused.status, refused.error["code"]) == (429, "engine_overloaded")
    assert gateway.metric('gateway_refusals_total{reason="waited"}') == 1
    gate.go.set()
    assert running[0].result().status == 200


def test_a_client_that_hangs_up_leaves_the_queue(engine, start_gateway, gate, pool, wait_for):
    """Nobody waits for who is gone, and the engine never hears of it."""
    engine.default = gate.script
    gateway = start_gateway(max_running_requests=1)
    gateway.wait_ready()
    running = ask(pool, gateway, 1)
    wait_for(lambda: len(engine.requests) == 1)
    impatient = gateway.connect()
    impatient.request("POST", "/v1/chat/completions", BODY)
    wait_for(lambda: gateway.metric("gateway_requests_queued") == 1)
    impatient.close()
    wait_for(lambda: gateway.metric("gateway_requests_queued") == 0)
    gate.go.set()
    assert running[0].result().status == 200
    assert len(engine.requests) == 1


def test_who_stood_behind_one_that_gives_up_goes_on(engine, start_gateway, gate, pool, wait_for):
    """Two answers wait for both places; when they are given up, one answer has room at once."""
    engine.default = gate.script
    gateway = start_gateway(max_running_requests=2, max_queue_seconds=300)
    gateway.wait_ready()
    running = ask(pool, gateway, 1)
    wait_for(lambda: len(engine.requests) == 1)
    impatient = gateway.connect()
    pair = json.dumps({**CHAT, "n": 2, "temperature": 1})
    impatient.request("POST", "/v1/chat/completions", pair)
    wait_for(lambda: gateway.metric("gateway_requests_queued") == 1)
    running += ask(pool, gateway, 1)
    wait_for(lambda: gateway.metric("gateway_requests_queued") == 2)
    impatient.close()
    wait_for(lambda: len(engine.requests) == 2)
    gate.go.set()
    assert [each.result().status for each in running] == [200] * 2


def queue_up(engine, gateway, gate, pool, wait_for) -> tuple[Future, list[Future]]:
    """Let one request run until the gate is opened, and two wait behind it."""
    engine.default = gate.script
    running = ask(pool, gateway, 1)[0]
    wait_for(lambda: len(engine.requests) == 1)
    waiting = ask(pool, gateway, 2)
    wait_for(lambda: gateway.metric("gateway_requests_queued") == 2)
    return running, waiting


def test_those_that_wait_are_told_when_the_engine_dies(engine, start_gateway, gate, pool, wait_for):
    """Nobody stands in line before an engine that is gone."""
    gateway = start_gateway(max_running_requests=1, max_queue_seconds=10_000)
    gateway.wait_ready()
    running, waiting = queue_up(engine, gateway, gate, pool, wait_for)
    engine.stop()
    assert b'"code":"engine_error"' in running.result().body
    for answer in (each.result() for each in waiting):
        assert (answer.status, answer.error["code"]) == (503, "engine_unavailable")
        assert int(answer.headers["retry-after"]) >= 1


def test_those_that_wait_are_told_when_the_engine_hangs(start_fast, gate, pool, wait_for):
    """The verdict clears the line, and none of it reaches the engine."""
    engine, gateway = start_fast(
        max_running_requests=1, max_queue_seconds=100_000, watchdog_seconds=60
    )
    running, waiting = queue_up(engine, gateway, gate, pool, wait_for)
    assert b'"code":"engine_timeout"' in running.result().body
    for answer in (each.result() for each in waiting):
        assert (answer.status, answer.error["code"]) == (503, "engine_unavailable")
    assert [request.path for request in engine.requests].count("/v1/chat/completions") == 1


@pytest.mark.parametrize("in_time", [True, False])
def test_a_drain_lets_those_that_wait_go_on(start_fast, gate, pool, wait_for, in_time):
    """They are requests that run: served within the limit, cut off behind it."""
    engine, gateway = start_fast(
        max_running_requests=1,
        max_queue_seconds=100_000,
        drain_grace_seconds=0,
        drain_seconds=WAIT_SECONDS * SPEED if in_time else 10,
    )
    _, waiting = queue_up(engine, gateway, gate, pool, wait_for)
    socket_path = gateway.settings.gateway.control_socket
    with contextlib.closing(connection(socket_path, WAIT_SECONDS)) as control:
        control.request("POST", "/drain")
        wait_for(lambda: gateway.admin("/readyz").status == 503)
        if in_time:
            gate.go.set()
        answers = [each.result() for each in waiting]
    assert [answer.status for answer in answers] == ([200] if in_time else [503]) * 2
    if not in_time:
        assert {answer.error["code"] for answer in answers} == {"shutting_down"}


@pytest.mark.parametrize(
    ("headers", "code", "pays"),
    [
        pytest.param({}, "engine_timeout", False, id="the server's fault"),
        pytest.param(
            {"x-request-timeout": "0.5"}, "deadline_exceeded", True, id="the client's wish"
        ),
    ],
)
def test_what_the_server_could_not_serve_is_not_charged(
    engine, start_gateway, tmp_path, headers, code, pays
):
    """An engine given up takes nothing of a key's limit; who stops waiting pays.

    The first request owes more than many minutes of this limit, so that no minute's turn helps.
    """
    keys = tmp_path / "keys.yaml"
    digest = hashlib.sha256(b"text").hexdigest()
    keys.write_text(f"keys: [{{name: a, digest: 'sha256:{digest}', tokens_per_minute: 10}}]")
    gateway = start_gateway(keys_file=keys, idle_timeout_seconds=2)
    gateway.wait_ready()
    engine.play(slow_first_byte(30, whole(UNARY)), whole(UNARY))
    headers |= {"authorization": "Bearer text"}
    assert gateway.chat(headers=headers).error["code"] == code
    assert (gateway.chat(headers=headers).status == 429) is pays


def test_prompts_that_are_only_counted_are_limited_too(engine, start_gateway, gate, pool, wait_for):
    """As many as may run and wait; the next is told to come again, and finds room later."""
    engine.tokenize = held([], gate.go, [])
    gateway = start_gateway(max_running_requests=1, max_queued_requests=1)
    gateway.wait_ready()
    asked = [pool.submit(gateway.request, *COUNT) for _ in range(2)]
    wait_for(lambda: len(engine.counts) == 2)
    refused = gateway.request(*COUNT)
    assert (refused.status, refused.error["type"]) == (429, "rate_limit_error")
    assert int(refused.headers["retry-after"]) >= 1
    gate.go.set()
    assert {each.result().status for each in asked} == {502}
    engine.tokenize = counted(3)
    assert gateway.request(*COUNT).json == {"input_tokens": 3}


def test_a_failed_request_gives_its_place_back(engine, start_gateway):
    """Errors of the engine do not use its capacity up."""
    gateway = start_gateway(max_running_requests=1, max_queued_requests=0)
    gateway.wait_ready()
    engine.play(refusal(500, "Internal server error"), refusal(400, "no"), whole(UNARY))
    assert [gateway.chat().status for _ in range(3)] == [502, 400, 200]


def test_an_engine_that_is_full_is_told_as_429_with_a_time(engine, gateway):
    """vLLM says 503 without one: clients would not come back, and uptime would suffer."""
    refusals = 'gateway_refusals_total{reason="engine_overloaded"}'
    before = gateway.metric(refusals)
    engine.play(refusal(503, "The server is currently busy. Try again."))
    answer = gateway.chat()
    assert (answer.status, answer.error["code"]) == (429, "engine_overloaded")
    assert int(answer.headers["retry-after"]) >= 1
    assert gateway.metric(refusals) == before + 1


@pytest.mark.parametrize(
    ("seconds", "status"), [pytest.param("0.5", 504, id="over"), pytest.param("300", 200, id="in")]
)
def test_a_deadline_cancels_in_the_engine(engine, gateway, seconds, status):
    """X-Request-Timeout ends the request and hangs up on the engine, which stops computing."""
    engine.play(slow_first_byte(2 if status == 504 else 0, whole(UNARY)))
    answer = gateway.chat(headers={"X-Request-Timeout": seconds})
    assert answer.status == status
    if status == 504:
        assert answer.error["code"] == "deadline_exceeded"
        assert engine.last().hung_up.wait(WAIT_SECONDS)


def test_a_deadline_ends_a_stream_with_an_error_event(engine, gateway, gate):
    """What was streamed by then stays; the last event says why it ended."""
    engine.play(gate.script)
    answer = gateway.chat(stream=True, headers={"X-Request-Timeout": "1"})
    assert answer.status == 200
    assert b'"code":"deadline_exceeded"' in answer.body
    assert b"[DONE]" not in answer.body


def test_the_servers_deadline_holds_for_all(engine, start_gateway):
    """A client may ask for less than max_request_seconds, not for more."""
    gateway = start_gateway(max_request_seconds=0.5)
    gateway.wait_ready()
    engine.default = slow_first_byte(2, whole(UNARY))
    assert gateway.chat(headers={"X-Request-Timeout": "300"}).error["code"] == "deadline_exceeded"


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "1e9", "nan", "0.0", "1,5"])
def test_a_deadline_that_is_no_time_is_refused(gateway, engine, seconds):
    """The error names the header."""
    answer = gateway.chat(headers={"X-Request-Timeout": seconds})
    assert (answer.status, answer.error["code"]) == (400, "invalid_value")
    assert "X-Request-Timeout" in answer.error["message"]
    assert not engine.requests


def test_bodies_share_one_budget_of_memory(engine, start_gateway, wait_for):
    """What does not fit beside others is refused with a time, and fits when they are gone."""
    engine.default = whole(UNARY)
    gateway = start_gateway(max_inflight_bytes=100_000)
    gateway.wait_ready()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"content-length: {90_000 + len(BODY)}\r\n\r\n"
    )
    other = {**CHAT, "messages": [{"role": "user", "content": "x" * 20_000}]}
    with contextlib.closing(socket.create_connection(("127.0.0.1", gateway.port))) as connection:
        connection.sendall(head.encode() + b" " * 90_000)
        wait_for(lambda: gateway.chat(**other).status == 429)
        refused = gateway.chat(**other)
        assert refused.error["code"] == "engine_overloaded"
        assert int(refused.headers["retry-after"]) >= 1
        assert gateway.chat().status == 200
        connection.sendall(BODY)
        assert connection.recv(12) == b"HTTP/1.1 200"
    wait_for(lambda: gateway.chat(**other).status == 200)


@pytest.mark.parametrize(("size", "status"), [(90_000, 200), (110_000, 429)])
def test_one_body_may_take_all_of_the_budget_and_no_more(engine, start_gateway, size, status):
    """Both sides of the limit."""
    engine.default = whole(UNARY)
    gateway = start_gateway(max_inflight_bytes=100_000)
    gateway.wait_ready()
    answer = gateway.request("POST", "/v1/chat/completions", b" " * size + BODY)
    assert answer.status == status


def test_a_body_is_forgotten_when_the_engine_has_it(engine, start_gateway, gate, pool, wait_for):
    """An answer may take minutes; the budget is for those that wait for the engine."""
    engine.default = gate.script
    gateway = start_gateway(max_inflight_bytes=100_000)
    gateway.wait_ready()
    big = {**CHAT, "messages": [{"role": "user", "content": "x" * 10_000}] * 9}
    running = []
    for count in (1, 2, 3):
        running.append(pool.submit(gateway.chat, **big, stream=True))
        wait_for(lambda count=count: len(engine.requests) == count)
    gate.go.set()
    assert [each.result().status for each in running] == [200] * 3


def test_several_answers_take_several_places(engine, start_gateway, gate, pool, wait_for):
    """n = 2 fills both places."""
    engine.default = gate.script
    gateway = start_gateway(max_running_requests=2, max_queued_requests=0)
    gateway.wait_ready()
    running = ask(pool, gateway, 1, n=2, temperature=1)
    wait_for(lambda: len(engine.requests) == 1)
    assert gateway.chat().status == 429
    gate.go.set()
    assert running[0].result().status == 200


async def _nothing(wire: Wire) -> None:
    wire.reset()


def test_an_engine_that_breaks_off_gives_the_place_back(engine, start_gateway):
    """A reset connection is no request that runs."""
    gateway = start_gateway(max_running_requests=1, max_queued_requests=0)
    gateway.wait_ready()
    engine.play(_nothing, whole(UNARY))
    assert gateway.chat().status in {502, 503}
    gateway.wait_ready()
    assert gateway.chat().status == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize(("priority", "told"), [("high", -1), ("normal", None), ("low", 1)])
def test_the_engine_is_told_a_keys_priority(engine, start_gateway, tmp_path, path, priority, told):
    """vLLM serves lower numbers first; the class in the middle is its default."""
    text = "sk-qwen-" + "a" * 43
    keys = tmp_path / "keys.yaml"
    entry = {"name": "alice", "digest": f"sha256:{digest(text.encode()).hex()}"}
    keys.write_text(json.dumps({"keys": [{**entry, "priority": priority}]}))
    gateway = start_gateway(keys_file=keys)
    gateway.wait_ready()
    engine.play(whole(UNARY))
    headers = {"authorization": f"Bearer {text}"}
    body = json.dumps({"prompt": "hi"}).encode() if path == "/v1/completions" else BODY
    gateway.request("POST", path, body, headers)
    assert engine.last().json.get("priority") == told


def test_the_engines_kv_cache_bounds_what_it_gets(engine, start_gateway, gate, pool, wait_for):
    """Where the cache holds but one request, the next waits although there are places."""
    engine.default = gate.script
    engine.kv_cache_tokens = 1
    gateway = start_gateway()
    gateway.wait_ready()
    asked = ask(pool, gateway, 2)
    wait_for(lambda: gateway.metric("gateway_requests_queued") == 1)
    wait_for(lambda: len(engine.requests) == 1)
    gate.go.set()
    assert [each.result().status for each in asked] == [200] * 2

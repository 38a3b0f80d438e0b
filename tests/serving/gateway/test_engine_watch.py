"""What the gateway makes of its engine's pages, and what becomes of requests when it hangs."""

import json
import threading

import pytest

from serving.gateway.engine_state import Sample
from serving.gateway.engine_watch import read_sample
from tests.fake_engine import delta_event, stall
from tests.serving.gateway.conftest import CHAT, Answer


def test_metrics_are_added_up_over_label_sets():
    """Several engines behind one page; look-alike names and comments do not count."""
    page = b"""# HELP vllm:num_requests_running x
vllm:num_requests_running{engine="0"} 2.0
vllm:num_requests_running{engine="1"} 3.0
vllm:num_requests_waiting{engine="0"} 1.0
vllm:num_requests_waiting_by_reason{engine="0"} 7.0
vllm:iteration_tokens_total_count{engine="0"} 41.0
vllm:iteration_tokens_total_count{engine="1"} 1.0
vllm:iteration_tokens_total_bucket{le="1"} 9.0
vllm:kv_cache_usage_perc{engine="0"} 0.25
"""
    assert read_sample(page) == Sample(requests=6, iterations=42, kv_cache_usage=0.25)
    assert read_sample(b"garbage \xff\n") == Sample(0, 0)


def test_another_model_is_not_ready(engine, start_gateway, wait_for):
    """An engine that serves something else than promised gets no traffic."""
    engine.model = "other"
    gateway = start_gateway()
    assert gateway.admin("/readyz").status == 503
    engine.model = "tiny-qwen3-vl"
    gateway.wait_ready()


def test_a_garbled_list_of_models_is_not_ready_and_not_the_end(engine, start_gateway):
    """An engine that talks nonsense is waited for."""
    engine.model = "tiny\udcff"
    gateway = start_gateway()
    assert gateway.admin("/readyz").status == 503
    engine.model = "tiny-qwen3-vl"
    gateway.wait_ready()


def test_an_engine_of_another_version_is_told(engine, start_gateway, wait_for):
    """An engine is replaced while its gateway goes on."""
    gateway = start_gateway()
    gateway.wait_ready()
    engine.stop()
    gateway.wait_ready(False)
    engine.version = "0.33.0"
    engine.start()
    wait_for(lambda: gateway.metric('gateway_build_info{vllm="0.33.0"}') == 1)
    assert gateway.metric("gateway_build_info") == 1


class Asked:
    """Requests that run at the same time, each in a thread."""

    def __init__(self, gateway, *streamed: bool) -> None:
        self.answers: list[Answer] = []
        self._threads = [
            threading.Thread(target=self._ask, args=(gateway, stream)) for stream in streamed
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, gateway, stream: bool) -> None:
        self.answers.append(gateway.chat(stream=stream))

    def end(self) -> list[Answer]:
        """Return the answers, streams first."""
        for thread in self._threads:
            thread.join()
        return sorted(self.answers, key=lambda answer: answer.status)


SILENT = "the engine's metrics have not answered for"
STILL = "the engine has computed nothing for"


@pytest.mark.parametrize(("deaf", "reason"), [(False, STILL), (True, SILENT)])
def test_a_hung_engine_is_told_at_once_and_refused_until_it_works(
    start_fast, wait_for, deaf, reason
):
    """Core or API process: one typed error each, /livez says why, 503 until it moves again.

    The gauges stay at 0 here, as those of a core that was stopped while it was idle.
    """
    engine, gateway = start_fast(watchdog_seconds=60, idle_timeout_seconds=120)
    engine.default = stall([])
    engine.play(*[stall([delta_event(content="a")])] * 2)
    asked = Asked(gateway, True, True)
    wait_for(lambda: len(engine.requests) == 2)
    asked_whole = Asked(gateway, False)
    wait_for(lambda: len(engine.requests) == 3)
    engine.deaf = deaf
    for answer in asked.end():
        assert answer.body.count(b'"error"') == 1
        assert b'"code":"engine_timeout"' in answer.body
        assert reason.encode() in answer.body
        assert b"(phase: stream)" in answer.body
    (whole,) = asked_whole.end()
    assert (whole.status, whole.error["code"]) == (504, "engine_timeout")
    assert "(phase: first byte)" in whole.error["message"]
    verdict = gateway.admin("/livez")
    assert verdict.status == 503
    assert verdict.body.decode().startswith(reason)
    assert verdict.body.endswith(b"s, with 3 requests to serve\n")
    assert gateway.admin("/readyz").body.decode().startswith(reason)
    refused = gateway.chat()
    assert (refused.status, refused.error["code"]) == (503, "engine_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    if not deaf:  # once it counts as hung, one token is asked for, and only one
        wait_for(lambda: engine.requests[-1].path == "/v1/completions")
    assert len(engine.requests) <= 4
    engine.deaf = False
    engine.metrics["iterations"] += 1
    wait_for(lambda: gateway.admin("/livez").status == 200)
    assert gateway.admin("/readyz").status == 200


def test_an_engine_that_works_for_others_lets_a_silent_stream_wait_its_time(start_fast):
    """The engine's verdict and the stream's own limit are two: each names its own reason."""
    engine, gateway = start_fast(works=True, watchdog_seconds=60, idle_timeout_seconds=120)
    engine.play(stall([delta_event(content="a")]))
    body = gateway.chat(stream=True).body
    assert body.count(b'"error"') == 1
    assert b"was silent for 120 seconds (phase: stream)" in body
    assert gateway.admin("/livez").status == 200


def test_counting_tokens_is_no_work_for_the_core(start_fast):
    """Counts that always one client waits for move nothing, and are no sign of a hang."""
    engine, gateway = start_fast(watchdog_seconds=60, idle_timeout_seconds=200)
    engine.tokenize = stall([])
    answer = gateway.request("POST", "/v1/messages/count_tokens", json.dumps(CHAT).encode())
    assert answer.status == 504
    assert "silent for 200 seconds" in answer.error["message"]
    assert gateway.admin("/livez").status == 200


def test_another_model_is_named(engine, start_gateway, wait_for):
    """/readyz says what is served instead."""
    engine.model = "other"
    gateway = start_gateway()
    expected = b"the engine serves other, not tiny-qwen3-vl\n"
    wait_for(lambda: gateway.admin("/readyz").body == expected)
    assert gateway.admin("/startupz").body == b"the engine was not ready yet\n"

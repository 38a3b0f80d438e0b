"""What the metrics say, against an engine that records when it really sent what."""

import base64
import json
import statistics
import time

import pytest

from tests.fake_engine import (
    DONE,
    MODEL,
    delta_event,
    refusal,
    slow_first_byte,
    stall,
    stream,
    usage_event,
    whole,
)
from tests.serving.gateway.test_picture import drawn

GAP_SECONDS = 0.15
ROUNDS = 5
# Of a gap; the machine is shared, and the median of five is compared.
TOLERANCE = 0.3
TIMES = {"queue_time_ms": 20.0, "time_to_first_token_ms": 30.0, "generation_time_ms": 60.0}


def stage(gateway, name: str) -> float:
    """Return the seconds of a stage over all requests."""
    return gateway.metric(f'gateway_stage_seconds_sum{{stage="{name}"}}')


def finished(gateway, wait_for, count: int) -> None:
    """Wait until so many chat requests are in the books."""
    sign = 'gateway_requests_total{route="chat_completions"}'
    wait_for(lambda: gateway.metric(sign) == count)


def test_times_are_those_of_the_engine(engine, start_gateway, wait_for):
    """First token, thinking and the time between events are what the engine really did."""
    gateway = start_gateway()
    names = {
        "first": "gateway_time_to_first_token_seconds_sum",
        "first answer": "gateway_time_to_first_answer_token_seconds_sum",
        "thinking": "gateway_thinking_seconds_sum",
        "between": "gateway_inter_token_seconds_sum",
    }
    errors: dict[str, list[float]] = {name: [] for name in names}
    before = dict.fromkeys(names, 0.0)
    for number in range(1, ROUNDS + 1):
        events = [delta_event(reasoning="a"), delta_event(reasoning="b"), delta_event(content="c")]
        ending = [delta_event("stop") + usage_event() + DONE]
        engine.play(stream([GAP_SECONDS, *events, *ending], pause_seconds=GAP_SECONDS))
        began = time.perf_counter()
        gateway.chat(stream=True)
        finished(gateway, wait_for, number)
        head, *sent = [at for at, data in engine.last().sent if data][:5]
        truth = {
            "first": sent[0] - began,
            "first answer": sent[2] - began,
            "thinking": sent[2] - sent[0],
            "between": sent[3] - sent[0],
        }
        assert head < sent[0]
        for name, line in names.items():
            total = gateway.metric(line)
            errors[name].append(abs(total - before[name] - truth[name]))
            before[name] = total
    for name, each in errors.items():
        assert statistics.median(each) < TOLERANCE * GAP_SECONDS, (name, each)
    # Three gaps each, and the usage event that came with the last.
    assert gateway.metric("gateway_inter_token_seconds_count") == ROUNDS * 4


def test_stages_of_a_stream_are_divided_by_the_engines_times(engine, start_gateway, wait_for):
    """Engine queue and prefill are the engine's word; the parts add up to the duration."""
    gateway = start_gateway()
    said = b',"metrics":' + json.dumps(TIMES).encode() + b"}\n\n"
    usage = usage_event().removesuffix(b"}\n\n") + said
    events = [delta_event(reasoning="a"), delta_event(content="c"), delta_event("stop")]
    engine.play(stream([GAP_SECONDS, *events, usage, DONE], pause_seconds=0.01))
    gateway.chat(stream=True)
    finished(gateway, wait_for, 1)
    assert stage(gateway, "engine_queue") == pytest.approx(0.02)
    assert stage(gateway, "prefill") == pytest.approx(0.03)
    assert stage(gateway, "preprocessing") > 0
    duration = gateway.metric('gateway_request_duration_seconds_sum{route="chat_completions"}')
    parts = gateway.metric("gateway_stage_seconds_sum")
    assert parts == pytest.approx(duration)


def test_stages_of_a_whole_answer(engine, start_gateway, wait_for):
    """60 ms of tokens, of which 3 in 5 were thought."""
    gateway = start_gateway()
    message = {"role": "assistant", "reasoning": "hm", "content": "red"}
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 5,
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
        "metrics": TIMES,
    }
    body = json.dumps(answer, separators=(",", ":")).encode()
    engine.play(slow_first_byte(2 * GAP_SECONDS, whole(body)))
    gateway.chat()
    finished(gateway, wait_for, 1)
    assert stage(gateway, "thinking") == pytest.approx(0.036)
    assert stage(gateway, "answer") >= 0.024
    assert stage(gateway, "engine_queue") == pytest.approx(0.02)
    assert gateway.metric("gateway_time_to_first_token_seconds_count") == 0


def test_an_answer_cut_in_its_thought_is_counted(engine, start_gateway, wait_for):
    """It ended for its length, and all its tokens were thought."""
    gateway = start_gateway()
    usage = usage_event().replace(b'"completion_tokens":5', b'"completion_tokens":3')
    engine.play(stream([delta_event(reasoning="a"), delta_event("length"), usage, DONE]))
    engine.play(stream([delta_event(content="a"), delta_event("length"), usage_event(), DONE]))
    gateway.chat(stream=True)
    gateway.chat(stream=True)
    finished(gateway, wait_for, 2)
    assert gateway.metric("gateway_truncated_in_thinking_total") == 1
    assert gateway.metric('gateway_requests_total{finish_reason="length"}') == 2


def test_a_stream_whose_client_leaves_is_estimated(engine, start_gateway, wait_for):
    """Two events of thought and one of answer came by: they count, and so does the prompt."""
    gateway = start_gateway()
    engine.play(
        stall([delta_event(reasoning="a"), delta_event(reasoning="b"), delta_event(content="c")])
    )
    connection = gateway.connect()
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 400}], "stream": True})
    connection.request("POST", "/v1/chat/completions", body)
    response = connection.getresponse()
    read = b""
    while b'"c"' not in read:
        read += response.read1()
    connection.close()
    wait_for(lambda: gateway.metric('gateway_requests_total{outcome="client_gone"}') == 1)
    tokens = {
        kind: gateway.metric(f'gateway_tokens_total{{kind="{kind}"}}')
        for kind in ("prompt", "reasoning", "answer")
    }
    assert tokens["prompt"] >= 100
    assert tokens["reasoning"] + tokens["answer"] == 3
    assert gateway.metric('gateway_key_requests_total{key="anybody",verdict="cancelled"}') == 1


def test_what_a_key_used_is_told_by_its_name(engine, start_gateway, wait_for):
    """Tokens and cost are the model's price times the engine's count."""
    gateway = start_gateway(api_keys=["sk-one", "sk-two"], max_key_labels=1)
    for key in ("sk-one", "sk-two", "sk-two"):
        gateway.chat({"authorization": f"Bearer {key}"}, stream=True)
    gateway.chat({"authorization": "Bearer sk-no"})
    finished(gateway, wait_for, 4)
    assert gateway.metric('gateway_key_tokens_total{key="key-1",kind="prompt"}') == 11
    assert gateway.metric('gateway_key_tokens_total{key="other",kind="prompt"}') == 22
    assert gateway.metric("gateway_key_requests_total") == 3


def test_media_are_counted(engine, start_gateway, wait_for):
    """A good picture and a bad one, both in the body."""
    gateway = start_gateway()
    for data in (drawn("PNG"), b"no picture"):
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        part = {"type": "image_url", "image_url": {"url": url}}
        gateway.chat(messages=[{"role": "user", "content": [part]}])
    finished(gateway, wait_for, 2)
    for outcome in ("ok", "refused"):
        labels = f'kind="image",source="inline",outcome="{outcome}"'
        assert gateway.metric(f"gateway_media_items_total{{{labels}}}") == 1
    assert gateway.metric('gateway_media_check_seconds_count{kind="image"}') == 1


def test_only_the_bad_picture_is_counted_as_refused(engine, start_gateway, wait_for):
    """The good ones beside it, on their way when it ends the request, are not held against it."""
    gateway = start_gateway()
    pictures = [drawn("PNG")] * 3 + [b"no picture"]
    urls = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in pictures]
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    assert gateway.chat(messages=[{"role": "user", "content": parts}]).status == 400
    finished(gateway, wait_for, 1)
    assert gateway.metric('gateway_media_items_total{outcome="refused"}') == 1


def test_the_engine_and_the_start_are_told(engine, start_gateway):
    """Ready, not hung, started once; what runs here has a version."""
    gateway = start_gateway()
    gateway.wait_ready()
    assert gateway.metric("gateway_engine_ready") == 1
    assert gateway.metric("gateway_engine_hung") == 0
    assert gateway.metric("gateway_engine_starts_total") == 1
    assert gateway.metric('gateway_build_info{model="tiny-qwen3-vl"}') == 1
    assert gateway.metric('gateway_drain_phase{phase="serving"}') == 1
    listening = gateway.metric('gateway_startup_seconds{phase="listening"}')
    assert 0 < listening <= gateway.metric('gateway_startup_seconds{phase="ready"}')


def test_engine_errors_are_told_by_their_kind(engine, start_gateway, wait_for):
    """A refusal by the engine is no failure of it."""
    gateway = start_gateway()
    engine.play(refusal(400, "no"), refusal(500, "broken"))
    gateway.chat()
    gateway.chat()
    finished(gateway, wait_for, 2)
    assert gateway.metric('gateway_upstream_errors_total{reason="refused"}') == 1
    assert gateway.metric('gateway_upstream_errors_total{reason="failed"}') == 1

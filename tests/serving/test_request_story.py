"""The story of a request: its parts, and the rule that names the one to look at first."""

import random
from typing import Any

import pytest

from serving.gateway.record import OUTCOMES, Record
from serving.gateway.timeline import Stage
from serving.request_story import LEAST_REQUESTS, Story
from tests.serving.used import USUAL, record


def week(count: int = LEAST_REQUESTS, **fields: Any) -> list[Record]:
    """Return so many usual requests."""
    return [record(f"req_w{number}", **fields) for number in range(count)]


def furthest(others: list[Record], **stages: float) -> str | None:
    """Return the part that stands out in a request with some stages of another length."""
    slow = record("req_1", stages={Stage(name): seconds for name, seconds in stages.items()})
    part = Story.of(slow, others).furthest
    return part and part.stage.value


@pytest.mark.parametrize(
    ("stages", "part"),
    [
        pytest.param({}, None, id="as usual"),
        pytest.param({"thinking": 2.3}, None, id="thinking varies"),
        pytest.param({"thinking": 2.5}, "thinking", id="thinking half as long again"),
        pytest.param({"received": 0.029}, None, id="far above in ratio, nothing in ms"),
        pytest.param({"received": 0.1}, "received", id="a slow sender"),
        pytest.param({"queued": 0.5}, "queued", id="what usually is nothing"),
        pytest.param({"queued": 0.5, "prefill": 2.0}, "prefill", id="the largest difference"),
        pytest.param({"thinking": 2.2, "prefill": 0.6}, "prefill", id="not the longest, nor most"),
        pytest.param({"thinking": 0.1, "answer": 0.1}, None, id="faster"),
    ],
)
def test_the_part_that_stands_out(stages: dict[str, float], part: str | None) -> None:
    """Half above its median at least, 20 ms at least, and of those the largest difference."""
    assert furthest(week(), **stages) == part


@pytest.mark.parametrize("stage", list(USUAL))
def test_any_part_is_found_under_noise(stage: Stage) -> None:
    """Where times vary as they do, a part of five times its usual length or 0.5 s is the one."""
    chance = random.Random(7)
    others = [
        record(
            f"req_{number}",
            stages={each: usual * chance.lognormvariate(0, 0.25) for each, usual in USUAL.items()},
        )
        for number in range(400)
    ]
    slow = 5 * USUAL[stage] or 0.5
    assert furthest(others, **{stage.value: slow}) == stage.value


def test_a_few_slow_ones_do_not_move_the_median() -> None:
    """Nor do those that failed, of another model, or with pictures where this one has none."""
    slow: dict[str, Any] = {"stages": {Stage.PREFILL: 30.0}}
    others = week(21) + week(9, **slow)
    for outcome in OUTCOMES.keys() - {"ok"}:
        others += week(40, outcome=outcome, **slow)
    others += (
        week(40, model="other", **slow) + week(40, images=1, **slow) + week(40, videos=1, **slow)
    )
    found = Story.of(record("req_1", stages={Stage.PREFILL: 1.0}), others)
    assert found.compared == 30
    assert found.furthest is not None
    assert found.furthest.median_seconds == pytest.approx(USUAL[Stage.PREFILL])


def test_a_request_with_pictures_is_compared_with_such() -> None:
    """Fetching its media is usual for it."""
    media: dict[str, Any] = {"images": 1, "stages": {Stage.MEDIA: 0.4}}
    others = week(30) + week(20, **media)
    found = Story.of(record("req_1", **media), others)
    assert (found.compared, found.furthest) == (20, None)
    assert furthest(others, media=0.4) == "media"


def test_it_is_not_compared_with_itself() -> None:
    """One more would be enough otherwise."""
    others = week(LEAST_REQUESTS - 1)
    one = record("req_1", stages={Stage.PREFILL: 9.0})
    assert Story.of(one, [*others, one]).furthest is None
    assert Story.of(one, [*others, record("req_2")]).furthest is not None


def test_too_few_to_compare_with_are_told() -> None:
    """How many there were, and how many are needed."""
    said = "\n".join(Story.of(record("req_1"), week(7)).lines())
    assert "ms   share" in said
    assert "too little to compare with" in said
    assert "(same model, no media, went well): 7; 20 are needed." in said


def test_times_and_shares_are_told_in_order() -> None:
    """Each stage in ms, usually and in share with its bar; they add up to the whole."""
    lines = list(Story.of(record("req_1"), week()).lines())
    told = {line[:15].strip(): line[15:].split() for line in lines[4:14]}
    assert list(told) == [*(stage.value.replace("_", " ") for stage in Stage), "in all"]
    assert lines[3].split() == ["ms", "median", "share"]
    assert told["thinking"] == ["1,600.0", "1,600.0", "64.0%", "█" * 13]
    assert told["queued"] == ["0.0", "0.0", "0.0%"]
    assert told["in all"] == ["2,500.0", "100.0%"]
    parts = list(told.values())[:-1]
    assert sum(float(ms.replace(",", "")) for ms, *_ in parts) == pytest.approx(2500.0)
    assert sum(float(share.rstrip("%")) for _, _, share, *_ in parts) == pytest.approx(100, abs=0.5)


def test_a_verdict_has_ratio_and_difference() -> None:
    """Of a median of nothing there is no ratio."""
    slow = Story.of(record("req_1", stages={Stage.ENGINE_QUEUE: 4.2}), week())
    assert "engine queue, 4,100.0 ms more than 100.0 ms (42.0 times)." in slow.verdict()
    queued = Story.of(record("req_1", stages={Stage.QUEUED: 1.0}), week())
    assert queued.verdict().endswith("queued, 1,000.0 ms more than 0.0 ms.")
    usual = Story.of(record("req_1"), week())
    assert usual.verdict() == (
        "No part stands out: none took 1.5 times the week's median and 20.0 ms more."
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"outcome": "timeout", "error": "engine_timeout"}, "timeout, engine_timeout"),
        pytest.param({"finish_reason": "length"}, "finish reason length"),
        pytest.param({"truncated_in_thinking": True}, "cut off while thinking"),
        pytest.param({"budget_hit": True}, "the thought's budget was used up"),
        pytest.param({"app": "Shop", "user": "u1"}, "key alice, app Shop, user u1"),
        pytest.param(
            {"cached_tokens": 50, "image_tokens": 25},
            "prompt 100 (of them 50 cached, 25 image), reasoning 16, answer 4",
        ),
        pytest.param({"cached_tokens": 50}, "50% of the prompt"),
        pytest.param({"estimated": True}, "estimated"),
        pytest.param({"cost": 0.000123}, "0.000123 USD"),
        pytest.param(
            {"running_sequences": 61, "queued_requests": 3, "kv_cache_usage": 0.93},
            "61 sequences running, 3 requests queued, KV cache 93% full",
        ),
        pytest.param({}, "thinking 10.0 tokens/s, answer 10.0 tokens/s"),
        pytest.param(
            {"max_tokens": 4096, "thinking_token_budget": 1024, "choices": 2, "streamed": False},
            "at most 4,096 tokens, 1,024 of them for the thought, 2 answers, as a whole",
        ),
        pytest.param(
            {"body_bytes": 5000, "images": 2, "media_bytes": 3000},
            "5,000 bytes; 2 pictures, 0 videos, 3,000 bytes decoded",
        ),
    ],
)
def test_what_it_was_is_told(fields: dict[str, Any], said: str) -> None:
    """Its end, whose it was, tokens, engine, cost."""
    assert said in "\n".join(Story.of(record("req_1", **fields), []).lines())


def test_a_request_that_took_no_time_is_told() -> None:
    """Nothing is divided by nothing."""
    empty = record("req_1", stages=dict.fromkeys(Stage, 0.0), prompt_tokens=0)
    assert any("in all" in line for line in Story.of(empty, week()).lines())
    assert Story.of(empty, []).facts()["furthest_above_median"] is None

"""The estimate against arithmetic done here, and its directions."""

from dataclasses import replace

import pytest

from serving.failure import NotDone
from serving.planner.roofline import (
    DATA_SHEETS,
    ENCODER_PARAMETERS,
    estimate,
    usual_model,
)
from serving.planner.work import Work

WORK = Work(
    prompt_tokens=1000,
    cached_tokens=0,
    picture_tokens=500,
    pictures=1,
    thinking_tokens=900,
    answer_tokens=100,
)
THINKING = "Qwen/Qwen3-VL-8B-Thinking"


def test_a_step_on_an_h100_by_hand() -> None:
    """Weights read at 70 % of 3.35 TB/s, and 2 ms; 144 KiB of keys and values a token."""
    weights = estimate("h100", THINKING, WORK, 1).model.weights
    language = 6_945_767_424 + 151_936 * 4096
    assert weights.step == pytest.approx(2 * language / (0.7 * 3.35e12) + 0.002, rel=1e-6)
    assert weights.output_token == pytest.approx(
        1500 * 147_456 / (0.7 * 3.35e12) + 2 * language / (0.5 * 989e12), rel=1e-6
    )
    causal = 4 * 36 * 4096 * 1000 / 2
    assert weights.prompt_token == pytest.approx(
        (2 * 6_945_767_424 + causal) / (0.5 * 989e12), rel=1e-6
    )


def test_the_encoder_is_what_is_left_of_the_model() -> None:
    """27 layers of 4·1152² + 2·1152·4304 and mergers: 0.4 to 0.7 thousand million."""
    assert 4e8 < ENCODER_PARAMETERS < 7e8
    assert ENCODER_PARAMETERS > 27 * (4 * 1152**2 + 2 * 1152 * 4304)


def test_a_token_of_a_picture_costs_the_same_however_rare_pictures_are() -> None:
    """What the encoder looks at is one picture, not the mean over requests."""
    rare = replace(WORK, prompt_tokens=1000, picture_tokens=50, pictures=0.1)
    often, seldom = (estimate("h100", THINKING, work, 1).model.weights for work in (WORK, rare))
    assert seldom.picture_token == pytest.approx(often.picture_token)


def test_larger_gpus_hold_more() -> None:
    """By the order of their data sheets, for the same model."""
    order = ["l40s", "a100-80g", "h100", "h200", "b200"]
    assert set(order) == set(DATA_SHEETS)
    found = [estimate(gpu, THINKING, WORK, 1).model for gpu in order]
    rates = [model.throughput(WORK, model.most_running) for model in found]
    assert rates == sorted(rates)


def test_two_gpus_hold_less_than_twice_as_much() -> None:
    """Of a step's bytes: what they exchange has its price."""
    one, two = (estimate("h100", THINKING, WORK, gpus).model.weights for gpus in (1, 2))
    assert one.prompt_token / 2 < two.prompt_token < one.prompt_token


def test_eight_bits_are_read_faster() -> None:
    """The FP8 checkpoint has fewer bytes of weights; L40S is served with it."""
    assert usual_model("l40s").endswith("-FP8")
    wide, narrow = (
        estimate("l40s", model, WORK, 1).model.weights for model in (THINKING, f"{THINKING}-FP8")
    )
    assert narrow.step < 0.65 * wide.step


def test_long_requests_run_less_at_once() -> None:
    """The KV cache holds fewer of them than max_num_seqs allows."""
    long = replace(WORK, thinking_tokens=30_000)
    found = estimate("h100", THINKING, long, 1).model.most_running
    assert 1 <= found < estimate("h100", THINKING, WORK, 1).model.most_running == 64


@pytest.mark.parametrize(
    ("gpu", "model", "work", "said"),
    [
        ("h900", None, WORK, "--gpu h900 is not known"),
        ("h100", "tiny-qwen3-vl", WORK, "--model tiny-qwen3-vl cannot be estimated"),
        ("h100", THINKING, replace(WORK, thinking_tokens=1e6), "does not fit the KV cache of h100"),
    ],
)
def test_what_nothing_is_known_of_is_refused(
    gpu: str, model: str | None, work: Work, said: str
) -> None:
    """With the option that is wrong."""
    with pytest.raises(NotDone, match=said):
        estimate(gpu, model or usual_model(gpu), work, 1)

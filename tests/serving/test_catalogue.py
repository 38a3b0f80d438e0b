"""The models known by name: which names find them, whether they think, how they sample."""

import re

import pytest

from serving.catalogue import CATALOGUE, INSTRUCT, THINKING, TINY, Price, entry_for
from serving.options import EngineSettings


@pytest.mark.parametrize(
    ("model", "expected_id", "thinks"),
    [
        ("tiny", TINY, True),
        (THINKING, THINKING, True),
        (f"{THINKING}-FP8", f"{THINKING}-FP8", True),
        (INSTRUCT, INSTRUCT, False),
        ("/models/Qwen3-VL-8B-Thinking", THINKING, True),
        ("/cache/models--Qwen--Qwen3-VL-8B-Instruct/snapshots/0c35", INSTRUCT, False),
        ("someone/tuned-vl", "someone/tuned-vl", False),
        ("someone/Qwen3-VL-8B-Thinking", "someone/Qwen3-VL-8B-Thinking", True),
        ("/models/tuned-vl/", "tuned-vl", False),
        ("someone/tuned-vl-thinking", "someone/tuned-vl-thinking", True),
        ("/", "/", False),
    ],
)
def test_a_model_is_known_by_any_of_its_spellings(
    model: str, expected_id: str, thinks: bool
) -> None:
    """An id, a cloned folder and a snapshot of the hub's cache mean the same model."""
    entry = entry_for(model)

    assert (entry.id, entry.thinks) == (expected_id, thinks)


def test_the_tiny_model_answers_to_the_hosted_names() -> None:
    """Snippets from the hosted pages run unchanged."""
    names = entry_for("tiny").names

    assert {"qwen/qwen3-vl-8b-thinking", "qwen/qwen3-vl-8b-instruct", THINKING} <= set(names)
    assert names[0] == TINY


def test_configured_aliases_come_on_top() -> None:
    """A site's own names do not replace the model's."""
    assert entry_for(THINKING, ["house-model"]).names == (
        THINKING,
        "qwen/qwen3-vl-8b-thinking",
        "house-model",
    )


def test_thinking_is_penalised_for_text_alone_only() -> None:
    """Its card asks for presence penalty 1.5 without pictures and 0 with them."""
    entry = entry_for(THINKING)

    assert entry.sampling_defaults(media=True) == {
        "temperature": 1.0,
        "top_p": 0.95,
        "top_k": 20,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
    }
    assert entry.sampling_defaults(media=False)["presence_penalty"] == 1.5


@pytest.mark.parametrize(
    ("model", "price"),
    [
        (THINKING, Price(0.18, 2.10, 0.35)),
        (f"{THINKING}-FP8", Price(0.18, 2.10, 0.35)),
        (INSTRUCT, Price(0.08, 0.50, 0.0)),
        ("tiny", Price()),
        ("someone/tuned-vl", Price()),
    ],
)
def test_list_prices_are_the_hosted_ones(model: str, price: Price) -> None:
    """USD per million tokens in and out, and the share taken off; what is unknown is free."""
    assert entry_for(model).price == price


def test_a_sites_own_prices_replace_those_it_names() -> None:
    """The others stay."""
    changed = entry_for(THINKING, price={"completion": 1.5, "discount": 0.0}).price

    assert changed == Price(prompt=0.18, completion=1.5, discount=0.0)
    assert entry_for(THINKING).price == Price(0.18, 2.10, 0.35)


def test_the_tiny_model_is_greedy() -> None:
    """A toy's answers are checkable because they do not vary."""
    assert entry_for("tiny").sampling_defaults(media=True) == {"temperature": 0.0}


def test_every_end_of_thought_closes_it() -> None:
    """A thought over budget ends with the tag the parser looks for."""
    assert all(entry.reasoning_end_text.endswith("</think>") for entry in CATALOGUE.values())


@pytest.mark.parametrize("model", [THINKING, INSTRUCT])
def test_published_weights_never_change_unseen(model: str) -> None:
    """A known model is served at a commit, unless another is asked for; others are not."""
    assert re.fullmatch("[0-9a-f]{40}", CATALOGUE[model].revision or "")
    assert EngineSettings(model=model).revision == CATALOGUE[model].revision
    assert EngineSettings(model=model, revision="main").revision == "main"
    for other in (f"{model}-FP8", f"someone/{model.partition('/')[2]}", "tiny"):
        assert EngineSettings(model=other).revision is None

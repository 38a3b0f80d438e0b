"""The model card beside the checkpoint says what was measured, and what it must say."""

import json
from pathlib import Path

import pytest

from serving.tiny_model import exam

FOLDER = Path(exam.__file__).with_name("checkpoint")


@pytest.fixture
def card() -> str:
    """The committed card."""
    if not (FOLDER / "README.md").exists():
        pytest.skip("the tiny model has no checkpoint; enable: make train")
    return (FOLDER / "README.md").read_text()


def test_the_card_has_what_a_reader_looks_for(card: str) -> None:
    """Licence, origin, architecture, template, training and scores are there."""
    assert "license: apache-2.0" in card
    assert "not made by the Qwen team" in card
    assert "no weights, no tokenizer and no template text" in card
    for heading in ("What it can do", "Architecture", "Chat template", "Training", "Measured"):
        assert f"\n## {heading}\n" in card


def test_the_card_shows_the_scores_that_were_measured(card: str) -> None:
    """Every figure is that of scores.json, every task passed, and none is left out."""
    shares = json.loads((FOLDER / "scores.json").read_text())["shares"]
    greedy, sampled = shares.values()
    assert list(greedy) == list(sampled) == list(exam.TASKS)
    for task in exam.TASKS:
        assert f"| {task} | {greedy[task]:.1%} | {sampled[task]:.1%} |" in card
        assert min(greedy[task], sampled[task]) >= 0.95

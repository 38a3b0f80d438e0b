"""What counts as a right answer."""

from __future__ import annotations

import pytest

from serving.verify.judgement import names, shipped_pictures


@pytest.mark.parametrize(
    ("text", "words", "holds"),
    [
        pytest.param("red", ["red"], True, id="the word"),
        pytest.param("**Red**.", ["red"], True, id="dressed up"),
        pytest.param("The shape is red, as you see.", ["red"], True, id="in a sentence"),
        pytest.param("It is bored.", ["red"], False, id="within another word"),
        pytest.param("12 + 7 = 19", ["19"], True, id="number"),
        pytest.param("190", ["19"], False, id="longer number"),
        pytest.param("Three circles", ["3", "three"], True, id="spelt out"),
        pytest.param("", ["red"], False, id="nothing"),
        pytest.param("anything", [], False, id="no words"),
    ],
)
def test_names_finds_whole_words(text: str, words: list[str], holds: bool) -> None:
    """Case and surroundings do not matter; a part of a word is another word."""
    assert names(text, words) is holds


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        pytest.param("red", True, id="as the tiny model says it"),
        pytest.param("The shape is **red**.", True, id="as a large model says it"),
        pytest.param("blue", False, id="wrong"),
        pytest.param("Red or blue.", False, id="both"),
        pytest.param("", False, id="empty"),
    ],
)
def test_an_answer_with_a_rival_is_wrong(answer: str, right: bool) -> None:
    """Naming everything does not pass."""
    picture = next(each for each in shipped_pictures() if each.accepted == (("red",),))
    assert picture.is_answered_by(answer) is right


def test_a_description_needs_every_group() -> None:
    """Count, colour and kind all have to be there."""
    picture = next(each for each in shipped_pictures() if len(each.accepted) == 3)
    words = [group[0] for group in picture.accepted]
    assert picture.is_answered_by(" ".join(words))
    assert not any(picture.is_answered_by(word) for word in words)

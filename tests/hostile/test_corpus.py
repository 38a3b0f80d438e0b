"""The corpus itself: the same for the same seed, and its judge takes no wrong answer."""

import itertools

from tests.hostile import Case, Decoys, corpus

COUNT = 120


def test_a_seed_gives_the_same_cases_again():
    """A failure can be repeated, and another seed gives others."""
    with Decoys([]) as decoys:
        first, again, other = (list(corpus(seed, COUNT, decoys)) for seed in (1, 1, 2))
    assert first == again
    assert sum(a.body == b.body for a, b in zip(first, other, strict=True)) < COUNT / 2


def test_cases_are_told_apart_by_their_names():
    """A report names each."""
    with Decoys([]) as decoys:
        names = [case.name for case in itertools.islice(corpus(3, COUNT, decoys), COUNT)]
    assert len(set(names)) == COUNT


def test_a_judge_takes_right_answers_only():
    """A refusal with its code, or an answer where the case may be harmless."""
    case = Case("case", b"", frozenset({"invalid_json"}))
    harmless = Case("case", b"", frozenset({"invalid_json"}), may_pass=True)
    assert case.judge(400, "invalid_json") is None
    assert harmless.judge(200, None) is None
    assert case.judge(200, None)
    assert case.judge(400, "internal_error")
    assert harmless.judge(500, "invalid_json")

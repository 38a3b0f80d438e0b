"""Conversations grow by turns that are known before, and needles lie at any depth."""

import random
from itertools import islice, pairwise

import pytest

from loadtests.failure import LoadError
from loadtests.scenario import Served
from loadtests.workloads.talk import CHAT, LONG_CONTEXT, MULTI_TURN

REAL, TOY = Served("m", "Qwen3-VL-8B", 262_144), Served("m", "tiny-qwen3-vl", 16_384)


def drawn(workload, served, count, seed=1):
    """Return the first prompts."""
    return list(islice(workload.prompts(random.Random(seed), served), count))


def test_a_chat_has_text_before_its_question():
    """Of different lengths, never the same."""
    texts = [p.messages[0]["content"] for p in drawn(CHAT, REAL, 300)]
    assert len(set(texts)) == 300
    assert sum(len(text) > 4 * 582 for text in texts) == pytest.approx(150, abs=40)
    assert all(text.split("\n\n")[-1].startswith("What is ") for text in texts)


def test_a_toy_model_gets_bare_questions():
    """With text before them it would talk nonsense."""
    assert all(len(p.messages[0]["content"]) < 30 for p in drawn(CHAT, TOY, 50))


def test_each_turn_holds_the_turns_before_it():
    """The history is a prefix, so that a prefix cache can hold it; conversations are numbered."""
    conversations = {}
    for prompt in drawn(MULTI_TURN, REAL, 200):
        conversations.setdefault(prompt.conversation, []).append(prompt)
    finished = [prompts for prompts in conversations.values() if len(prompts) == 6]
    assert len(finished) >= 20
    for prompts in finished:
        assert [p.turn for p in prompts] == list(range(6))
        assert [p.kind for p in prompts] == [f"turn {n}" for n in range(1, 7)]
        for earlier, later in pairwise(prompts):
            assert later.messages[: len(earlier.messages)] == earlier.messages
            said = later.messages[len(earlier.messages)]
            assert said["role"] == "assistant"
            assert earlier.right(said["content"], "[]")


def test_the_next_turn_comes_after_other_conversations():
    """Eight requests later, so that its history is in the cache by then."""
    asked = [(p.conversation, p.turn) for p in drawn(MULTI_TURN, REAL, 16)]
    assert asked == [(n, 0) for n in range(8)] + [(n, 1) for n in range(8)]


def test_a_needle_stands_once_at_any_depth():
    """In a text of nearly the context's size, at four bytes a token."""
    depths = []
    for prompt in drawn(LONG_CONTEXT, Served("m", "m", 40_000), 12):
        assert prompt.kind == "32k"
        text, key = prompt.messages[0]["content"], prompt.right.words[0]
        assert text.count(key) == 1
        assert f"to locker {text[-5:-1].strip()}" in text
        assert 0.98 < (len(text) / 4 + prompt.max_tokens) / 32_768 <= 1
        depths.append(text.index(key) / len(text))
    assert min(depths) < 0.3
    assert max(depths) > 0.6


def test_no_context_begins_like_another():
    """What a shorter one had in common with a longer one would come from the prefix cache."""
    texts = [prompt.messages[0]["content"] for prompt in drawn(LONG_CONTEXT, REAL, 6)]
    assert len({text[:200] for text in texts}) == 6


def test_turns_together_are_as_long_as_a_conversation():
    """Half of all conversations have a text of no more than 582 tokens, and so many a longer one.

    A turn has at least a sentence, and one more than it is due.
    """
    last = [p for p in drawn(MULTI_TURN, REAL, 3000) if p.turn == 5]
    asked = [[m["content"] for m in prompt.messages if m["role"] == "user"] for prompt in last]
    sizes = [len(one[0][1]["text"]) + sum(map(len, one[1:])) for one in asked]
    assert sum(size < 4 * 582 + 6 * 90 for size in sizes) == pytest.approx(len(sizes) / 2, rel=0.25)
    assert sum(size > 4 * 1427 for size in sizes) > 0.15 * len(sizes)


def test_long_contexts_take_turns_as_far_as_they_fit():
    """All three where the model has 256k, none on a toy model."""
    kinds = [p.kind for p in drawn(LONG_CONTEXT, REAL, 3)]
    assert kinds == ["32k", "128k", "256k"]
    with pytest.raises(LoadError, match="32k needs about 32,"):
        drawn(LONG_CONTEXT, TOY, 1)


@pytest.mark.parametrize("workload", [CHAT, MULTI_TURN], ids=["chat", "multi-turn"])
def test_no_prompt_is_longer_than_its_kind_says(workload):
    """At four bytes a token, without the picture, and with some prompts close to it."""
    [kind] = workload.kinds
    sizes = []
    for prompt in drawn(workload, REAL, 1500):
        contents = [message["content"] for message in prompt.messages]
        sizes.append(sum(len(text) for text in contents if isinstance(text, str)) / 4)
        assert prompt.max_tokens == kind.max_tokens
    assert kind.prompt_tokens / 4 < max(sizes) < kind.prompt_tokens + 64

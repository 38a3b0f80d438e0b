"""Mixed traffic keeps its shares, and a mistake in the file of shares is named."""

import logging
import math
import random
from collections import Counter
from itertools import islice

import pytest
import yaml

from loadtests.failure import LoadError
from loadtests.scenario import Served
from loadtests.scenarios import SCENARIOS
from loadtests.scenarios.mixed import SHARES, kinds, prompts, read_shares
from loadtests.workloads import encoded
from loadtests.workloads.workload import say_left_out

DRAWN = 3000
REAL = Served("m", "Qwen3-VL-8B", 262_144)
TOY = Served("m", "tiny-qwen3-vl", 16_384)


def test_shares_hold():
    """Every part's count lies within four standard deviations of a binomial draw."""
    shares = yaml.safe_load(SHARES.read_text())["shares"]
    drawn = Counter(prompt.kind for prompt in islice(prompts(random.Random(1), TOY), DRAWN))
    rows = dict(zip(kinds(), shares.values(), strict=True))
    assert set(drawn) == set(rows)
    for kind, parts in rows.items():
        share = parts / sum(shares.values())
        spread = math.sqrt(DRAWN * share * (1 - share))
        assert abs(drawn[kind] - DRAWN * share) < 4 * spread + 6, kind


@pytest.mark.parametrize("name", ["short-chat", "json-schema", "multi-turn"])
def test_no_other_scenario_sends_the_same(name):
    """With the same seed and one run after the other, what is cold stays cold."""
    mixed, other = (SCENARIOS[each].prompts(random.Random(1), REAL) for each in ("mixed", name))
    sent = {encoded(prompt, "m") for prompt in islice(mixed, 100)}
    assert not sent & {encoded(prompt, "m") for prompt in islice(other, 40)}


def test_conversations_keep_their_numbers():
    """A row of its own, and turns that follow each other."""
    asked = [p for p in islice(prompts(random.Random(1), TOY), 400) if p.kind == "multi-turn"]
    turns = {}
    for prompt in asked:
        turns.setdefault(prompt.conversation, []).append(prompt.turn)
    assert all(seen == list(range(len(seen))) for seen in turns.values())
    assert max(map(len, turns.values())) > 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("share: {}", "no file of shares: .*unknown field `share`", id="typo"),
        pytest.param("shares: {}", "holds no shares", id="empty"),
        pytest.param(
            "shares: {pictur/720p JPEG cold: 1}",
            "no part 'pictur/720p JPEG cold'; the nearest is 'picture/720p JPEG cold'",
            id="unknown part",
        ),
        pytest.param("shares: {video: 0}", "the share of video is 0; give more", id="zero"),
        pytest.param("shares: {video: .inf}", "the share of video is inf", id="infinite"),
        pytest.param("shares: {video: a}", r"Expected `float`, got `str` - at `\$", id="word"),
        pytest.param("shares: [", "is no file of shares", id="no YAML"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, text, said):
    """With the nearest known part."""
    path = tmp_path / "mixed.yaml"
    path.write_text(text)
    with pytest.raises(LoadError, match=said):
        read_shares(path)


def test_parts_that_do_not_fit_are_left_out(caplog):
    """A short context has no room for pictures of 1080p; the others keep their proportions."""
    say_left_out.cache_clear()
    caplog.set_level(logging.WARNING)
    drawn = Counter(p.kind for p in islice(prompts(random.Random(1), Served("m", "m", 4150)), 300))
    assert drawn
    assert not any("1080p" in kind for kind in drawn)
    said = [record.getMessage() for record in caplog.records]
    assert any(text.startswith("Left out: 1080p JPEG cold needs about ") for text in said)

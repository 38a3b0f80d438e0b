"""What an objectives file may say, and what is said to one that errs."""

from pathlib import Path

import pytest
import yaml

from loadtests.failure import LoadError
from loadtests.statistics.objectives import FOLDER, Objective, parse_objectives, read_objectives

TTFT = {"metric": "ttft", "percentile": 95, "at_most_seconds": 2, "reason": "people wait"}
ANSWERED = {"metric": "answered", "at_least": 0.99, "reason": "people ask once"}


def parse(*entries):
    """Parse objectives as a file would have them."""
    return parse_objectives({"objectives": list(entries)}, Path("mine.yaml"))


def test_the_default_is_what_the_project_promises():
    """Four limits, each in its own words."""
    texts = [objective.text for objective in read_objectives("default").objectives]
    assert texts == [
        "ttft p95 <= 2 s",
        "ttfat p95 <= 30 s",
        "tpot p95 <= 50 ms",
        "answered >= 99 %",
    ]


def test_hosted_pages_are_compared_with_by_their_figures():
    """120 ms, 80 tokens/s a stream, 220 ms an image, 12 images/s, 99.9 %."""
    texts = [objective.text for objective in read_objectives("hosted").objectives]
    assert texts == [
        "ttft p50 <= 120 ms",
        "stream_tokens_per_second p50 >= 80",
        "picture_ttft p50 <= 220 ms",
        "images_per_second >= 12",
        "answered >= 99.9 %",
    ]


def test_every_shipped_limit_has_its_reason_beside_it():
    """The content that a summary keeps holds the reasons, and the name."""
    names = [file.stem for file in FOLDER.glob("*.yaml")]
    assert {"default", "hosted"} <= set(names)
    for name in names:
        content = read_objectives(name).content
        assert content["name"] == name
        assert all(len(entry["reason"]) > 40 for entry in content["objectives"])


def test_a_file_of_ones_own_is_read_by_its_path(tmp_path):
    """Kinds narrow an objective, and its text says so."""
    file = tmp_path / "mine.yml"
    file.write_text(yaml.safe_dump({"objectives": [TTFT | {"kinds": ["picture", "video"]}]}))
    found = read_objectives(str(file))
    assert found.name == "mine"
    assert found.objectives == (Objective("ttft", 2.0, 0.95, ("picture", "video")),)
    assert found.objectives[0].text == "ttft p95 (picture, video) <= 2 s"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        pytest.param(TTFT | {"percentil": 95}, "unknown key 'percentil'. Did you mean percentile?"),
        pytest.param(TTFT | {"metric": "ttfatt"}, "unknown metric 'ttfatt'. Did you mean ttfat?"),
        pytest.param(TTFT | {"metric": "zzz"}, "unknown metric 'zzz'. There are ttft, ttfat"),
        pytest.param({"percentile": 95}, "unknown metric ''"),
        pytest.param({**TTFT, "at_least": 2}, "ttft has no 'at_least'; it takes at_most_seconds"),
        pytest.param(ANSWERED | {"percentile": 95}, "answered has no 'percentile'"),
        pytest.param({k: v for k, v in TTFT.items() if k != "percentile"}, "needs 'percentile'"),
        pytest.param({k: v for k, v in TTFT.items() if k != "reason"}, "ttft needs 'reason'"),
        pytest.param(TTFT | {"reason": "  "}, "`reason` must say in words"),
        pytest.param(TTFT | {"reason": 5}, "`reason` must say in words"),
        pytest.param(TTFT | {"kinds": "picture"}, "'kinds' must be a list"),
        pytest.param(TTFT | {"kinds": [""]}, "'kinds' must be a list"),
        pytest.param("ttft", "objective 1 must be a mapping with the keys metric"),
    ],
)
def test_a_slip_is_named_with_its_place(entry, told):
    """The message says which objective, and the nearest known name."""
    with pytest.raises(LoadError) as caught:
        parse(entry)
    assert str(caught.value).startswith("mine.yaml, objective 1")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "good", "bad"),
    [
        pytest.param({"metric": "ttft", "percentile": 50}, (0.001, 86_400), (0, -1, 86_401)),
        pytest.param({"metric": "answered"}, (0.001, 1), (0, 1.001, 99)),
        pytest.param({"metric": "images_per_second"}, (0.1, 1e9), (0, float("inf"))),
    ],
)
def test_a_limit_is_kept_within_its_range(entry, good, bad):
    """Both sides of each end; text, yes and not-a-number are no limits."""
    key = "at_most_seconds" if entry["metric"] == "ttft" else "at_least"
    for value in good:
        assert parse(entry | {key: value, "reason": "r"}).objectives[0].limit == value
    for value in (*bad, "2", True, float("nan"), None):
        with pytest.raises(LoadError, match=rf"'{key}' must be a number over 0"):
            parse(entry | {key: value, "reason": "r"})


@pytest.mark.parametrize(
    ("percentile", "right"), [(50, 1), (99.9, 1), (49, 0), (99.95, 0), ("9", 0)]
)
def test_a_percentile_is_from_50_to_99_9(percentile, right):
    """Others are not summarised."""
    if right:
        assert parse(TTFT | {"percentile": percentile}).objectives[0].percentile == pytest.approx(
            percentile / 100
        )
    else:
        with pytest.raises(LoadError, match=r"must be from 50 to 99\.9, not"):
            parse(TTFT | {"percentile": percentile})


def test_one_thing_is_limited_once():
    """Two limits of one percentile contradict each other; two percentiles do not."""
    assert len(parse(TTFT, TTFT | {"percentile": 50}).objectives) == 2
    with pytest.raises(LoadError, match="ttft p95 is limited twice"):
        parse(TTFT, TTFT | {"at_most_seconds": 3})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("[]", "must be a mapping with the keys about, objectives"),
        pytest.param("objectives: []", "at least one objective"),
        pytest.param("objectves: []", "unknown key 'objectves'. Did you mean objectives?"),
        pytest.param("a: [", "are no YAML"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, text, told):
    """In one sentence with the file's name."""
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(LoadError) as caught:
        read_objectives(str(file))
    assert told in str(caught.value)
    assert str(file) in str(caught.value)


def test_unknown_objectives_are_named_with_the_nearest():
    """A name is one of loadtests/slo, a path is a file."""
    with pytest.raises(LoadError, match=r"no objectives 'defualt'.*Did you mean default"):
        read_objectives("defualt")
    with pytest.raises(LoadError, match="cannot be read"):
        read_objectives("/nowhere/mine.yaml")

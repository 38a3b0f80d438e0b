"""The table and the JSON that a summary becomes."""

import json
import math

import pytest

from loadtests.report import as_json, table
from loadtests.summary import Phase, Row, Summary, spread

RUN = {
    "scenario": "mixed",
    "url": "http://127.0.0.1:8000/v1",
    "model_asked": "qwen/qwen3-vl-8b-thinking",
    "users": 4,
    "seed": 1,
    "vllm_version": "0.32.0",
    "git_commit": "abc",
    "machine": {"cpu": "a cpu", "cores": 2, "gpu": None},
}
PHASE = Phase(warmup_seconds=3, load_seconds=30, in_flight_at_end=2, drain_seconds=1.5)


def summary(values, **changes):
    """Return a summary of one row whose times are `values`."""
    row = Row("all", len(values), 1, 3, 250.0, spread(values), spread(values), spread(values))
    fields = {
        "rows": (row,),
        "failures": {"no answer (text)": 1},
        "warmup_requests": 4,
        "warmup_failures": 0,
        "cut_answers": 0,
        "without_usage": 0,
        "repeated_pictures": 0,
        "models": {"tiny-qwen3-vl": 12},
        "phase": PHASE,
    }
    return Summary(**(fields | changes))


def row_of(text, title):
    """Return the cells of the row below a block's title."""
    lines = text.splitlines()
    return lines[lines.index(title) + 2].split()


def test_a_figure_stands_with_the_model_that_answered():
    """The table names the model that answered, and the one asked for where that is another."""
    text = table(summary([0.5] * 12), RUN)
    assert text.startswith("mixed on http://127.0.0.1:8000/v1: tiny-qwen3-vl answered")
    assert "(asked for qwen/qwen3-vl-8b-thinking)" in text
    assert "tokens per second are those of tiny-qwen3-vl" in text
    assert "250.0" in text


def test_a_percentile_without_its_sample_is_a_dash():
    """12 requests speak of the median and of nothing above it."""
    text = table(summary([0.5] * 12), RUN)
    cells = ["all", "12", "500.0", "500.0", "–", "–", "–", "500.0"]
    assert row_of(text, "time to first token, ms") == cells


def test_a_time_that_never_came_is_never():
    """Failures show as what they are for the one who waits, in table and JSON."""
    late = summary([0.5] * 6 + [math.inf] * 6)
    assert row_of(table(late, RUN), "time to first answer token, ms")[-1] == "never"
    told = json.loads(json.dumps(as_json(late), allow_nan=False))
    assert told["rows"][0]["first_answer"]["most"] == "never"
    assert told["rows"][0]["first_answer"]["percentiles"] == [0.5, None, None, None]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({}, "failures: 1 × no answer (text)", id="failures"),
        pytest.param({}, "in flight at the end: 2, awaited 1.5 s", id="drain"),
        pytest.param({"warmup_failures": 2}, "in the warm-up: 2 of 4", id="warm-up"),
        pytest.param({"cut_answers": 3}, "cut off by max_tokens: 3", id="cut answers"),
        pytest.param({"without_usage": 4}, "without usage", id="no usage"),
        pytest.param({"repeated_pictures": 5}, "perhaps cached: 5", id="repeats"),
        pytest.param({"rows": ()}, "nothing is measured", id="nothing"),
        pytest.param({"models": {}}, "no model answered", id="no model"),
    ],
)
def test_what_limits_a_result_is_printed_with_it(changes, words):
    """Whoever reads the table reads its limits."""
    assert words in table(summary([0.5] * 12, **changes), RUN)


def test_lines_fit_a_terminal():
    """No line is longer than 100 characters."""
    assert max(map(len, table(summary([0.5] * 12), RUN).splitlines())) <= 100

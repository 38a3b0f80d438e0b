"""What the console shows: at the end of a run, and while it lasts."""

from pathlib import Path

import msgspec
import pytest

from loadtests.report import progress_line, table
from loadtests.report.folder import SUMMARY, Run
from loadtests.report.verdict import measured_words
from loadtests.result import Judgement, Met, read_summary
from loadtests.swarm.orders import Progress
from tests.loadtests.samples import GOOD, VALID, change, run_of, step_of

WIDEST = 110


def test_the_verdict_comes_first(run: Run) -> None:
    """Which run, what became of it, then a line for each step."""
    lines = table(run.summary).splitlines()
    assert lines[0] == "mixed on http://127.0.0.1:8000/v1: tiny-qwen3-vl answered"
    assert lines[1] == f"VALID · objectives met: {run.summary.verdict.sentence}"
    steps = [line for line in lines if line.split(" ")[0].isdigit()]
    assert [line.split(" ")[0] for line in steps] == ["1", "2", "4", "8", "16", "32"]
    assert [("best" in line) for line in steps].count(True) == 1
    assert max(map(len, lines)) <= WIDEST


def test_figures_are_those_of_the_step_that_stands_for_the_run(run: Run) -> None:
    """Percentiles of the best step, a dash where there are too few, and the objectives."""
    text = table(run.summary)
    step = run.shown_step
    assert step is not None
    (line,) = [each for each in text.splitlines() if each.startswith("Time to first token")]
    cells = line.split()
    assert cells[4] == str(step.all.requests)
    assert cells[-4:] == ["–", "–", "–", "never"] or cells[-3:] == ["–", "–", "never"]
    assert "TTFT p95 ≤ 0.5 s: met" in text
    assert "timing error: p50 41 µs, p99 310 µs, allowed 1.00 ms" in text


def test_what_limits_a_result_is_printed_with_it(folder: Path) -> None:
    """INVALID or partial, what was cut off, and another model than the one asked for."""
    summary = read_summary(folder / SUMMARY)
    verdict = msgspec.structs.replace(summary.verdict, measurement="INVALID", partial="cut")
    step = msgspec.structs.replace(summary.steps[0], censored=3, settling_failures=2)
    text = table(
        msgspec.structs.replace(
            summary,
            verdict=verdict,
            steps=(step,),
            models={"another": 3},
        )
    )
    for words in (
        "INVALID · PARTIAL: cut · objectives met",
        "note: 1 user: 3 still ran when the wait was over, and count as failed",
        "note: 1 user: 2 of 4 requests failed while it settled",
        "note: asked for tiny-qwen3-vl, answered by another",
    ):
        assert words in text


def test_a_run_without_steps_says_that_nothing_is_measured(folder: Path) -> None:
    """There is a table of it, too."""
    summary = msgspec.structs.replace(read_summary(folder / SUMMARY), steps=(), models={})
    text = table(summary)
    assert "no model answered" in text
    assert "note: no step was counted: nothing is measured" in text


@pytest.mark.parametrize(
    ("objective", "limit", "measured", "words"),
    [
        ("ttft p95 <= 2 s", 2.0, 2.003, "just over 2.00 s"),
        ("ttft p95 <= 2 s", 2.0, 1.999, "just under 2.00 s"),
        ("ttft p95 <= 2 s", 2.0, 2.0, "2.00 s"),
        ("ttft p95 <= 2 s", 2.0, 2.01, "2.01 s"),
        ("ttft p95 <= 2 s", 2.0, "never", "never"),
        ("answered >= 99 %", 0.99, 0.98995, "just under 99 %"),
        ("images_per_second >= 12", 12.0, 11.98, "just under 12.0"),
    ],
)
def test_a_figure_beside_its_limit_says_on_which_side_it_is(
    objective: str, limit: float, measured: float | str, words: str
) -> None:
    """Rounded alike, a miss would look like a mistake."""
    judged = Judgement(
        objective=objective, measured=measured, limit=limit, met=Met.MISSED, sure=True
    )  # type: ignore[arg-type]
    assert measured_words(judged) == words


def test_an_invalid_run_decides_nothing() -> None:
    """What was measured is there; neither a step nor an objective is met or missed."""
    run = run_of(step_of([GOOD] * 400), certificate=change(VALID, valid=False))
    text = table(run)
    assert "answered ≥ 99 %: undecided (100 %)\n" in text
    assert "met" not in text.replace("metronome", "").lower()


def test_progress_is_one_line() -> None:
    """Of one width at most, with failures only where there are any."""
    at = Progress(elapsed_seconds=4, in_flight=8, sent=131, answered=123, tokens=8000)
    line = progress_line(at)
    assert line == "    4 s  131 sent, 123 answered, 8 in flight, 2,000 tokens/s"
    failed = progress_line(msgspec.structs.replace(at, failed=2))
    assert "123 answered, 2 FAILED, 8 in flight" in failed
    huge = Progress(
        elapsed_seconds=9999,
        in_flight=10**6,
        sent=10**9,
        answered=10**9,
        failed=10**9,
        tokens=10**12,
    )
    assert len(progress_line(huge)) <= 100
    assert "0 tokens/s" in progress_line(Progress())

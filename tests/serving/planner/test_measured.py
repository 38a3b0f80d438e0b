"""Curves as the load tests write them: both sides agree on the file, and bad ones are refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests import result
from serving.failure import NotDone
from serving.planner.measured import read_curves
from tests.serving.planner.measured_steps import USERS, closed, summary, write
from tests.serving.planner.simulated import Engine

WORK = result.Work(
    requests=1.0,
    prompt_tokens=100.0,
    cached_tokens=10.0,
    image_tokens=40.0,
    video_tokens=2.0,
    images=0.5,
    reasoning_tokens=60.0,
    answer_tokens=8.0,
)
SPREAD = result.Spread(
    n=200, mean=0.5, p50=result.Quantile(value=0.4), p90=result.Quantile(value="never")
)
SHARE = result.Share(part=99, whole=100, value=0.995)
ROW = result.Row(
    kind="all",
    requests=200,
    failures={},
    right=SHARE,
    answered=SHARE,
    good=SHARE,
    good_per_second=1.0,
    in_flight=3.9,
    per_second=WORK,
    mean=WORK,
    truncated=0,
    without_usage=0,
    cost_usd=None,
    **dict.fromkeys(
        (
            "ttft", "ttfat", "thinking", "tpot", "answer_tpot", "itl", "e2e", "service_ttft",
            "service_ttfat", "lateness", "upload", "output_speed",
        ),
        SPREAD,
    ),
)  # fmt: skip
STEP = result.StepResult(
    index=0,
    label="4 users",
    users=4,
    rate_per_second=None,
    until_rate_per_second=None,
    arrivals=None,
    began_seconds=0.0,
    counted_from_seconds=3.0,
    ended_seconds=12.0,
    drain_seconds=0.1,
    in_flight_at_end=4,
    censored=0,
    settling_requests=9,
    settling_failures=0,
    rows=(ROW,),
    judgements=(),
    met=result.Met.MET,
)
CERTIFICATE = result.Certificate(
    valid=True,
    reasons=(),
    timing_error_p50_seconds=1e-5,
    timing_error_p99_seconds=1e-4,
    timing_samples=100,
    timing_bound_seconds=1e-3,
    send_lateness_p99_seconds=1e-4,
    client_cpu_share=0.1,
    events_per_second=10.0,
    events_per_core_second=20_000.0,
    round_trip_seconds=1e-4,
    clock="kernel",
)
VERDICT = result.Verdict(
    measurement="VALID", partial=None, objectives=result.Met.MET, sentence="", best_step=0
)
WHOLE = result.Summary(
    run={"scenario": "mixed", "git_commit": "abc123", "date": "2026-11-21"},
    verdict=VERDICT,
    certificate=CERTIFICATE,
    objectives={"objectives": []},
    steps=(STEP,),
    models={"tiny-qwen3-vl": 200},
)


def test_a_summary_is_read_as_the_load_tests_write_it(tmp_path: Path) -> None:
    """Through both programs' own code; a time that never came is no time."""
    path = tmp_path / "summary.json"
    result.write_summary(path, WHOLE)
    [curve] = read_curves(path)
    assert curve.model == "tiny-qwen3-vl"
    assert curve.source == f"{path}, scenario mixed, commit abc123, date 2026-11-21"
    [point] = curve.points
    assert (point.users, point.requests, point.requests_per_second) == (4, 200, 1.0)
    assert point.work.picture_tokens == 42
    assert point.work.new_text_tokens == 48
    assert point.work.output_tokens == 68
    assert point.means == dict.fromkeys(("ttft", "ttfat", "tpot", "e2e"), 0.5)
    assert point.quantiles == {(name, "p50"): 0.4 for name in point.means}
    assert (point.good_share, point.answered_share) == (0.995, 0.995)
    assert (curve.invalid, curve.partial, curve.synthetic) == (None, None, False)


def test_a_baseline_holds_several(tmp_path: Path) -> None:
    """With the GPU they are of, and whether the weights mean anything."""
    one = summary([closed(Engine(), users, 50) for users in USERS])
    baseline = {"schema": 1, "gpu": "h200", "synthetic": True, "summaries": [one, one]}
    curves = read_curves(write(tmp_path / "h200.json", baseline))
    assert [(curve.gpu, curve.synthetic, len(curve.points)) for curve in curves] == [
        ("h200", True, len(USERS))
    ] * 2


def test_steps_that_say_nothing_are_left_out(tmp_path: Path) -> None:
    """Open loops silently, closed ones with their reason."""
    points = [closed(Engine(), users, 50) for users in USERS[:4]]
    points[1] = replace(points[1], requests=3)
    points[2] = replace(points[2], answered_share=0.9)
    document = summary(points)
    document["steps"][3]["users"] = None
    [curve] = read_curves(write(tmp_path / "summary.json", document))
    assert [point.users for point in curve.points] == [1]
    assert curve.left_out == (
        "2 users: fewer than 5 requests were counted",
        "4 users: less than 99% of its requests were answered",
    )


def test_faults_of_a_measurement_come_with_their_reason(tmp_path: Path) -> None:
    """Why it is INVALID, and why it is partial."""
    verdict = {"measurement": "INVALID", "partial": "a worker was lost"}
    document = summary([], verdict=verdict, certificate={"reasons": ["late", "slow"]})
    [curve] = read_curves(write(tmp_path / "summary.json", document))
    assert (curve.invalid, curve.partial) == ("late; slow", "a worker was lost")


def changed(**fields: Any) -> str:
    """Return a summary's text with some fields changed."""
    return json.dumps(summary([], **fields))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read: No such file", id="absent"),
        pytest.param("{", "is no summary of a load test", id="not JSON"),
        pytest.param("[]", "is no summary of a load test", id="a list"),
        pytest.param("{}", "missing required field `schema`", id="empty"),
        pytest.param(changed(schema=2), "has schema 2; this program reads 1", id="schema"),
        pytest.param(changed(steps=[{"users": "4"}]), "$.steps[0].users", id="field"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str | None, said: str) -> None:
    """With the option, the file and what is wrong with it."""
    path = tmp_path / "summary.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NotDone) as refused:
        read_curves(path)
    assert str(refused.value).startswith(f"--curve {path} ")
    assert said in str(refused.value)

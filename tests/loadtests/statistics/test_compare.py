"""What is said of two sides of runs."""

import math
import random
from statistics import fmean, stdev

import msgspec
import pytest

from loadtests.failure import LoadError
from loadtests.result import write_summary
from loadtests.shapes import Users
from loadtests.statistics.compare import METRICS, Says, between_runs, compare
from loadtests.statistics.intervals import Estimate
from loadtests.statistics.pooling import Part, weighted
from loadtests.statistics.sides import read_result, read_side
from tests.loadtests.samples import GOOD, LOST, VALID, at, change, numbered, run_of, step_of

SIZE = 400


def requests(seed, factor=1.0, size=SIZE):
    """Return requests whose times are log-normal with a spread of 25 %."""
    generator = random.Random(seed)
    for _ in range(size):
        first = factor * generator.lognormvariate(-0.7, 0.25)
        due, after = generator.uniform(3, 32), factor * generator.lognormvariate(0, 0.1)
        yield at(
            due,
            first_token_seconds=first,
            first_answer_seconds=first + after / 2,
            last_token_seconds=first + after,
            done_seconds=first + after,
        )


def run(seed, factor=1.0, **told):
    """Return a run of one step of four users."""
    return run_of(step_of(requests(seed, factor)), **told)


def found(comparison, name):
    """Return the one change of a metric."""
    return next(c for c in comparison.changes if c.metric.name == name)


@pytest.mark.parametrize("factor", [1.3, 1 / 1.3])
def test_a_large_change_is_seen_with_its_size(factor):
    """30 % slower is worse in times and in speed; faster is better in both."""
    comparison = compare([run(1)], [run(2, factor)])
    says = Says.WORSE if factor > 1 else Says.BETTER
    for name in ("ttft p50", "ttfat p50", "tpot p50", "e2e p50", "output_speed p50"):
        change = found(comparison, name)
        assert change.says is says, name
        assert not change.sure
        assert change.low < change.change < change.high
    assert found(comparison, "ttft p50").low < factor - 1 < found(comparison, "ttft p50").high


def test_the_same_load_twice_is_within_the_noise():
    """Over 20 pairs without a change, an interval of 95 % is seldom wrong."""
    runs = [run_of(step_of(requests(n, size=100))) for n in range(40)]
    pairs = [compare([left], [right]) for left, right in zip(runs[::2], runs[1::2], strict=True)]
    for name in ("ttft p50", "tpot p50", "output tokens per second"):
        wrong = sum(found(pair, name).says is not Says.NOISE for pair in pairs)
        assert wrong <= 4, name  # one is expected


def test_one_run_a_side_is_never_sure():
    """Runs may vary more than requests do, and nobody knows."""
    text = compare([run(1)], [run(2, 1.5)]).text()
    assert "worse, not sure" in text
    assert "Give several runs of each side." in text


def test_runs_that_vary_more_than_their_requests_hide_a_change():
    """Before 1.0 and 1.3, after 1.15 and 1.5: requests alone would be sure of it."""
    before, after = [run(1, 1.0), run(2, 1.3)], [run(3, 1.15), run(4, 1.5)]
    change = found(compare(before, after), "ttft p50")
    assert (change.says, change.sure) == (Says.NOISE, False)
    alone = found(compare(before[:1], after[:1]), "ttft p50")
    assert alone.says is Says.WORSE


def test_several_runs_that_agree_are_sure():
    """Three a side, 20 % apart."""
    change = found(
        compare([run(n) for n in (1, 2, 3)], [run(n, 1.2) for n in (4, 5, 6)]), "tpot p50"
    )
    assert (change.says, change.sure) == (Says.WORSE, True)
    assert change.change == pytest.approx(0.2, abs=0.04)


def test_the_interval_between_runs_is_students():
    """The two-sample t interval with pooled variance: t(4) is 2.776."""
    before, after = [1.0, 2.0, 4.0], [3.0, 5.0, 5.5]
    pooled = math.sqrt((2 * stdev(before) ** 2 + 2 * stdev(after) ** 2) / 4)
    expected = 2.776 * pooled * math.sqrt(1 / 3 + 1 / 3)
    assert between_runs([before, after]) == pytest.approx(expected, rel=1e-3)
    assert between_runs([[1.0], [2.0]]) is None


def test_a_share_is_compared_in_points():
    """From 100 % to 90 % is ten points."""
    lost = [*numbered([GOOD] * 180), *[LOST] * 20]
    change = found(compare([run_of(step_of([GOOD] * 200))], [run_of(step_of(lost))]), "answered")
    assert (change.says, change.change) == (Says.WORSE, pytest.approx(-0.1))


def test_what_never_comes_is_worse():
    """Where six of ten fail the median is never; nothing to divide by is left."""
    good, lost = run_of(step_of([GOOD] * 200)), run_of(step_of([GOOD] * 80 + [LOST] * 120))
    worse = found(compare([good], [lost]), "ttft p50")
    assert (worse.says, worse.change) == (Says.WORSE, math.inf)
    assert found(compare([lost], [good]), "ttft p50").says is Says.BETTER
    assert found(compare([lost], [lost]), "ttft p50").says is Says.NOISE


def test_an_endpoint_that_answers_nothing_is_compared():
    """No model answered, which is no other model; nothing a second is less than something."""
    good, dead = (run_of(step_of([at(3 + n / 10, r) for n in range(200)])) for r in (GOOD, LOST))
    good = msgspec.structs.replace(good, models={"scripted": 200})
    comparison = compare([good], [dead])
    for name in ("answered", "requests per second", "output tokens per second"):
        assert (found(comparison, name).says, found(comparison, name).change) == (Says.WORSE, -1)
    assert "0.5 -> never: worse" in comparison.text()
    assert "inf" not in comparison.text()
    assert found(compare([dead], [dead]), "requests per second").says is Says.NOISE


def test_too_few_samples_say_nothing():
    """A p95 of fifty requests is not there."""
    few = run_of(step_of([GOOD] * 50))
    assert found(compare([few], [few]), "ttft p95").says is Says.TOO_FEW
    assert "ttft p95" in compare([few], [few]).text()


def test_only_loads_that_all_runs_have_are_compared():
    """The others are named; with none in common there is nothing to compare."""
    two = run_of(step_of([GOOD]), step_of([GOOD], load=Users(8), index=1))
    comparison = compare([run_of(step_of([GOOD]))], [two])
    assert {change.load for change in comparison.changes} == {"4 users"}
    assert "not every run has the load 8 users; it is left out." in comparison.warnings
    with pytest.raises(LoadError, match="No load is common"):
        compare([run_of(step_of([GOOD]))], [run_of(step_of([GOOD], load=Users(8)))])


def test_other_scenarios_and_models_are_refused():
    """They would compare two questions, or two things."""
    here = run_of(step_of([GOOD]))
    with pytest.raises(LoadError, match=r"different scenarios \(chat and mixed\)"):
        compare([here], [run_of(step_of([GOOD]), scenario="chat")])
    one, other = (msgspec.structs.replace(here, models={name: 1}) for name in ("one", "other"))
    with pytest.raises(LoadError, match=r"different models \(one and other\)"):
        compare([one], [other])
    with pytest.raises(LoadError, match="no run on one side"):
        compare([here], [])


def test_what_makes_a_comparison_doubtful_is_said():
    """Another machine, an INVALID or a partial run; another seed is no difference."""
    invalid = change(VALID, valid=False, reasons=("late",))
    after = run_of(step_of([GOOD]), seed=2, machine="m", certificate=invalid, partial="interrupted")
    assert compare([run_of(step_of([GOOD]))], [after]).warnings == (
        "the runs differ in machine: None, m.",
        "1 of 2 measurements are INVALID.",
        "1 of 2 runs are partial.",
    )


def test_sides_are_read_from_folders_summaries_and_baselines(tmp_path):
    """A baseline file holds several summaries."""
    one = run(1)
    write_summary(tmp_path / "summary.json", one)
    (tmp_path / "base.json").write_bytes(
        msgspec.json.encode({"schema": 1, "gpu": None, "synthetic": False, "summaries": [one, one]})
    )
    paths = [tmp_path, tmp_path / "summary.json", tmp_path / "base.json"]
    assert read_side(paths) == [one] * 4


@pytest.mark.parametrize("many", [0, 2])
def test_a_file_of_several_runs_is_no_result(tmp_path, many):
    """Such as a baseline, or an empty one."""
    here, file = run_of(step_of([GOOD])), tmp_path / "several.json"
    file.write_bytes(msgspec.json.encode({"summaries": [here] * many}))
    with pytest.raises(LoadError, match=f"holds {many} runs"):
        read_result(file)
    write_summary(file, here)
    assert read_result(file) == here


def test_what_is_no_result_is_named(tmp_path):
    """An empty folder, and a file of something else."""
    with pytest.raises(LoadError, match="holds no result"):
        read_side([tmp_path])
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(LoadError, match="is no summary of a load test"):
        read_side([tmp_path])


def test_every_metric_of_a_full_run_is_compared():
    """None is left without a number."""
    comparison = compare([run(1)], [run(2)])
    assert [c.metric.name for c in comparison.changes] == [metric.name for metric in METRICS]
    assert [c.metric.name for c in comparison.changes if c.change is None] == []


def test_parts_weigh_by_their_precision():
    """Arms of 1 and 2 weigh 4 to 1, and a part without an interval nothing."""
    zero = Estimate(0.0, 0.0, 0.0)
    parts = [
        Part([zero], [Estimate(1.0, 0.0, 2.0)]),
        Part([zero], [Estimate(6.0, 4.0, 8.0)]),
        Part([zero], [Estimate(99.0)]),
        Part([zero], [Estimate(99.0, 98.0, math.inf)]),
    ]
    whole = weighted(parts)
    assert whole.value == pytest.approx((4 * 1 + 6) / 5)
    assert whole.high - whole.value == pytest.approx(math.hypot(0.8 * 1, 0.2 * 2))
    assert weighted(parts[2:]) is None


def test_a_slow_run_is_slow_in_all_its_parts():
    """A hundred parts do not average away what two runs differ in."""
    sides = [[Estimate(v, v - 0.1, v + 0.1) for v in pair] for pair in ((0.0, 1.0), (0.2, 1.2))]
    whole = weighted([Part(*sides)] * 100)
    assert whole.value == pytest.approx(fmean([0.2, 1.2]) - 0.5)
    assert whole.high - whole.value > 1

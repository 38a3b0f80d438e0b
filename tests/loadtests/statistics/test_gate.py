"""Whether the gate stops what is worse, and lets noise pass."""

import math
from dataclasses import dataclass

import msgspec
import numpy
import pytest

from loadtests.failure import LoadError
from loadtests.result import Summary
from loadtests.shapes import Users
from loadtests.statistics.gate import GUARDED, gate
from loadtests.statistics.summary import share, spread
from loadtests.verdict import Exit
from tests.loadtests.samples import GOOD, LOST, VALID, at, change, run_of, step_of

# Log-normal times with a spread of 25 %: so many requests a side show 5 % more.
ENOUGH = 2000
SPREAD = 0.25
WHOLE = run_of(step_of([GOOD] * 400))


@dataclass(frozen=True)
class Kind:
    """Requests of one kind: so many, so long in the middle, spread so much."""

    name: str
    size: int
    median_seconds: float


MIXED = (Kind("text", ENOUGH // 2, 0.05), Kind("picture", ENOUGH // 2, 0.4))


def simulated(seed, factor=1.0, *, kinds=(Kind("text", ENOUGH, 0.3),), runs_vary=0.0) -> Summary:
    """Return a run whose times are drawn anew; `factor` slows the first token and nothing else.

    `runs_vary` is how much this run as a whole differs from others, as a logarithm's deviation.
    """
    generator = numpy.random.default_rng(seed)
    luck = math.exp(generator.normal(0, runs_vary))
    slower = numpy.array([[factor], [1.0], [1.0]]) * luck
    drawn = {
        kind: slower * kind.median_seconds * generator.lognormal(0, SPREAD, (3, kind.size))
        for kind in kinds
    }
    rows = [drawn_row(kind.name, times) for kind, times in drawn.items()]
    together = numpy.concatenate(list(drawn.values()), axis=1)
    speed = generator.normal(1000 / luck, 5)
    everything = drawn_row("all", together, speed=speed)
    step = change(WHOLE.steps[0], rows=(*rows, everything))
    return msgspec.structs.replace(WHOLE, steps=(step,))


def drawn_row(kind, times, *, speed=1000.0):
    """Return a row with these times and this many tokens per second, known to 1 %."""
    row = WHOLE.steps[0].all
    ttft, ttfat, tpot = map(spread, numpy.sort(times).tolist())
    size = times.shape[1]
    return change(
        row,
        kind=kind,
        requests=size,
        ttft=ttft,
        ttfat=ttfat,
        tpot=tpot,
        answered=share(size, size),
        per_second=change(row.per_second, reasoning_tokens=speed, answer_tokens=0.0),
        per_second_error=change(row.per_second, reasoning_tokens=10.0, answer_tokens=0.0),
    )


def alarms(factor, *, pairs=100, **more):
    """Count in how many pairs of runs the gate breaks."""
    return sum(
        gate(simulated(2 * n, factor, **more), [simulated(2 * n + 1, **more)]).exit_code
        is Exit.MISSED
        for n in range(pairs)
    )


def test_noise_does_not_break_the_gate():
    """At most 5 of 100 pairs."""
    assert alarms(1.0) <= 5


def test_a_regression_of_5_percent_is_caught():
    """2,000 requests a side see it in at least 95 of 100 pairs."""
    assert alarms(1.05) >= 95


def test_a_mixture_is_compared_kind_by_kind():
    """Kinds eight times apart would drown 5 % in the median of all."""
    assert alarms(1.05, pairs=40, kinds=MIXED) >= 38


def test_runs_that_vary_need_several_of_them():
    """Runs that differ by 4 % raise alarms against one baseline, few against five."""
    one = alarms(1.0, pairs=25, runs_vary=0.04)
    several = sum(
        gate(
            simulated(10 * n, runs_vary=0.04),
            [simulated(10 * n + k, runs_vary=0.04) for k in range(1, 6)],
        ).exit_code
        is Exit.MISSED
        for n in range(25)
    )
    assert one > 5
    assert several <= 3  # of 25; one or two are allowed for


@pytest.mark.parametrize(
    ("factor", "code"), [(1.02, Exit.MET), (1.25, Exit.MISSED), (0.8, Exit.MET)]
)
def test_the_bound_is_what_is_guarded(factor, code):
    """Surely 2 % worse is within a bound of 5 %; faster is never broken."""
    sizes = (Kind("text", 20_000, 0.3),)
    found = gate(simulated(1, factor, kinds=sizes), [simulated(2, kinds=sizes)])
    assert found.exit_code is code


def test_a_wider_bound_lets_more_pass():
    """10 % worse breaks 5 %, and not 20 %."""
    result, baseline = simulated(1, 1.1), [simulated(2)]
    assert gate(result, baseline).exit_code is Exit.MISSED
    assert gate(result, baseline, max_regression=0.2).exit_code is Exit.MET


@pytest.mark.parametrize("bound", [0, -0.05, 1, 5])
def test_a_bound_is_a_part_of_one(bound):
    """5 is no 5 %."""
    with pytest.raises(LoadError, match=r"such as 0\.05 for 5 %"):
        gate(WHOLE, max_regression=bound)


def test_fewer_answers_break_the_gate():
    """A tenth of the requests lost is worse by ten points, and more than five cannot be noise."""
    lost = run_of(step_of([GOOD] * 360 + [LOST] * 40), objectives=())
    found = gate(lost, [run_of(step_of([GOOD] * 400), objectives=())])
    answered = next(item for item in found.guarded if item.metric.name == "answered")
    assert answered.broken
    assert answered.worse == pytest.approx(0.1)
    assert "answered: 10.0 points worse" in found.text()


def test_an_endpoint_that_answers_nothing_breaks_the_gate():
    """Though no model told its name."""
    good, dead = (run_of(step_of([at(3 + n / 10, r) for n in range(300)])) for r in (GOOD, LOST))
    found = gate(dead, [msgspec.structs.replace(good, models={"scripted": 300})])
    assert found.exit_code is Exit.MISSED
    assert [item.broken for item in found.guarded] == [True] * 5
    assert "ttft p50: endlessly worse: broken, the bound is 5 %" in found.text()
    assert "output tokens per second: endlessly worse: broken" in found.text()


@pytest.mark.parametrize(
    ("result", "code", "word"),
    [
        pytest.param(WHOLE, Exit.MET, "PASSED", id="met"),
        pytest.param(run_of(step_of([LOST] * 40)), Exit.MISSED, "BROKEN", id="missed"),
        pytest.param(run_of(step_of([GOOD] * 5)), Exit.UNDECIDED, "UNDECIDED", id="too few"),
        pytest.param(
            run_of(step_of([GOOD] * 400), partial="a worker was lost"),
            Exit.PARTIAL,
            "PARTIAL",
            id="partial",
        ),
        pytest.param(
            run_of(step_of([GOOD] * 400), certificate=change(VALID, valid=False)),
            Exit.INVALID,
            "INVALID",
            id="invalid",
        ),
    ],
)
def test_without_a_baseline_the_objectives_decide(result, code, word):
    """With the codes of `run`, and the verdict's sentence as the reason."""
    found = gate(result)
    assert found.exit_code is code
    assert word in found.text().splitlines()[0]
    assert result.verdict.sentence in found.text()


def test_an_invalid_run_is_not_judged_by_its_numbers():
    """However much worse they are."""
    worse = msgspec.structs.replace(
        simulated(1, 2.0), verdict=run_of(certificate=change(VALID, valid=False)).verdict
    )
    assert gate(worse, [simulated(2)]).exit_code is Exit.INVALID


def test_what_cannot_be_told_is_said():
    """Few requests prove nothing and rule nothing out."""
    few = (Kind("text", 30, 0.3),)
    text = gate(simulated(1, kinds=few), [simulated(2, kinds=few)]).text()
    assert "ttft p50" in text
    assert "no regression is proved, but 5 % is not ruled out" in text
    one = run_of(step_of([GOOD]))
    assert "ttft p50: too few requests to tell" in gate(one, [one]).text()


def test_a_baseline_of_another_load_is_refused():
    """There is nothing to compare."""
    with pytest.raises(LoadError, match="No load is common"):
        gate(WHOLE, [run_of(step_of([GOOD] * 400, load=Users(64)))])


def test_five_metrics_are_guarded():
    """The chance of a false alarm is shared out among them."""
    assert [metric.name for metric in GUARDED] == [
        "ttft p50",
        "ttfat p50",
        "tpot p50",
        "answered",
        "output tokens per second",
    ]

"""Replicas and GPU-hours: what must hold for every traffic."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.failure import NotDone
from serving.planner.model import Model, Spread, Waiting
from serving.planner.objectives import Objective, Objectives
from serving.planner.sizing import Size, Terms, size
from serving.planner.traffic import Amount, Traffic, fixed
from serving.planner.work import Weights

MODEL = Model(
    Weights(0.01, 0.0004, 0.00002, 0.00004, 0.001),
    Waiting(0.02, 1.0, 0.05),
    {
        (time, name): Spread(factor)
        for time in ("ttft", "ttfat", "tpot", "e2e")
        for name, factor in (("p90", 2.0), ("p95", 2.5))
    },
    64,
)
TRAFFIC = Traffic(
    source="traffic.yaml",
    peak_per_second=20.0,
    mean_to_peak=0.5,
    idle_hours=6.0,
    text_tokens=fixed(400),
    cached_share=0.25,
    pictures=1.0,
    tokens_per_picture=200.0,
    thinking=fixed(300),
    thinking_budget=None,
    answer_tokens=fixed(100),
)
LOOSE = Objectives("slo", (Objective("ttfat", "p95", 100.0),))
TIGHT = Objectives("slo", (Objective("ttfat", "p95", 14.0), Objective("ttft", "p95", 2.0)))
TERMS = Terms(gpus_per_replica=2, utilisation=0.8, spare=1)

rates = st.floats(0.01, 1e4)
traffics = st.builds(
    lambda peak, share, idle, text, thought: replace(
        TRAFFIC,
        peak_per_second=peak,
        mean_to_peak=share,
        idle_hours=idle,
        text_tokens=fixed(text),
        thinking=fixed(thought),
    ),
    rates,
    st.floats(0.01, 1),
    st.floats(0, 23),
    st.floats(1, 1e4),
    st.floats(0, 300),
)


@given(traffics, st.floats(1, 10), st.sampled_from([LOOSE, TIGHT]))
def test_more_traffic_never_needs_less(
    traffic: Traffic, factor: float, objectives: Objectives
) -> None:
    """Nor do more prompts, longer thoughts or more pictures."""
    try:
        least = size(MODEL, traffic, objectives, TERMS).needed
    except NotDone:
        return
    more = replace(traffic, peak_per_second=traffic.peak_per_second * factor)
    assert size(MODEL, more, objectives, TERMS).needed >= least
    for other in (
        replace(traffic, text_tokens=fixed(traffic.text_tokens.mean * factor)),
        replace(traffic, pictures=traffic.pictures * factor),
        replace(traffic, thinking=fixed(traffic.thinking.mean * factor)),
    ):
        try:
            found = size(MODEL, other, objectives, TERMS).needed
        except NotDone:  # so much more that nothing meets the objectives
            continue
        assert found >= least


@given(traffics)
def test_gpu_hours_are_all_hours_of_all_gpus(traffic: Traffic) -> None:
    """No purpose is negative, and together they are what is paid."""
    found = size(MODEL, traffic, LOOSE, TERMS)
    hours = found.gpu_hours()
    assert min(hours.values()) >= -1e-6 * found.gpus
    assert sum(hours.values()) == pytest.approx(found.gpus * 24)


@given(traffics)
def test_the_peak_is_held(traffic: Traffic) -> None:
    """Each replica's share of it is within objectives and utilisation, and one less breaks one."""
    found = size(MODEL, traffic, LOOSE, TERMS)
    share = traffic.peak_per_second / found.needed
    assert share <= found.capacity.rate_per_second * (1 + 1e-6)
    assert found.capacity.rate_per_second <= 0.8 * found.capacity.saturated_per_second * (1 + 1e-9)
    if found.needed > 1:
        assert traffic.peak_per_second / (found.needed - 1) > found.capacity.rate_per_second


def sized(objectives: Objectives, traffic: Traffic = TRAFFIC) -> Size:
    """Return the size of the example."""
    return size(MODEL, traffic, objectives, TERMS)


def test_what_limits_a_replica_is_named() -> None:
    """Utilisation, or the objective that fails first; there it is met to the last digit."""
    assert sized(LOOSE).capacity.limited_by == "utilisation at most 80%"
    tight = Objectives("slo", (Objective("ttfat", "p95", 15.0),))
    found = sized(tight)
    assert found.capacity.limited_by == "ttfat p95 <= 15 s"
    one = replace(TRAFFIC, peak_per_second=found.capacity.rate_per_second)
    at_limit = sized(tight, one).at_peak.quantile["ttfat", "p95"]
    assert at_limit == pytest.approx(15.0, rel=1e-3)


def test_an_objective_that_nobody_can_meet_is_said() -> None:
    """Before any replica is counted."""
    with pytest.raises(NotDone, match=r"No number of replicas meets ttfat p95 <= 1 s"):
        sized(Objectives("slo", (Objective("ttfat", "p95", 1.0),)))


def test_a_percentile_that_was_not_measured_is_said() -> None:
    """It is not taken for met."""
    with pytest.raises(NotDone, match=r"ttfat p99 <= 100 s cannot be planned for"):
        sized(Objectives("slo", (Objective("ttfat", "p99", 100.0),)))


def test_a_budget_bounds_the_wait() -> None:
    """No thought outlasts it, whatever spread was measured; a given spread replaces it."""
    free = sized(LOOSE).at_peak.quantile["ttfat", "p95"]
    budget = sized(LOOSE, replace(TRAFFIC, thinking_budget=400.0))
    assert budget.at_peak.quantile["ttfat", "p95"] < free
    spread = Amount(((0.96, 100.0), (0.04, 5100.0)))
    given_spread = sized(LOOSE, replace(TRAFFIC, thinking=spread)).at_peak
    first = given_spread.quantile["ttft", "p95"]
    assert given_spread.quantile["ttfat", "p95"] == pytest.approx(
        first + 100 * given_spread.mean["tpot"]
    )

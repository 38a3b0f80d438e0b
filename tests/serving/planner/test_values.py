"""Values for the chart: what a plan decided, nothing else, and where it came from."""

import math
from dataclasses import replace
from typing import Any

import pytest
import yaml

from serving.failure import NotDone
from serving.options import Settings
from serving.planner.basis import Basis
from serving.planner.objectives import Objective, Objectives
from serving.planner.plan import Order, Plan, make_plan
from serving.planner.values import values, values_file
from tests.serving.planner.test_sizing import LOOSE, MODEL, TERMS, TRAFFIC

THINKING = "Qwen/Qwen3-VL-8B-Thinking"


def planned(
    least_to_peak: float | None = None, objectives: Objectives = LOOSE, **basis: Any
) -> Plan:
    """Return a plan of the example."""
    model = replace(MODEL, measured=(1.0,) * 5)
    whole = Basis(lambda _: model, THINKING, ("summary.json, commit abc",), **basis)
    traffic = replace(TRAFFIC, least_to_peak=least_to_peak)
    return make_plan(whole, Order(traffic, objectives, TERMS, None))


def pool(plan: Plan) -> dict[str, Any]:
    """Return what is written for the pool."""
    [found] = values(plan, "thinking")["pools"].values()
    return dict(found)


def test_a_steady_traffic_has_a_fixed_number_of_pods() -> None:
    """As many as the plan says, spare ones included; no autoscaler is switched on."""
    found = pool(planned())
    assert found["replicas"] == planned().value("capacity", "replicas")
    assert "enabled" not in found["scaling"]


def test_hours_bound_the_autoscaler() -> None:
    """The quietest hour's pods are the fewest, the peak's the most, and the most in doubt."""
    plan = planned(least_to_peak=0.1)
    rate = plan.value("capacity", "planned_requests_per_second")
    found = pool(plan)
    assert "replicas" not in found
    scaling = found["scaling"]
    assert scaling["enabled"] is True
    assert scaling["minReplicas"] == math.ceil(0.1 * 20 / rate) + 1
    assert scaling["maxReplicas"] == math.ceil(20 / rate) + 1
    assert scaling["minReplicas"] < scaling["maxReplicas"] == scaling["fallbackReplicas"]


def test_an_even_day_needs_no_autoscaler() -> None:
    """Bounds that are the same scale nothing."""
    plan = planned(least_to_peak=1.0)
    assert pool(plan)["replicas"] == plan.value("capacity", "replicas")
    assert "quietest hour needs as many" in values_file(plan, "thinking")


def test_targets_are_what_a_pod_holds_at_its_planned_rate() -> None:
    """Little's law, by the distribution summed here: running and waiting requests, and tokens."""
    plan = planned()
    rate = plan.value("capacity", "planned_requests_per_second")
    work = plan.order.traffic.work
    speeds = [MODEL.throughput(work, min(n, 64)) for n in range(1, 2000)]
    chances = [1.0]
    for speed in speeds:
        chances.append(chances[-1] * rate / speed)
    whole = sum(chances)
    running = sum(min(n, 64) * chance for n, chance in enumerate(chances)) / whole
    waiting = sum(max(0, n - 64) * chance for n, chance in enumerate(chances)) / whole
    found = pool(plan)["scaling"]
    assert found["tokensInFlight"] == pytest.approx(running * (600 + 400), abs=1)
    assert found["queuedRequests"] == max(1, math.ceil(waiting))


def test_the_promise_is_the_target_of_the_first_answer_token() -> None:
    """The tightest one; without one the chart's default holds, and the file says so."""
    promises = (Objective("ttfat", "p95", 100.0), Objective("ttfat", "p90", 62.5))
    found = pool(planned(objectives=Objectives("slo", promises)))
    assert found["scaling"]["timeToFirstAnswerTokenSeconds"] == 62.5
    none = planned(objectives=Objectives("slo", (Objective("e2e", "p95", 100.0),)))
    assert "timeToFirstAnswerTokenSeconds" not in pool(none)["scaling"]
    assert "No objective limits ttfat" in values_file(none, "thinking")


def test_settings_are_those_of_the_server_and_only_where_they_differ() -> None:
    """64 sequences are the default and stay out; two GPUs are not, and stand there."""
    engine = pool(planned(gpu="h100"))["settings"]["engine"]
    assert engine == {"model": THINKING, "profile": "h100", "tensor_parallel_size": 2}
    Settings.model_validate({"engine": engine})
    wide = pool(planned(gpu="b200-synthetic"))["settings"]["engine"]
    assert wide["profile"] == "b200"
    assert wide["max_num_seqs"] == 64


def test_the_file_says_where_it_came_from() -> None:
    """Traffic, curve, labels, what set the rate, and what was assumed stand above the values."""
    plan = planned(labels=("MEASUREMENT PARTIAL: cut short",))
    text = values_file(plan, "instruct")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    said = " ".join(head.replace("#", "").split())
    for part in (
        "traffic.yaml", "summary.json, commit abc", "MEASUREMENT PARTIAL: cut short",
        "20 requests/s", f"GPUs in all: {plan.value('capacity', 'gpus')}",
        "The curve does not tell its GPU", "ReadWriteMany",
    ):  # fmt: skip
        assert part in said
    assert all(len(line) <= 100 for line in text.splitlines())
    assert yaml.safe_load(text) == values(plan, "instruct")


@pytest.mark.parametrize("name", ["Thinking", "a_b", "-a", "a-", "", "a" * 31])
def test_a_name_that_no_object_may_have_is_refused(name: str) -> None:
    """The chart names Services by it."""
    with pytest.raises(NotDone, match="--pool"):
        values_file(planned(), name)

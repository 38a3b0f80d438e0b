"""Whole plans: three kinds of cost that stay apart, and what changes them."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.planner.basis import Basis
from serving.planner.fitting import Point
from serving.planner.line import Line
from serving.planner.plan import Order, Plan, good_share, make_plan
from serving.planner.report import as_json, table
from serving.planner.traffic import fixed
from serving.planner.work import Work
from tests.serving.planner.test_sizing import LOOSE, MODEL, TERMS, TRAFFIC

THINKING = "Qwen/Qwen3-VL-8B-Thinking"
BASIS = Basis(lambda _: replace(MODEL, measured=(1.0,) * 5), THINKING, ("here",))
MILLION = 1_000_000


def planned(price: float | None = 2.0, **changes: object) -> Plan:
    """Return a plan of the example with its traffic changed."""
    return make_plan(BASIS, Order(replace(TRAFFIC, **changes), LOOSE, TERMS, price))


def test_planned_cost_is_all_gpus_all_day() -> None:
    """Its lines add up to GPUs · 24 hours · price, a month is 365/12 days."""
    plan = planned()
    whole = plan.value("capacity", "gpus") * 24 * 2.0
    lines = {line.name: line.value for line in plan.section("planned_cost")}
    purposes = ("work", "headroom", "off_peak", "idle_hours", "spare_replicas")
    assert sum(lines[f"{name}_usd_per_day"] for name in purposes) == pytest.approx(whole)
    assert lines["usd_per_day"] == pytest.approx(whole)
    assert lines["usd_per_month"] == pytest.approx(whole * 365 / 12)
    assert lines["spare_replicas_usd_per_day"] == 1 * 2 * 24 * 2.0


def test_allocated_cost_gives_out_the_planned_cost() -> None:
    """Tokens and pictures of a day at their unit costs come to what the day costs."""
    plan = planned()
    unit = {line.name: line.value for line in plan.section("allocated_cost")}
    requests = 20 * 0.5 * 3600 * 18
    request = (
        400 / MILLION * unit["usd_per_million_prompt_tokens"]
        + 300 / MILLION * unit["usd_per_million_thinking_tokens"]
        + 100 / MILLION * unit["usd_per_million_answer_tokens"]
        + 1 * unit["usd_per_picture"]
    )
    assert request == pytest.approx(unit["usd_per_request"])
    assert requests * request == pytest.approx(plan.value("planned_cost", "usd_per_day"))
    output = 100 / MILLION * unit["usd_per_million_answer_tokens_with_thought"]
    assert output == pytest.approx(400 / MILLION * unit["usd_per_million_output_tokens"])


def test_work_is_weighed_as_the_formula_says() -> None:
    """Prompt, pictures and output by hand, with what runs at peak."""
    plan = planned()
    running = plan.size.at_peak.running
    prompt, pictures = 0.001 + 0.00002 * 300, 0.00004 * 200
    output = 400 * (0.01 / running + 0.0004)
    share = pictures / (prompt + pictures + output)
    request = plan.value("allocated_cost", "usd_per_request")
    assert plan.value("allocated_cost", "usd_per_picture") == pytest.approx(share * request)


def test_the_list_price_is_the_catalogues() -> None:
    """0.18 and 2.10 USD a million, pictures as prompt, cached tokens in full; 35 % off."""
    plan = planned()
    each = (600 * 0.18 + 400 * 2.10) / MILLION
    assert plan.value("list_price", "list_usd_per_request") == pytest.approx(each)
    reduced = (600 * 0.117 + 400 * 1.365) / MILLION
    assert plan.value("list_price", "discounted_usd_per_request") == pytest.approx(reduced)


@pytest.mark.parametrize(("kind", "factor"), [("list", 1.0), ("discounted", 0.65)])
def test_at_break_even_both_cost_the_same(kind: str, factor: float) -> None:
    """A day of so many requests at the public price, or a GPU-hour at that price."""
    plan = planned()
    each = (600 * 0.18 + 400 * 2.10) / MILLION * factor
    day = plan.value("planned_cost", "usd_per_day")
    assert plan.value("break_even", f"{kind}_requests_per_day") * each == pytest.approx(day)
    hour = plan.value("break_even", f"{kind}_usd_per_gpu_hour")
    again = planned(price=hour)
    assert again.value("break_even", f"{kind}_planned_over_price") == pytest.approx(1)


def test_without_a_price_there_are_no_dollars() -> None:
    """GPU-seconds instead, 3,600 an hour, and no comparison with prices."""
    with_price, without = planned(), planned(price=None)
    assert not [line for line in without.lines if "usd" in line.name or "USD" in line.unit]
    seconds = without.value("allocated_cost", "gpu_seconds_per_million_answer_tokens")
    dollars = with_price.value("allocated_cost", "usd_per_million_answer_tokens")
    assert seconds / 3600 * 2.0 == pytest.approx(dollars)
    assert not without.section("list_price")
    assert not without.section("break_even")


@given(st.floats(0.1, 50), st.floats(1.1, 20))
def test_costs_scale_with_the_price(price: float, factor: float) -> None:
    """Planned and allocated alike; GPUs and list prices do not move."""
    one, other = planned(price), planned(price * factor)
    for before, after in zip(one.lines, other.lines, strict=True):
        assert before.name == after.name
        is_cost = before.section in {"planned_cost", "allocated_cost"} and "usd" in before.name
        if is_cost and before.value is not None:
            assert after.value == pytest.approx(before.value * factor)
        if before.section in {"capacity", "gpu_hours", "list_price"}:
            assert after.value == before.value


def test_sections_share_no_name() -> None:
    """A list price cannot be taken for a cost, nor a planned one for an allocated one."""
    plan = planned()
    kinds = ("planned_cost", "allocated_cost", "list_price", "break_even")
    names = [{line.name for line in plan.section(kind)} for kind in kinds]
    assert len(set.union(*names)) == sum(map(len, names))


def test_what_if() -> None:
    """Each variation is the plan of that traffic; what would change nothing is left out."""
    plan = planned(thinking_budget=400.0)
    gpus = {
        line.name.removesuffix("_gpus"): line.value
        for line in plan.section("sensitivity")
        if line.name.endswith("_gpus")
    }
    assert gpus == {
        "traffic_plus_50_percent": planned(peak_per_second=30.0, thinking_budget=400.0).size.gpus,
        "pictures_double": planned(pictures=2.0, thinking_budget=400.0).size.gpus,
        "thinking_budget_halves": planned(thinking_budget=200.0).size.gpus,
        "nothing_cached": planned(cached_share=0.0, thinking_budget=400.0).size.gpus,
    }
    plain = planned(pictures=0.0, cached_share=0.0)
    names = {line.name for line in plain.section("sensitivity")}
    assert not {name for name in names if name.startswith(("pictures", "nothing"))}


def test_a_variation_without_a_plan_says_why() -> None:
    """It does not end the whole plan."""
    tight = replace(LOOSE.judged[0], limit_seconds=9.0)
    order = Order(
        replace(TRAFFIC, cached_share=1.0, text_tokens=fixed(60_000)),
        replace(LOOSE, judged=(tight,)),
        TERMS,
        None,
    )
    lines = make_plan(BASIS, order).section("sensitivity")
    [cold] = [line for line in lines if line.name == "nothing_cached_gpus"]
    assert cold.value is None
    assert "No number of replicas meets ttfat p95 <= 9 s" in cold.formula


def test_every_line_tells_its_formula_and_source() -> None:
    """Inputs that were given say by whom."""
    for line in planned().lines:
        assert isinstance(line, Line)
        assert line.source
        assert line.formula or line.name == "model"


def test_good_requests_are_those_of_the_nearest_step() -> None:
    """If the load test judged by the same objectives; else the answered ones count."""
    work = Work(1, 0, 0, 0, 1, 1)
    steps = [
        ("run", Point(users, 100, 1.0, work, {}, {}, good_share=good, answered_share=0.999))
        for users, good in ((1, 0.99), (8, 0.95), (32, 0.5))
    ]
    document = {
        "name": "default",
        "objectives": [{"metric": "ttfat", "percentile": 95, "at_most_seconds": 100.0}],
    }
    basis = replace(BASIS, points=tuple(steps), objectives={"run": document})
    assert good_share(basis, LOOSE, 5.0)[0] == 0.95
    assert good_share(basis, LOOSE, 32.0)[0] == 0.5
    other = replace(LOOSE, judged=())
    assert good_share(basis, other, 5.0) == (
        0.999,
        "answered, measured with 8 users by other objectives",
    )


def test_each_step_counts_by_the_objectives_of_its_own_run() -> None:
    """A share of 0 is a measurement, too: such a request has no cost, and the plan says so."""
    work = Work(1, 0, 0, 0, 1, 1)
    steps = tuple(
        (run, Point(users, 100, 1.0, work, {}, {}, good_share=good))
        for run, users, good in (("other", 8, 0.7), ("same", 64, 0.0))
    )
    same = {"objectives": [{"metric": "ttfat", "percentile": 95, "at_most_seconds": 100.0}]}
    basis = replace(BASIS, points=steps, objectives={"other": {"objectives": []}, "same": same})
    assert good_share(basis, LOOSE, 8.0)[0] == 1.0
    assert good_share(basis, LOOSE, 9.0)[0] == 0.0
    plan = make_plan(basis, Order(replace(TRAFFIC, peak_per_second=60.0), LOOSE, TERMS, 2.0))
    assert plan.size.at_peak.running > 8
    unit = {line.name: line.value for line in plan.section("allocated_cost")}
    assert unit["usd_per_good_request"] is None
    assert unit["usd_per_request"] > 0
    assert "No answer was good enough" in table(plan)


@pytest.mark.parametrize(
    ("model", "whose", "offered"),
    [
        (THINKING, THINKING, ("list", "discounted")),
        ("tiny-qwen3-vl", THINKING, ("list", "discounted")),
        ("Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen3-VL-8B-Instruct", ("list",)),
    ],
)
def test_it_is_said_whose_prices_are_compared(
    model: str, whose: str, offered: tuple[str, ...]
) -> None:
    """Of a model without a price the Thinking model's; where nobody takes less, list alone."""
    order = Order(TRAFFIC, LOOSE, TERMS, 2.0)
    plan = make_plan(replace(BASIS, model_name=model), order)
    assert f"that {whose}'s provider takes" in table(plan)
    kinds = {line.name.partition("_")[0] for line in plan.section("break_even")}
    assert kinds == set(offered)


def test_a_variation_beyond_what_was_measured_is_labelled() -> None:
    """On its lines alone, in the table and in JSON."""
    steps = tuple(("run", Point(users, 100, 1.0, TRAFFIC.work, {}, {})) for users in (1, 64))
    basis = replace(BASIS, points=steps, objectives={"run": {}})
    traffic = replace(TRAFFIC, text_tokens=fixed(700), cached_share=0.6)
    plan = make_plan(basis, Order(traffic, LOOSE, TERMS, None))
    label = "EXTRAPOLATED: requests have 700 computed text tokens; 300 to 300 were measured"
    marked = [line for line in table(plan).splitlines() if label in line]
    assert len(marked) == 3
    assert all("nothing cached" in line for line in marked)
    lines = json.loads(as_json(plan))["lines"]
    assert sum(each["labels"] == [label] for each in lines) == 3

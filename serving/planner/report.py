"""A plan for people, programs and spreadsheets; its labels stand on every line of each."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, Final

from serving.planner.cost import offers, priced_as
from serving.planner.line import Line, Money, Value
from serving.planner.plan import SECTIONS, Plan

SCHEMA: Final = 1
TITLES: Final = {
    "inputs": "Inputs",
    "assumed": "What the estimate assumes",
    "model": "How a replica behaves",
    "capacity": "Capacity",
    "gpu_hours": "GPU-hours a day",
    "planned_cost": "Planned cost: all GPUs of the plan, used or not",
    "allocated_cost": "Allocated cost: the planned cost, divided by work",
    "list_price": "List price (showback): the same usage at public prices",
    "break_even": "Break-even against the public prices",
    "sensitivity": "What if",
}
HEADS: Final = ("section", "name", "value", "unit", "formula", "source", "label")
# A spreadsheet takes a text that starts so for a formula.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
NAME_WIDTH: Final = 46
VALUE_WIDTH: Final = 14


def table(plan: Plan) -> str:
    """Write what matters to a reader; measured steps and spreads are in JSON and in the sheet."""
    marked = (f"{text}  [{mark}]" if mark and text else text for text, mark in _table(plan))
    return "".join(f"{line}\n" for line in marked)


def as_json(plan: Plan) -> str:
    """Write one object: each section an object of its own, with the labels in it."""
    whole: dict[str, Any] = {"schema": SCHEMA, "labels": plan.labels, "notes": plan.basis.notes}
    whole["summary"] = {"labels": plan.labels, "text": paragraph(plan)}
    for section in SECTIONS:
        lines = plan.section(section)
        if not lines:
            continue
        whole[section] = {"labels": plan.labels}
        if section == "curve":  # steps of several runs share their names
            whole[section]["lines"] = [_whole(line) for line in lines]
        else:
            whole[section] |= {line.name: line.value for line in lines}
    whole["lines"] = [_whole(line) | {"labels": _labels(plan, line)} for line in plan.lines]
    return f"{json.dumps(whole, indent=2, ensure_ascii=False)}\n"


def sheet(plan: Plan) -> str:
    """Write every line as CSV: each input with its source, each result with its formula."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(HEADS)
    mark = " | ".join(plan.labels)
    for line in plan.lines:
        words = (line.unit, line.formula, line.source, " | ".join(_labels(plan, line)))
        writer.writerow([line.section, line.name, _cell(line.value), *map(_text, words)])
    for note in plan.basis.notes:
        writer.writerow([_text(cell) for cell in ("note", "", "", "", note, "", mark)])
    writer.writerow(["summary", "", "", "", _text(paragraph(plan)), "", mark])
    return written.getvalue()


def paragraph(plan: Plan) -> str:
    """Say it in a few sentences for somebody who pays for it."""
    traffic, sized = plan.order.traffic, plan.size
    money = Money(plan.order.gpu_hour_usd)
    hours = sized.gpu_hours()
    whole = sum(hours.values())
    shares = {purpose: f"{part / whole:.0%}" for purpose, part in hours.items()}
    sentences = [
        *(f"{label}." for label in plan.labels),
        f"{_number(traffic.peak_per_second)} requests a second at peak,"
        f" {traffic.requests_per_day:,.0f} a day, need {_counted(sized.needed, 'replica')} of"
        f" {plan.basis.model_name}; with {sized.terms.spare} spare that is"
        f" {_counted(sized.gpus, 'GPU')},"
        f" {whole:,.0f} GPU-hours a day.",
        f"Of these, {shares['work']} do work, {shares['headroom']} are kept free so that answers"
        f" stay fast, {shares['off_peak']} are unused outside the peak, {shares['idle_hours']} fall"
        f" into hours without traffic, and {shares['spare_replicas']} stand by for failures.",
    ]
    price = plan.order.gpu_hour_usd
    if price is not None:
        month = plan.value("planned_cost", "usd_per_month")
        sentences.append(f"At {price:g} USD a GPU-hour that costs {month:,.0f} USD a month.")
    sentences.append(_good_answer(plan, money))
    if price is None:
        sentences.append("Give --gpu-hour-usd to see dollars and the comparison with prices.")
    else:
        sentences.append(_comparison(plan))
    return " ".join(sentences)


def _good_answer(plan: Plan, money: Money) -> str:
    if not plan.value("capacity", "good_share"):
        return "No answer was good enough by these objectives, so that none has a cost."
    good = plan.value("allocated_cost", f"{money.key}_per_good_request")
    return f"A good answer takes {good:,.3g} {money.unit}, all of that included."


def _comparison(plan: Plan) -> str:
    """Say how planned cost and public prices compare, and whose prices they are."""
    name, price = priced_as(plan.basis.model_name)
    ratios = " and ".join(
        f"{plan.value('break_even', f'{kind}_planned_over_price'):.2f} times the {kind} price"
        for kind in offers(price)
    )
    return f"The plan costs {ratios} that {name}'s provider takes for the same usage."


def _table(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield lines, each with what has to be said of it."""
    mark = " | ".join(plan.labels)
    for section, title in TITLES.items():
        lines = plan.section(section)
        if not lines:
            continue
        yield title, mark
        for line in lines:
            name = line.name.replace("_", " ")
            text = f"  {name:<{NAME_WIDTH}} {_shown(line):>{VALUE_WIDTH}} {line.unit}".rstrip()
            yield text, " | ".join(_labels(plan, line))
        yield "", mark
    sources = (f"From {source}" for source in plan.basis.sources)
    for text in (*plan.basis.notes, *sources, "", paragraph(plan)):
        yield text, mark


def _shown(line: Line) -> str:
    if line.value is None:
        return line.formula if line.section == "sensitivity" else "-"
    return _number(line.value) if isinstance(line.value, int | float) else line.value


def _number(value: float) -> str:
    """Write a number with four significant digits, and none lost before the point."""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _labels(plan: Plan, line: Line) -> list[str]:
    return [*plan.labels, *([line.label] if line.label else [])]


def _whole(line: Line) -> dict[str, Any]:
    return {
        "section": line.section,
        "name": line.name,
        "value": line.value,
        "unit": line.unit,
        "formula": line.formula,
        "source": line.source,
    }


def _cell(value: Value) -> str:
    if isinstance(value, int | float):  # a minus begins no formula
        return str(value)
    return "" if value is None else _text(value)


def _text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell

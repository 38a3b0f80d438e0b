"""Panels as HTML and SVG: what a picture needs of Grafana's, and no more."""

import math
from html import escape
from typing import Any, Final

Json = dict[str, Any]
Point = tuple[float, float]  # seconds since 1970, value
Series = list[tuple[str, list[Point]]]

WIDTH, HEIGHT = 400, 120  # of a chart's own coordinates, stretched to its panel
PALETTE: Final = (
    *("#3274d9", "#e0752d", "#56a64b", "#a352cc", "#c4162a"),
    *("#d9a800", "#2f9e9e", "#8f3bb8", "#7f7f7f", "#b877d9"),
)
NAMED: Final = {
    "green": "#37872d",
    "yellow": "#d9a800",
    "orange": "#e0752d",
    "red": "#c4162a",
    "blue": "#3274d9",
}


def text(value: float, unit: str) -> str:
    """Write a value in a panel's unit; a dash where it is not a number."""
    if math.isnan(value):
        return "–"
    match unit:
        case "percentunit":
            return f"{value * 100:.4g} %"
        case "s":
            return f"{value * 1000:.3g} ms" if value < 0.9995 else f"{value:.3g} s"
        case "currencyUSD":
            return f"${value:.3g}"
    number = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return number + {"reqps": " /s", "ops": " /s", "Bps": " B/s"}.get(unit, "")


def figure(panel: Json, series: Series) -> str:
    """Write one figure in the colour of its threshold."""
    defaults = panel["fieldConfig"]["defaults"]
    value = series[0][1][-1][1] if series and series[0][1] else math.nan
    steps = defaults["thresholds"]["steps"]
    [*_, step] = [step for step in steps if step["value"] is None or value >= step["value"]]
    colour = NAMED[step["color"]]
    return f'<span class="big" style="color:{colour}">{text(value, defaults["unit"])}</span>'


def listed(panel: Json, series: Series) -> str:
    """Write a line for each series."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    return "<br>".join(f"{escape(name)} {text(p[-1][1], unit)}" for name, p in series if p)


def chart(panel: Json, series: Series, start: float, end: float) -> str:
    """Draw lines over time, or areas on each other where the panel stacks them."""
    defaults, colours = panel["fieldConfig"]["defaults"], _colours(panel, series)
    unit, heights = defaults["unit"], dict[float, float]()
    shapes: list[tuple[str, list[Point], list[Point]]] = []
    for colour, (_, points) in zip(colours, series, strict=True):
        if defaults["custom"]["stacking"]["mode"] == "none":
            shapes.append((colour, points, []))
            continue
        floor = [(moment, heights.get(moment, 0.0)) for moment, _ in points]
        heights |= {moment: value + heights.get(moment, 0.0) for moment, value in points}
        shapes.append((colour, [(moment, heights[moment]) for moment, _ in points], floor))
    top = max((value for _, points, _ in shapes for _, value in points), default=0) or 1.0
    for step in defaults["thresholds"]["steps"][1:]:
        if step["value"] <= top:
            limit = [(start, step["value"]), (end, step["value"])]
            shapes.append((f"{NAMED[step['color']]}' stroke-dasharray='4", limit, []))

    def place(point: Point) -> str:
        x = (point[0] - start) / (end - start) * WIDTH
        return f"{x:.1f},{HEIGHT - point[1] / top * (HEIGHT - 4):.1f}"

    drawn = "".join(
        f"<polyline points='{' '.join(map(place, points + floor[::-1]))}' stroke='{colour}'"
        f" fill='{colour if floor else 'none'}' />"
        for colour, points, floor in shapes
    )
    legend = "".join(
        f"<span><i style='background:{colour}'></i>{escape(name)} {text(p[-1][1], unit)}</span> "
        for colour, (name, p) in zip(colours, series, strict=True)
        if p
    )
    return (
        f'<span class="legend">{text(top, unit)}</span>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">{drawn}</svg>'
        f'<span class="legend">{legend or "nothing happened"}</span>'
    )


def _colours(panel: Json, series: Series) -> list[str]:
    """Return a colour for each series: that of its name, or the next of all."""
    fixed = {}
    for override in panel["fieldConfig"]["overrides"]:
        name = override["properties"][0]["value"]["fixedColor"]
        fixed[override["matcher"]["options"]] = NAMED[name.rpartition("-")[2]]
    return [fixed.get(name, PALETTE[n % len(PALETTE)]) for n, (name, _) in enumerate(series)]

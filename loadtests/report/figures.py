"""Numbers as people read them: the same words on the page, in the console and in pictures."""

import math
from typing import Final

from loadtests.result import Quantile, Seconds, Share, Spread
from loadtests.statistics.intervals import smallest_sample

ABSENT: Final = "–"
NEVER: Final = "never"
PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def count(value: float) -> str:
    """Write a whole number."""
    return f"{value:,.0f}"


def rate(value: float) -> str:
    """Write an amount per second with three digits at least."""
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent(share: float | None) -> str:
    """Write a share; all but a few is never written as all."""
    if share is None:
        return ABSENT
    shown = 100 * share
    digits = 1 if 99 < shown < 99.95 or 0 < shown < 1 else 0
    if shown < 100:
        shown = min(shown, 99.9)
    return f"{shown:.{digits if shown != 99.9 else 1}f} %"


def seconds(value: Seconds) -> str:
    """Write a time in the unit that fits it; a dash where it is not known."""
    if value is None:
        return ABSENT
    if isinstance(value, str) or math.isinf(value):
        return NEVER
    if value < 0.0009995:
        return f"{1e6 * value:.0f} µs" if value else "0 ms"
    if value < 0.9995:
        ms = 1000 * value
        return f"{ms:.0f} ms" if ms >= 99.95 else f"{ms:.1f} ms" if ms >= 9.995 else f"{ms:.2f} ms"
    return f"{value:.2f} s" if value < 99.995 else f"{value:,.0f} s"


def round_seconds(value: float) -> str:
    """Write a round time without digits that say nothing."""
    number, unit = seconds(value).split()
    return f"{float(number.replace(',', '')):,g} {unit}"


def known(value: Seconds) -> float | None:
    """Return a time that came, None for any other."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def quantile(spread: Spread, name: str) -> Quantile:
    """Return a percentile by its name, such as "p95"."""
    found: Quantile = getattr(spread, name)
    return found


def why_absent(spread: Spread, name: str) -> str:
    """Say why there is no percentile."""
    return f"n = {spread.n:,}; {shown_name(name)} needs {smallest_sample(PERCENTILES[name]):,}"


def shown_name(name: str) -> str:
    """Write a percentile's name: p99.9, not p999."""
    return "p99.9" if name == "p999" else name


def interval(found: Quantile | Share) -> str:
    """Write a confidence interval; empty where a side of it is not known."""
    if found.low is None or found.high is None:
        return ""
    if isinstance(found, Share):
        return f"{100 * found.low:.1f} to {100 * found.high:.1f} %"
    return f"{seconds(found.low)} to {seconds(found.high)}"

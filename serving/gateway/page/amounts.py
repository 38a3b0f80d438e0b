"""Numbers as people read them; what was not measured is a dash."""

import math
from collections.abc import Sequence
from typing import Final

NOTHING: Final = "–"
NARROW: Final = "\u202f"  # no line is broken between a number and its unit
# From which value on a prefix is used, and what it stands for.
PREFIXES: Final = ((1e12, 1e12, "T"), (1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))


def compact(value: float) -> str:
    """Return a number in at most four digits: 950, 1,250, 12.5 k, 3.4 M."""
    for least, size, prefix in PREFIXES:
        # What rounds up to the next prefix is written with it.
        if value >= least * 0.9995:
            return f"{_significant(value / size)}{NARROW}{prefix}"
    return _significant(value)


def scale(values: Sequence[float]) -> list[str]:
    """Return the round numbers of an axis, all with the prefix of the last, the largest."""
    for least, size, prefix in PREFIXES:
        if values[-1] >= least:
            return [f"{value / size:g}{NARROW}{prefix}" if value else "0" for value in values]
    return [f"{value:,.6g}" for value in values]


def count(value: float) -> str:
    """Return a whole number, its thousands apart."""
    return f"{value:,.0f}"


def seconds(value: float) -> str:
    """Return a time in ms below a second, else in s."""
    if value < 0.9995:
        return f"{_significant(value * 1000)}{NARROW}ms"
    return f"{_significant(value)}{NARROW}s"


def rate(value: float) -> str:
    """Return tokens a second."""
    return f"{compact(value)} tokens/s"


def percent(value: float) -> str:
    """Return a share in percent, never rounded up to all of it."""
    shown = value if value == 100 else math.floor(value * 100) / 100
    return f"{shown:.4g}{NARROW}%"


def usd(value: float) -> str:
    """Return an amount in USD: to the cent from one dollar on, below in three digits."""
    if value >= 0.9995 or value == 0:
        return f"${value:,.2f}"
    return f"${_plain(value)}"


def price_of(usd_per_million: float) -> str:
    """Return a price of a million tokens: to the cent, or to as small a part as it has."""
    whole = math.isclose(usd_per_million, round(usd_per_million, 2))
    return f"${usd_per_million:.2f}" if whole else f"${usd_per_million:.4g}"


def _plain(value: float) -> str:
    """Return a number below 1 in three digits and without an exponent."""
    places = 2 - math.floor(math.log10(value))
    return f"{value:.{places}f}" if places <= 12 else "0.00"


def _significant(value: float) -> str:
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.4f}"

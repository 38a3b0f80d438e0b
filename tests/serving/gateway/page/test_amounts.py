"""Numbers as people read them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.page import amounts

FACTORS = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def plain(text: str) -> str:
    """Return a text with ordinary spaces."""
    return text.replace(amounts.NARROW, " ")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (99.94, "99.9"),
        (99.96, "100"),
        (9_994, "9,994"),
        (9_996, "10 k"),
        (12_345, "12.3 k"),
        (999_600, "1 M"),
        (3_456_789, "3.46 M"),
        (2e9, "2 B"),
        (5e12, "5 T"),
    ],
)
def test_large_numbers_are_short(value: float, said: str) -> None:
    """Three digits and a prefix say enough."""
    assert plain(amounts.compact(value)) == said


@given(st.floats(0.01, 1e15))
def test_a_short_number_is_the_number(value: float) -> None:
    """What is written differs by no more than half of its last digit."""
    match = re.fullmatch(r"([\d,.]+) ?(\w?)", plain(amounts.compact(value)))
    assert match
    read = float(match[1].replace(",", "")) * FACTORS.get(match[2], 1)
    assert read == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0004, "0.4 ms"),
        (0.25, "250 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (1.234, "1.23 s"),
        (123.4, "123 s"),
    ],
)
def test_times_have_their_unit(seconds: float, said: str) -> None:
    """Below a second they are in ms."""
    assert plain(amounts.seconds(seconds)) == said


@pytest.mark.parametrize(
    ("share", "said"), [(100, "100 %"), (99.999, "99.99 %"), (99.5, "99.5 %"), (0, "0 %")]
)
def test_nearly_all_is_not_all(share: float, said: str) -> None:
    """A lost request shows, however many went well."""
    assert plain(amounts.percent(share)) == said


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        (0, "$0.00"),
        (1234.567, "$1,234.57"),
        (0.9996, "$1.00"),
        (0.25, "$0.250"),
        (0.00012345, "$0.000123"),
        (1e-11, "$0.00"),
    ],
)
def test_small_amounts_are_not_nothing(usd: float, said: str) -> None:
    """What one request costs is a part of a cent, and is told."""
    assert amounts.usd(usd) == said


@pytest.mark.parametrize(
    ("price", "said"),
    [
        (2.1, "$2.10"),
        (0.18, "$0.18"),
        (1.365, "$1.365"),
        (0.117, "$0.117"),
        (12, "$12.00"),
        (0.0005, "$0.0005"),
    ],
)
def test_a_price_is_whole_and_to_the_cent_at_least(price: float, said: str) -> None:
    """Two places, and more where it has them."""
    assert amounts.price_of(price) == said

"""The periods of budgets: where they begin and end, in UTC."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.period import FIRST_DAY, Period, day_of, start_of

DAYS = st.dates(date(1999, 1, 1), date(2101, 1, 1))


@pytest.mark.parametrize(
    ("period", "day", "start", "end"),
    [
        ("daily", "2026-11-30", "2026-11-30", "2026-12-01"),
        ("weekly", "2026-11-23", "2026-11-23", "2026-11-30"),
        ("weekly", "2026-11-29", "2026-11-23", "2026-11-30"),
        ("weekly", "2026-11-30", "2026-11-30", "2026-12-07"),
        ("monthly", "2026-11-01", "2026-11-01", "2026-12-01"),
        ("monthly", "2026-12-31", "2026-12-01", "2027-01-01"),
        ("monthly", "2028-02-29", "2028-02-01", "2028-03-01"),
    ],
)
def test_where_a_period_begins_and_ends(period: str, day: str, start: str, end: str) -> None:
    """Weeks begin on Monday; the day of the end is the next period's first."""
    today = date.fromisoformat(day)
    assert Period(period).start(today).isoformat() == start
    assert Period(period).end(today).isoformat() == end


@given(st.sampled_from(Period), DAYS)
def test_every_day_is_in_one_period(period: Period, day: date) -> None:
    """The one that begins where the one before ends."""
    start, end = period.start(day), period.end(day)
    assert start <= day < end
    assert period.start(start) == period.start(end - timedelta(days=1)) == start
    assert period.end(start) == end == period.start(end)
    assert period is not Period.WEEKLY or start.weekday() == 0


def test_a_budget_without_a_period_counts_from_the_first_day_on() -> None:
    """It never begins anew."""
    assert start_of(None, date(2026, 11, 21)) == FIRST_DAY
    assert start_of(Period.MONTHLY, date(2026, 11, 21)) == date(2026, 11, 1)


def test_days_are_those_of_utc() -> None:
    """A second before midnight there is still the day before."""
    midnight = datetime.fromisoformat("2026-12-01T00:00:00+00:00").timestamp()
    assert day_of(midnight) == date(2026, 12, 1)
    assert day_of(midnight - 1) == date(2026, 11, 30)

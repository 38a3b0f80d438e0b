"""The periods of budgets: days, weeks from Monday on, and months, all in UTC."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

# Nothing was spent before: where the period of a budget without one begins.
FIRST_DAY: Final = date(1970, 1, 1)


class Period(StrEnum):
    """How long a budget lasts until it is whole again."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"

    @property
    def unit(self) -> str:
        """Return the word for one of them."""
        return {Period.DAILY: "day", Period.WEEKLY: "week", Period.MONTHLY: "month"}[self]

    def start(self, day: date) -> date:
        """Return the first day of the period that a day is in."""
        if self is Period.WEEKLY:
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self is Period.MONTHLY else day

    def end(self, day: date) -> date:
        """Return the first day of the period after the one that a day is in."""
        start = self.start(day)
        if self is Period.MONTHLY:
            return (start + timedelta(days=31)).replace(day=1)
        return start + timedelta(days=7 if self is Period.WEEKLY else 1)


def start_of(period: Period | None, day: date) -> date:
    """Return the first day whose spending counts for a budget, on a day."""
    return FIRST_DAY if period is None else period.start(day)


def day_of(seconds: float) -> date:
    """Return the day of a time in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).date()

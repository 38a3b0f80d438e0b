"""What may be said of a key: its name, its limits and its end, checked alike for every source."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from serving.failure import NotDone
from serving.gateway.key import Priority
from serving.gateway.period import Period
from serving.options import Group, Text

DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])")
UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
KEY_START: Final = "sk-"
ID_START: Final = "key_"


def duration(text: str) -> timedelta:
    """Read 30m, 24h or 90d; raises ValueError."""
    found = DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration such as 30m, 24h or 90d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def moment(value: Any) -> float:
    """Read a date, which counts to its end in UTC, or a time; return seconds since the epoch.

    Raises ValueError.
    """
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        if not isinstance(value, datetime):
            value = datetime.combine(value + timedelta(days=1), time())
        zoned: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).timestamp()  # it is shown in UTC: no year is out of range
    except (ValueError, TypeError, OverflowError):
        raise ValueError(
            "it is no date such as 2027-01-31 and no time such as 2027-01-31T18:00:00Z"
        ) from None


def shown(seconds: float | None) -> str:
    """Write a moment for people, "never" for none."""
    if seconds is None:
        return "never"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


class KeyTerms(Group):
    """A key's name and what it may do; None is no limit."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$")] = Field(
        description="1 to 64 letters, digits and ._@+-, not like a key or an id"
    )
    owner: Annotated[str, StringConstraints(max_length=256)] = Field(
        default="", description="Whom to ask about it, up to 256 characters"
    )
    models: tuple[Text, ...] = Field(
        default=(), max_length=64, description="Names of the models it may use; none: all"
    )
    requests_per_minute: int | None = Field(
        default=None, ge=1, le=10**9, strict=True, description="Requests started in a minute"
    )
    tokens_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=10**12,
        strict=True,
        description="Tokens of prompts and answers in a minute",
    )
    max_concurrent: int | None = Field(
        default=None, ge=1, le=10**6, strict=True, description="Requests at the same time"
    )
    budget_usd: float | None = Field(
        default=None,
        ge=0.01,
        le=10**9,
        strict=True,
        description="USD that its requests may cost in each period, 0.01 to 1,000,000,000",
    )
    budget_period: Period | None = Field(
        default=None,
        description="daily, weekly (from Monday on) or monthly, in UTC; none: for ever",
    )
    expires_at: Annotated[float, BeforeValidator(moment)] | None = Field(
        default=None, description="The last day (UTC) on which it works, or a time"
    )
    priority: Priority = Field(
        default=Priority.NORMAL, description="high, normal or low: its place in the queue"
    )
    admin: bool = Field(
        default=False, strict=True, description="true: may list the keys at /api/v1/keys"
    )

    @field_validator("budget_period")
    @classmethod
    def _of_a_budget(cls, period: Period | None, info: ValidationInfo) -> Period | None:
        if period is not None and info.data.get("budget_usd") is None:
            raise ValueError("there is no budget_usd that it could be the period of")
        return period

    @field_validator("name")
    @classmethod
    def _no_key_and_no_id(cls, name: str) -> str:
        if name.startswith((KEY_START, ID_START)):
            raise ValueError(f"a name cannot start with {KEY_START} or {ID_START}")
        return name


def checked_terms(values: dict[str, Any]) -> KeyTerms:
    """Return terms; raises NotDone naming the field and what it takes."""
    try:
        return KeyTerms.model_validate(values)
    except ValidationError as error:
        field, reason, meaning = next(problems(error, KeyTerms))
        raise NotDone(f"{field} is refused: {reason}.", f"It means: {meaning}.") from None


def problems(error: ValidationError, model: type[Group]) -> Iterator[tuple[str, str, str]]:
    """Yield each problem's field, reason and, for a known field, its meaning; never a value."""
    for problem in error.errors(include_url=False, include_input=False):
        field = str(problem["loc"][0])
        known = model.model_fields.get(field)
        reason = problem["msg"].removeprefix("Value error, ")
        meaning = (known.description or "") if known else ""
        yield field, reason[0].lower() + reason[1:], meaning

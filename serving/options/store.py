"""The options of the store."""

from typing import Literal

from pydantic import Field, SecretStr

from serving.options.group import Group


class StoreSettings(Group):
    """Where keys and usage are kept, and for how long."""

    url: SecretStr | None = Field(
        default=None,
        description="sqlite:///FILE or postgresql://…; by default a file in the state folder",
    )
    usage: bool = Field(
        default=True, description="Keep a row of each answered request, and sums by day"
    )
    request_days: int = Field(default=30, ge=1, description="Days that a request's row is kept")
    rollup_days: int = Field(
        default=400, ge=31, description="Days that the sums by day and minute are kept"
    )
    max_unwritten_requests: int = Field(
        default=100_000,
        ge=1,
        description="Requests held (1.5 kB each) while the store is away; more are counted as lost",
    )
    budget_unknown: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="What a key with a budget gets while its spending cannot be read: 503, or in",
    )

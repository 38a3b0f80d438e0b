"""What /api/v1/key and /keys answer with: OpenRouter's fields, and beside them our own."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

NOT_KEPT: Final = "where this server keeps no usage"
Usd = Annotated[float, Meta(description=f"In USD; 0 {NOT_KEPT}")]
Unused = Annotated[float, Meta(description="0: there are no other providers' keys here")]
NoId = Annotated[None, Meta(description="null: there are no accounts here")]
PerMinute = Annotated[int | None, Meta(description="In a minute; null: no limit")]
Moment = Annotated[str | None, Meta(description="ISO 8601; null: never")]


class KeyRateLimit(msgspec.Struct):
    """OpenRouter's older form of requests_per_minute."""

    requests: Annotated[int, Meta(description="-1: no limit")]
    interval: str
    note: str


class KeyBudget(msgspec.Struct, kw_only=True):
    """A key's budget, and what of it is spent, in USD."""

    scope: str = "key_limit"
    limit_usd: float
    spend_usd: float
    remaining_usd: Annotated[float, Meta(description="At 0 or below the key gets 402")]
    reset_interval: Annotated[str | None, Meta(description="null: the budget is for ever")]
    resets_at: Moment
    include_byok: bool = False
    budget_id: NoId = None
    guardrail_id: NoId = None


class FreeRequests(msgspec.Struct):
    """OpenRouter's count of free requests: there are none here."""

    limit: int = 0
    remaining: int = 0
    used: int = 0


class KeyLimits(msgspec.Struct, kw_only=True):
    """What a key is called, may do and has spent. Days, weeks and months are those of UTC."""

    name: str
    label: Annotated[str, Meta(description="The name again: no part of a key's text is kept")]
    limit: Annotated[float | None, Meta(description="Its budget in USD; null: none")]
    limit_remaining: Annotated[
        float | None, Meta(description=f"What is left of it; null: it has none, or {NOT_KEPT}")
    ]
    limit_reset: Annotated[
        str | None, Meta(description="daily, weekly (on Monday) or monthly; null: never")
    ]
    usage: Usd
    usage_daily: Usd
    usage_weekly: Usd
    usage_monthly: Usd
    byok_usage: Unused = 0
    byok_usage_daily: Unused = 0
    byok_usage_weekly: Unused = 0
    byok_usage_monthly: Unused = 0
    include_byok_in_limit: bool = False
    creator_user_id: NoId = None
    expires_at: Moment
    models: Annotated[list[str] | None, Meta(description="null: all")]
    requests_per_minute: PerMinute
    tokens_per_minute: PerMinute
    max_concurrent: Annotated[int | None, Meta(description="At the same time; null: no limit")]
    priority: str


class OwnKey(KeyLimits, kw_only=True):
    """The key that asks."""

    budgets: Annotated[list[KeyBudget], Meta(description=f"Its budget; none {NOT_KEPT}")]
    effective_budget: Annotated[KeyBudget | None, Meta(description="The same one")]
    is_free_tier: bool = False
    is_management_key: Annotated[bool, Meta(description="Whether it may list all keys")]
    is_provisioning_key: Annotated[bool, Meta(description="The same under its older name")]
    rate_limit: KeyRateLimit
    free_model_daily_requests: FreeRequests = msgspec.field(default_factory=FreeRequests)
    allowed_data_regions: tuple[str, ...] = ("global",)
    organization_id: NoId = None
    workspace_id: NoId = None


class ListedKey(KeyLimits, kw_only=True):
    """One key of the list."""

    hash: Annotated[str, Meta(description="Its id, as `serving keys` takes it")]
    owner: str
    disabled: Annotated[bool, Meta(description="Whether it is revoked or expired")]
    created_at: Annotated[str, Meta(description="ISO 8601; empty: it is not in the store")]
    updated_at: Annotated[None, Meta(description="null: that is not kept")] = None
    last_used_at: Annotated[None, Meta(description="null: that is not kept")] = None
    revoked_at: Moment
    external_user: NoId = None
    workspace_id: Annotated[str, Meta(description="Empty: there are none here")] = ""


class KeyAnswer(msgspec.Struct):
    """The key that asks, and what it may do."""

    data: OwnKey


class KeyList(msgspec.Struct):
    """All keys: of the settings, the file and the store, in this order."""

    data: list[ListedKey]

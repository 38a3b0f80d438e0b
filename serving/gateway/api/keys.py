"""GET /api/v1/key and /keys: what the asking key may do, and for an admin what all may."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from serving.gateway.errors import Forbidden
from serving.gateway.exchange import Exchange
from serving.gateway.key import Key
from serving.gateway.served import ServedModel

NO_ACCOUNT: Final = "0: this server keeps no account in USD"
Usd = Annotated[int, Meta(description=NO_ACCOUNT)]
NoLimit = Annotated[None, Meta(description="No key has a limit in USD")]
PerMinute = Annotated[int | None, Meta(description="In a minute; null: no limit")]
Moment = Annotated[str | None, Meta(description="ISO 8601; null: never")]


class KeyRateLimit(msgspec.Struct):
    """OpenRouter's older form of requests_per_minute."""

    requests: Annotated[int, Meta(description="-1: no limit")]
    interval: str
    note: str


class KeyLimits(msgspec.Struct, kw_only=True):
    """What a key is called and may do."""

    name: str
    label: Annotated[str, Meta(description="The name again: no part of a key's text is kept")]
    limit: NoLimit = None
    limit_remaining: NoLimit = None
    limit_reset: NoLimit = None
    usage: Usd = 0
    usage_daily: Usd = 0
    usage_weekly: Usd = 0
    usage_monthly: Usd = 0
    expires_at: Moment
    models: Annotated[list[str] | None, Meta(description="null: all")]
    requests_per_minute: PerMinute
    tokens_per_minute: PerMinute
    max_concurrent: Annotated[int | None, Meta(description="At the same time; null: no limit")]
    priority: str


class OwnKey(KeyLimits, kw_only=True):
    """The key that asks."""

    is_free_tier: bool = False
    is_management_key: Annotated[bool, Meta(description="Whether it may list all keys")]
    is_provisioning_key: Annotated[bool, Meta(description="The same under its older name")]
    rate_limit: KeyRateLimit


class ListedKey(KeyLimits, kw_only=True):
    """One key of the list."""

    hash: Annotated[str, Meta(description="Its id, as `serving keys` takes it")]
    owner: str
    disabled: Annotated[bool, Meta(description="Whether it is revoked or expired")]
    created_at: Moment
    revoked_at: Moment


class KeyAnswer(msgspec.Struct):
    """The key that asks, and what it may do."""

    data: OwnKey


class KeyList(msgspec.Struct):
    """All keys: of the settings, the file and the store, in this order."""

    data: list[ListedKey]


async def show_key(_served: ServedModel, exchange: Exchange) -> None:
    """Answer with the limits of the key that asks."""
    key = exchange.key
    own = OwnKey(
        **_limits(key),
        is_management_key=key.admin,
        is_provisioning_key=key.admin,
        rate_limit=KeyRateLimit(
            requests=-1 if key.requests_per_minute is None else key.requests_per_minute,
            interval="1m",
            note="Deprecated: see requests_per_minute.",
        ),
    )
    await exchange.answer(200, msgspec.json.encode(KeyAnswer(own)))


async def list_keys(served: ServedModel, exchange: Exchange) -> None:
    """Answer with all keys; raises Forbidden for whoever is no admin."""
    if not exchange.key.admin:
        raise Forbidden(
            "Only a key with the admin flag may list the keys. Ask this server's operator, who "
            "has `serving keys list`."
        )
    listed = [
        ListedKey(
            **_limits(key),
            hash=key.id,
            owner=key.owner,
            disabled=served.keys.state(key) != "live",
            created_at=_moment(key.created_at),
            revoked_at=_moment(key.revoked_at),
        )
        for key in served.keys.everything
    ]
    await exchange.answer(200, msgspec.json.encode(KeyList(listed)))


def _limits(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "label": key.name,
        "expires_at": _moment(key.expires_at),
        "models": list(key.models) or None,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "max_concurrent": key.max_concurrent,
        "priority": key.priority.value,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()

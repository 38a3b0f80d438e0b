"""GET /api/v1/key and /keys: what the asking key may do and did spend, for an admin of all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from datetime import time as clock_time
from typing import TYPE_CHECKING, Any

import msgspec

from serving.gateway.answer import COST_DIGITS
from serving.gateway.api.key_answers import (
    KeyAnswer,
    KeyBudget,
    KeyList,
    KeyRateLimit,
    ListedKey,
    OwnKey,
)
from serving.gateway.errors import Forbidden
from serving.gateway.exchange import Exchange
from serving.gateway.key import Key
from serving.gateway.ledger import Ledger
from serving.gateway.period import FIRST_DAY, Period, day_of
from serving.gateway.served import ServedModel

if TYPE_CHECKING:
    from serving.store.usage import UsageStore


class Spent(msgspec.Struct, frozen=True):
    """What a key has spent in USD in all, and in the running day, week and month."""

    total: float = 0.0
    daily: float = 0.0
    weekly: float = 0.0
    monthly: float = 0.0

    def within(self, period: Period | None) -> float:
        """Return what counts for a budget."""
        spent: float = getattr(self, period or "total")
        return spent


async def show_key(served: ServedModel, exchange: Exchange) -> None:
    """Answer with the limits of the key that asks; raises StoreUnavailable."""
    key = exchange.key
    spent = await spent_by(served.ledger, [key]) if served.ledger else None
    budget = _budget(key, spent)
    own = OwnKey(
        **_limits(key, spent),
        budgets=[budget] if budget else [],
        effective_budget=budget,
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
    """Answer with all keys; raises Forbidden for whoever is no admin, and StoreUnavailable."""
    if not exchange.key.admin:
        raise Forbidden(
            "Only a key with the admin flag may list the keys. Ask this server's operator, who "
            "has `serving keys list`."
        )
    keys = served.keys.everything
    spent = await spent_by(served.ledger, keys) if served.ledger else None
    listed = [
        ListedKey(
            **_limits(key, spent),
            hash=key.id,
            owner=key.owner,
            disabled=served.keys.state(key) != "live",
            created_at=_moment(key.created_at) or "",
            revoked_at=_moment(key.revoked_at),
        )
        for key in keys
    ]
    await exchange.answer(200, msgspec.json.encode(KeyList(listed)))


async def spent_by(ledger: Ledger, keys: Sequence[Key]) -> dict[str, Spent]:
    """Return what keys have spent by their ids, what is not written yet included.

    Raises StoreUnavailable.
    """
    today = day_of(time.time())
    days = (FIRST_DAY, *(period.start(today) for period in Period))
    one = keys[0].id if len(keys) == 1 else None

    def work(store: UsageStore) -> dict[str, list[float]]:
        return store.spent_since(days, one)

    await ledger.flushed()
    sums, nothing = await ledger.read(work), [0.0] * len(days)
    return {
        key.id: Spent(
            *(
                round(usd + ledger.unwritten_cost(key.id), COST_DIGITS)
                for usd in sums.get(key.id, nothing)
            )
        )
        for key in keys
    }


def _budget(key: Key, spent: Mapping[str, Spent] | None) -> KeyBudget | None:
    if key.budget_usd is None or spent is None:
        return None
    period, used = key.budget_period, spent[key.id].within(key.budget_period)
    end = period and datetime.combine(period.end(day_of(time.time())), clock_time(), UTC)
    return KeyBudget(
        limit_usd=key.budget_usd,
        spend_usd=used,
        remaining_usd=round(key.budget_usd - used, COST_DIGITS),
        reset_interval=period,
        resets_at=end.isoformat() if end else None,
    )


def _limits(key: Key, spent: Mapping[str, Spent] | None) -> dict[str, Any]:
    used, budget = (spent or {}).get(key.id, Spent()), _budget(key, spent)
    return {
        "name": key.name,
        "label": key.name,
        "limit": key.budget_usd,
        "limit_remaining": budget and max(0.0, budget.remaining_usd),
        "limit_reset": key.budget_period,
        "usage": used.total,
        "usage_daily": used.daily,
        "usage_weekly": used.weekly,
        "usage_monthly": used.monthly,
        "expires_at": _moment(key.expires_at),
        "models": list(key.models) or None,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "max_concurrent": key.max_concurrent,
        "priority": key.priority.value,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()

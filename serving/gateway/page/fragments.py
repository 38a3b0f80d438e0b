"""GET /page/performance and /page/usage: pieces of the page that are drawn anew every few seconds.

The ledger's thread draws them; the event loop only sends them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from serving.gateway.errors import BadRequest
from serving.gateway.exchange import Exchange
from serving.gateway.key import ANYBODY, Key
from serving.gateway.page.activity import WINDOWS, Activity, span_of
from serving.gateway.page.endpoint import HTML, shown
from serving.gateway.page.performance import performance_html
from serving.gateway.page.usage import SOURCES, Bill, usage_html
from serving.gateway.served import ServedModel

if TYPE_CHECKING:
    from serving.store.usage import UsageStore

# A sample may be as small as half of this: still enough for a p95 in each bucket.
MOST_RECORDS: Final = 8_000
SWITCHED_OFF: Final = (
    '<p class="plot-few">This server keeps no usage, so there is nothing to show. '
    "The setting <code>store.usage: true</code> turns it on.</p>"
)


@shown
async def show_performance(served: ServedModel, exchange: Exchange) -> None:
    """Answer with the plots of a window; raises BadRequest or StoreUnavailable."""
    window = _chosen(exchange, "window", tuple(WINDOWS), "1h")
    await _show(
        served, exchange, ("performance", window), lambda store: _performance(store, window)
    )


@shown
async def show_usage(served: ServedModel, exchange: Exchange) -> None:
    """Answer with what was used, by all keys or the one that asks.

    Raises BadRequest or StoreUnavailable.
    """
    days = int(_chosen(exchange, "days", tuple(map(str, SOURCES)), "30"))
    owner = None if sees_all(exchange.key) else exchange.key
    name = ("usage", days, None if owner is None else owner.id)
    await _show(served, exchange, name, lambda store: _usage(store, days, owner))


def sees_all(key: Key) -> bool:
    """Tell whether all keys' usage is shown: to an admin, and where no key is needed."""
    return key.admin or key is ANYBODY


def _performance(store: UsageStore, window: str) -> str:
    now = time.time()
    span = span_of(window, now)
    return performance_html(
        Activity(
            window,
            span,
            now,
            store.minutes(span.since, span.until),
            store.sample(span.since, span.until, MOST_RECORDS),
        )
    )


def _usage(store: UsageStore, days: int, owner: Key | None) -> str:
    today = datetime.now(UTC).date()
    first = today - timedelta(days=days - 1)
    if owner is None:
        return usage_html(Bill(store.days(first, today), today, days, None))
    return usage_html(Bill(store.days(first, today, owner.id), today, days, owner.name))


async def _show(
    served: ServedModel, exchange: Exchange, name: object, draw: Callable[[UsageStore], str]
) -> None:
    ledger, drawn = served.ledger, SWITCHED_OFF.encode()
    if ledger is not None:
        drawn = await served.recent.get(
            name, lambda: ledger.read(lambda store: draw(store).encode())
        )
    await exchange.answer(200, drawn, HTML)


def _chosen(exchange: Exchange, name: str, choices: tuple[str, ...], usual: str) -> str:
    """Return a value of the query; raises BadRequest unless it is one of the choices."""
    value = exchange.query.get(name, usual)
    if value not in choices:
        raise BadRequest(
            f"{name} is none of {', '.join(choices)}. Choose one of them.",
            code="invalid_value",
            param=name,
        )
    return value

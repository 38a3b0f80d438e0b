"""GET /openapi.json and /docs: for everybody, made once for each offer."""

import re
from functools import lru_cache
from typing import Final

import msgspec

from serving.gateway.docs.document import document
from serving.gateway.docs.offer import Offer
from serving.gateway.docs.page import page
from serving.gateway.exchange import JSON, Exchange
from serving.gateway.served import ServedModel

HTML: Final = [
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    ),
]
# Stands in the page for the address that each reader uses.
BASE: Final = "http://base.invalid"
HOST: Final = re.compile(
    r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?"
)


async def show_document(served: ServedModel, exchange: Exchange) -> None:
    """Answer with the OpenAPI document."""
    await exchange.answer(200, _document(_offer(served)), JSON)


async def show_page(served: ServedModel, exchange: Exchange) -> None:
    """Answer with the page, its samples made out to the address that the client used."""
    shown = _page(_offer(served)).replace(BASE, base_of(exchange))
    await exchange.answer(200, shown.encode(), HTML)


def base_of(exchange: Exchange) -> str:
    """Return scheme and host by which the client came, as the base of URLs to show it."""
    proxied = exchange.headers.get(b"x-forwarded-proto") == b"https"
    scheme = "https" if proxied or exchange.tls else "http"
    host = exchange.headers.get(b"host", b"").decode("ascii", "replace")
    return f"{scheme}://{host if HOST.fullmatch(host) else 'localhost'}"


def _offer(served: ServedModel) -> Offer:
    return Offer.of(served.entry, served.limits, needs_key=served.keys.needed)


@lru_cache(maxsize=4)
def _page(offer: Offer) -> str:
    return page(offer, BASE)


@lru_cache(maxsize=4)
def _document(offer: Offer) -> bytes:
    return msgspec.json.encode(document(offer))

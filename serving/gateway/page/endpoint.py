"""GET /, its files and its live part: for everybody, where the operator shows the page."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final

from serving.gateway.answer_headers import Headers
from serving.gateway.docs.endpoint import base_of
from serving.gateway.errors import NotFound
from serving.gateway.exchange import Exchange
from serving.gateway.page.assets import ASSETS
from serving.gateway.page.overview import engine
from serving.gateway.page.page import page
from serving.gateway.page.reports import read_reports
from serving.gateway.served import ServedModel

Endpoint = Callable[[ServedModel, Exchange], Awaitable[None]]

POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    b"media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
HTML: Final[Headers] = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", POLICY),
]
# A browser asks each time whether a file is still the same, so that no two versions get mixed.
REVALIDATED: Final = (b"cache-control", b"no-cache")


def shown(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint of the page, which is not there where the operator shows no page."""

    @wraps(endpoint)
    async def answer(served: ServedModel, exchange: Exchange) -> None:
        if not served.limits.model_page:
            raise NotFound(
                "Unknown route: this server shows no model page (gateway.model_page). "
                "/docs describes the API.",
                code="unknown_url",
            )
        await endpoint(served, exchange)

    return answer


@shown
async def show_page(served: ServedModel, exchange: Exchange) -> None:
    """Answer with the page."""
    reports = await read_reports(served.limits.reports_folder, served.entry.id)
    text = page(served, base_of(exchange), reports)
    await exchange.answer(200, text.encode(), HTML)


@shown
async def show_engine(served: ServedModel, exchange: Exchange) -> None:
    """Answer with the part of the overview that changes while it is looked at."""
    await exchange.answer(200, engine(served.watch).encode(), HTML)


def asset_endpoint(path: str) -> Endpoint:
    """Return what answers with one of the page's files, or with 304 to a browser that has it."""
    asset = ASSETS[path]

    @shown
    async def show_asset(_served: ServedModel, exchange: Exchange) -> None:
        kept: Headers = [(b"etag", asset.etag), REVALIDATED]
        if asset.etag in exchange.headers.get(b"if-none-match", b""):
            await exchange.answer(304, b"", kept)
        else:
            await exchange.answer(200, asset.content, [(b"content-type", asset.media_type), *kept])

    return show_asset

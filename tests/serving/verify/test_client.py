"""The checks' client: told to come later, it does, and not for ever."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from serving.verify import client
from serving.verify.client import Endpoint


def asked(refusals: int, retry_after: str | None = "0") -> tuple[int, int]:
    """Ask a server that refuses so often; return the last status and how often it was asked."""
    count = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        if count > refusals:
            return web.json_response({})
        headers = {} if retry_after is None else {"retry-after": retry_after}
        return web.json_response({}, status=429, headers=headers)

    async def run() -> int:
        app = web.Application()
        app.router.add_get("/page", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            async with aiohttp.ClientSession() as session:
                return (await Endpoint(session, site.name.rstrip("/")).get("/page")).status
        finally:
            await runner.cleanup()

    return asyncio.run(run()), count


@pytest.mark.parametrize(
    ("refusals", "seen"),
    [
        pytest.param(0, (200, 1), id="served at once"),
        pytest.param(3, (200, 4), id="a limit that ends"),
        pytest.param(client.MAX_RETRIES, (200, client.MAX_RETRIES + 1), id="the last attempt"),
        pytest.param(client.MAX_RETRIES + 1, (429, client.MAX_RETRIES + 1), id="given up"),
    ],
)
def test_a_key_with_limits_is_no_fault_of_the_deployment(refusals, seen):
    """A 429 that says when to come again is tried again, so many times."""
    assert asked(refusals) == seen


@pytest.mark.parametrize("retry_after", [None, "soon"])
def test_a_refusal_without_a_time_is_shown(retry_after):
    """Nothing is guessed: the check that met it says what it saw."""
    assert asked(1, retry_after) == (429, 1)

"""The plots in a real browser: they fit on a phone, keep what is open, and axe finds no fault."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.usage import UsageStore
from tests.fake_engine import FakeEngine
from tests.serving.gateway.conftest import RunningGateway, settings_for
from tests.serving.usage_records import record

Open = Callable[..., Any]
Axe = Callable[[Any], list[str]]
OUTCOMES = ("ok", "ok", "ok", "rejected", "client_gone", "engine_error")
OPEN_ALL = "document.querySelectorAll('details.table-fold').forEach(each => { each.open = true })"
ROWS = "count => document.querySelectorAll('#plot-first-token-table tbody tr').length === count"


@pytest.fixture(name="base")
def _base(engine: FakeEngine) -> Iterator[str]:
    """Return the address of a gateway that asks for no key and has been used for an hour."""
    store = open_store(Address.of(StoreSettings()))
    rows = [
        record(
            number,
            time=time.time() - 12 * number,
            outcome=OUTCOMES[number % 6],
            key_id=f"key_{number % 3}",
            key=f"key {number % 3}",
            app=f"an-app-with-a-rather-long-name-without-a-space-{number % 12}",
            model=f"model {number % 6}",
            prompt_tokens=100_000 + number,
            answer_tokens=50,
            first_token_seconds=0.5,
            first_answer_seconds=2.5,
            duration_seconds=3.0,
        )
        for number in range(300)
    ]
    UsageStore(store).write("batch", rows)
    store.dispose()
    running = RunningGateway(settings_for(engine.socket_path, usage=True))
    yield f"http://127.0.0.1:{running.port}"
    running.end()


def test_plots_are_for_everybody(open_page: Open, axe: Axe, base: str) -> None:
    """With a table open axe finds no fault; with all open nothing is wider than a phone."""
    page = open_page(base, width=320)
    for tab in ("performance", "usage"):
        page.click(f"#tab-{tab}")
        page.wait_for_selector(f"#{tab} svg[role=img]")
        page.click(f"#{tab} summary >> nth=0")
        assert axe(page) == []
        page.evaluate(OPEN_ALL)
        assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_what_is_open_stays_open(open_page: Open, base: str) -> None:
    """Another window is drawn in place: a table stays unfolded, the link keeps the focus."""
    page = open_page(f"{base}/#performance")
    page.click("#plot-first-token-numbers summary")
    page.wait_for_function(ROWS, arg=20)
    page.click("#performance a:has-text('6 hours')")
    page.wait_for_selector("#performance a[aria-current]:has-text('6 hours')")
    page.wait_for_function(ROWS, arg=24)
    assert page.get_attribute("#plot-first-token-numbers", "open") is not None
    assert page.is_visible("#plot-first-token-table")
    assert page.evaluate("document.activeElement.textContent") == "6 hours"

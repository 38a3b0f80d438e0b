"""A headless Chromium that opens the model page, and axe as the judge of its accessibility."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parent / "clients-node" / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WAIT_MS = 60_000

# What may differ between a light and a dark page.
COLOURS = ["color-contrast", "link-in-text-block"]

OpenPage = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start a browser for a module's tests.

    Not for a whole session: while it runs, Playwright's event loop is its thread's own.
    """
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed; enable: make ci-deps")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 — a second that others save

    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that containers and root do not give it.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[OpenPage]:
    """Return what opens an address in a tab of its own; a fault of the page's scripts fails."""
    faults: list[str] = []
    with ExitStack() as contexts:

        def open_address(url: str, *, width: int = 1280, height: int = 900, **options: Any) -> Any:
            size: Any = {"width": width, "height": height}
            context = browser.new_context(viewport=size, **options)
            contexts.callback(context.close)
            context.set_default_timeout(WAIT_MS)
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.goto(url)
            return page

        yield open_address
    assert faults == []


@pytest.fixture(scope="session")
def axe() -> Callable[..., list[str]]:
    """Return what lists a page's faults by the WCAG 2.2 AA rules that a program can judge.

    A second look at the same page in other colours needs the rules on `COLOURS` alone.
    """
    if not AXE.exists():
        pytest.skip("axe is not installed; enable: make setup-check")
    source = AXE.read_text(encoding="utf-8")

    def judge(page: Any, rules: list[str] = STANDARDS) -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(source)
        asked = {"runOnly": rules, "resultTypes": ["violations"]}
        found = page.evaluate(
            "asked => axe.run(document, asked).then(found => found.violations)", asked
        )
        return [
            f"{fault['id']}: {fault['help']}: {node['html']} {node['failureSummary']}"
            for fault in found
            for node in fault["nodes"]
        ]

    return judge

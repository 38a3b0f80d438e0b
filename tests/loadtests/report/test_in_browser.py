"""The page in a real browser: on a desk, a phone and paper, by day and by night."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtests.report.folder import Run
from loadtests.report.page import write_report
from tests.browser import COLOURS
from tests.loadtests.report.synthetic import Made, write

Open = Callable[..., Any]
Axe = Callable[..., list[str]]
PHONE = 360
# Words that stand outside of the card they belong to.
OUTSIDE = """() => [...document.querySelectorAll(".card")].flatMap(card => {
  const box = card.getBoundingClientRect();
  return [...card.querySelectorAll("svg.plot text")].filter(text => {
    const place = text.getBoundingClientRect();
    return place.width && (place.left < box.left || place.right > box.right);
  }).map(text => text.textContent);
})"""


@pytest.fixture(scope="module", name="pages")
def _pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of pages: of six steps, of two, and of a single one without metrics."""
    made = {"six": Made(), "two": Made(users=(2, 16)), "one": Made(users=(3,), metrics=False)}
    folder = tmp_path_factory.mktemp("pages")
    for name, each in made.items():
        write(folder / name, each)
        write_report(folder / name)
    return {name: (folder / name / "report.html").as_uri() for name in made}


def test_the_page_is_for_everybody(open_page: Open, axe: Axe, pages: dict[str, str]) -> None:
    """Axe finds no fault of it, nor of its colours at night."""
    page = open_page(pages["two"])
    assert axe(page) == []
    page.emulate_media(color_scheme="dark")
    assert axe(page, COLOURS) == []


@pytest.mark.parametrize("name", ["six", "one"])
def test_nothing_is_wider_than_a_phone(open_page: Open, pages: dict[str, str], name: str) -> None:
    """Wide tables scroll in themselves, and no word of a plot leaves its card."""
    page = open_page(pages[name], width=PHONE)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    assert page.evaluate(OUTSIDE) == []
    scrolled = "[...document.querySelectorAll('.scroll')].some(s => s.scrollWidth > s.clientWidth)"
    assert page.evaluate(scrolled)


def test_the_page_asks_for_nothing_and_complains_of_nothing(
    browser: Any, pages: dict[str, str]
) -> None:
    """No request but for itself, and an empty console, though its policy is strict."""
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(pages["six"])
    page.mouse.move(400, 400)
    page.close()
    assert asked == [pages["six"]]
    assert said == []


def test_a_pointer_is_told_what_it_points_at(
    open_page: Open, pages: dict[str, str], run: Run
) -> None:
    """The name and the values of the nearest mark, read back from the drawing."""
    page = open_page(pages["six"])
    assert not page.is_visible("#told")
    place = page.evaluate(
        """() => {
          const svg = document.querySelector("svg[aria-labelledby^='frontier-ttfat'] svg.box");
          const dots = svg.querySelector("path.dots[data-name=p50]").getAttribute("d");
          const [, x, y] = dots.match(/M([\\d.]+) ([\\d.]+)/);
          svg.scrollIntoView({ block: "center" });
          const box = svg.getBoundingClientRect();
          return [box.left + x * box.width / 1000, box.top + y * box.height / 1000];
        }"""
    )
    page.mouse.move(*place)
    page.wait_for_selector("#told:not([hidden])")
    name, up, across = page.inner_text("#told").split("\n")
    step = run.summary.steps[0].all
    assert name == "p50"
    assert float(up.removesuffix(" ms")) == pytest.approx(1000 * step.ttfat.p50.value, rel=0.01)
    speed = float(across.removesuffix(" output tokens/s"))
    assert speed == pytest.approx(step.per_second.output_tokens, rel=0.01)


def test_without_a_script_nothing_is_lost(open_page: Open, pages: dict[str, str]) -> None:
    """All plots, words and tables are there."""
    page = open_page(pages["six"], java_script_enabled=False)
    assert page.locator("svg.plot").count() > 12
    assert "8 users" in page.inner_text("main")


def test_paper_has_all_of_it(open_page: Open, pages: dict[str, str], tmp_path: Path) -> None:
    """Nothing is wider than the sheet, and what only a screen needs is gone."""
    page = open_page(pages["six"], width=718)  # A4 less its margins
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") == 718
    assert not page.is_visible("nav")
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000

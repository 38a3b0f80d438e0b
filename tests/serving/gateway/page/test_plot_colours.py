"""Colours of the plots: to be seen by day and by night, and none where the reader's own count."""

import re
from importlib import resources

import pytest

from serving.gateway.page.marks import PATTERNS
from tests.serving.gateway.docs.test_page import luminance

MARKS = 3.0  # of WCAG 2.2, level AA, for what is no text
TEXT = 4.5
THEMES = ("light", "dark")


def styles(file: str) -> str:
    """Return a file of the page's styles."""
    return resources.files("serving.gateway.page").joinpath(file).read_text("utf-8")


def colours(file: str, theme: int) -> dict[str, str]:
    """Return the colours that a file defines for a theme."""
    roots = re.findall(r":root \{(.*?)\}", styles(file), re.DOTALL)
    return dict(re.findall(r"--([\w-]+): (#\w+)", roots[theme]))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG defines it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", range(2), ids=THEMES)
@pytest.mark.parametrize("ground", ["card", "page"])
@pytest.mark.parametrize("look", PATTERNS)
def test_every_look_is_seen(theme: int, ground: str, look: int) -> None:
    """Lines and bars stand out from what they are drawn on; the first two are names' as well."""
    grounds, looks = colours("page.css", theme), colours("plots.css", theme)
    least = TEXT if look <= 2 else MARKS
    assert contrast(looks[f"plot-{look}"], grounds[ground]) >= least


@pytest.mark.parametrize("theme", range(2), ids=THEMES)
def test_words_are_read(theme: int) -> None:
    """Ticks, units and what figures mean have the contrast of text."""
    shell = colours("page.css", theme)
    assert contrast(shell["soft"], shell["card"]) >= TEXT
    assert contrast(shell["soft"], shell["page"]) >= TEXT


def test_a_readers_own_colours_count() -> None:
    """Where colours are forced, looks differ by dash and pattern alone."""
    forced = re.search(r"\(forced-colors: active\) \{\s*:root \{(.*?)\}", styles("plots.css"), re.S)
    assert forced
    assert set(re.findall(r"--plot-(\d): CanvasText", forced[1])) == set(map(str, PATTERNS))
    dashes = re.findall(r"\.plot-look-\d \{.*?--dash: ([^;]+);", styles("plots.css"))
    assert len(set(dashes)) == len(PATTERNS)


def test_every_class_of_the_drawings_has_its_style() -> None:
    """And no style is left of a class that nothing is drawn with any more."""
    code = "".join(
        file.read_text("utf-8")
        for file in resources.files("serving.gateway.page").iterdir()
        if file.name.endswith(".py")
    )
    drawn = set(re.findall(r"\b(?:plot|table)-[a-z]+\b(?=[ \"'-])", code))
    styled = set(re.findall(r"\.((?:plot|table)-[a-z]+)", styles("plots.css")))
    assert styled <= drawn, styled - drawn

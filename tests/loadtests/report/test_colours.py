"""Colours of the report: to be seen by day and by night, and none where the reader's own count."""

import re
from importlib import resources

import pytest

from tests.serving.gateway.docs.test_page import luminance

TEXT = 4.5  # of WCAG 2.2, level AA


def styles(file: str) -> str:
    """Return a file of the report's styles."""
    return resources.files("loadtests.report").joinpath(file).read_text("utf-8")


def blocks(file: str, selector: str) -> list[dict[str, str]]:
    """Return the colours that a selector defines: by day, by night."""
    found = re.findall(rf"{selector} \{{(.*?)\}}", styles(file), re.DOTALL)
    colours = (dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in found)
    return [block for block in colours if block]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG defines it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", range(2), ids=["light", "dark"])
def test_every_look_can_be_read(theme: int) -> None:
    """Lines and the words in their colour stand out from the card that they are on."""
    shown = blocks("plot.css", r"\.plot")[theme]
    looks = [f"look-{number}" for number in range(1, 9)]
    assert len({shown[look] for look in looks}) == 8
    for name in (*looks, "ink", "soft"):
        assert contrast(shown[name], shown["card"]) >= TEXT, name


@pytest.mark.parametrize("theme", range(2), ids=["light", "dark"])
def test_page_and_plots_have_the_same_colours(theme: int) -> None:
    """What a word says in blue is drawn in that blue."""
    page, shown = blocks("page.css", ":root")[theme], blocks("plot.css", r"\.plot")[theme]
    for name in ("card", "ink", "soft", "line"):
        assert page[name] == shown[name]
    for number in (1, 2, 5):
        assert page[f"accent-{number}"] == shown[f"look-{number}"]
    for name in ("met", "missed", "undecided", "soft", "accent", "ink"):
        for ground in ("page", "card"):
            assert contrast(page[name], page[ground]) >= TEXT, (name, ground)


def test_every_class_of_the_drawings_has_its_style() -> None:
    """And no style is left of a class that nothing is drawn with any more."""
    code = "".join(
        file.read_text("utf-8")
        for file in resources.files("loadtests.report").iterdir()
        if file.name.endswith((".py", ".html", ".js"))
    )
    used = set(re.findall(r"[\w-]+", code))
    styled = set(re.findall(r"\.([a-z][\w-]*)", re.sub(r"\{[^{}]*\}", "{}", styles("plot.css"))))
    numbered = {name for name in styled if name.startswith("look-")}
    assert styled - numbered <= used, styled - numbered - used
    assert len(numbered) == 8

"""Pieces of the page as a strict reader sees them: XML, in which no tag may be left open."""

from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element


def read(html: str) -> Element:
    """Return a piece of the page; fails where it is not well formed."""
    return ET.fromstring(f"<div>{html}</div>")  # noqa: S314 (our own page)


def named(whole: Element, name: str) -> Element:
    """Return the one element with an id."""
    (found,) = (each for each in whole.iter() if each.get("id") == name)
    return found


def text(element: Element) -> str:
    """Return an element's words."""
    return "".join(element.itertext())


def rows(whole: Element, name: str) -> list[list[str]]:
    """Return the cells of a table's rows, its heads first."""
    return [
        [text(cell) for cell in row if cell.tag in {"th", "td"}]
        for row in named(whole, name).iter("tr")
    ]


def columns(whole: Element, name: str) -> dict[str, list[str]]:
    """Return a table's cells by the head of their column."""
    heads, *lines = rows(whole, name)
    return dict(zip(heads, map(list, zip(*lines, strict=True)), strict=True))


def figures(whole: Element, name: str) -> dict[str, str]:
    """Return the large numbers of the section that a heading's id names."""
    (section,) = (each for each in whole.iter("section") if each.get("aria-labelledby") == name)
    pairs = (pair for pair in section.iter("div") if pair.find("dt") is not None)
    return {text(pair[0]): text(pair[1]) for pair in pairs}

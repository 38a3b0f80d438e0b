"""The page at /docs: whole in itself, readable by people and machines, and about this server."""

import itertools
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from serving.catalogue import entry_for
from serving.gateway.docs.document import document
from serving.gateway.docs.failures import CODES
from serving.gateway.docs.fields import fields, types
from serving.gateway.docs.offer import Offer
from serving.gateway.docs.operations import OPERATIONS
from serving.gateway.docs.page import page
from serving.options import GatewaySettings

BASE = "http://model.example:8000"
VOID = {"meta", "link", "br"}
CONTRAST = 4.5  # of WCAG 2, level AA, for text


class Reader(HTMLParser):
    """Reads a page as a browser does that loads nothing."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note words."""
        self.words.append(data)

    def having(self, attribute: str) -> list[str]:
        """Return all values of an attribute."""
        return [value for _, attrs in self.tags if (value := attrs.get(attribute)) is not None]


@pytest.fixture(scope="module")
def offer() -> Offer:
    """Return what a server of the tiny model offers."""
    return Offer.of(entry_for("tiny"), GatewaySettings())


@pytest.fixture(scope="module")
def text(offer: Offer) -> str:
    """Return the page."""
    return page(offer, BASE)


@pytest.fixture(scope="module")
def read(text: str) -> Reader:
    """Return the page as it is read."""
    return Reader(text)


def test_every_tag_is_closed(read: Reader) -> None:
    """The page is well formed to its end."""
    assert read.open == []


def test_nothing_is_loaded_or_run(text: str, read: Reader) -> None:
    """It works offline and without a script: nothing but links leads out of it."""
    assert {tag for tag, _ in read.tags} & {"script", "img", "iframe", "object", "form"} == set()
    assert read.having("src") == []
    loaded = [attrs for tag, attrs in read.tags if tag == "link"]
    assert [attrs["href"] for attrs in loaded] == ["data:,"]
    assert not re.search(r"url\(|@import", text)
    assert [name for _, attrs in read.tags for name in attrs if name.startswith("on")] == []


def test_every_link_leads_somewhere(read: Reader) -> None:
    """A link's target is on the page, once, or is the document."""
    names = read.having("id")
    assert len(names) == len(set(names))
    targets = [attrs["href"] for tag, attrs in read.tags if tag == "a"]
    assert {target for target in targets if target[1:] not in names} == {"/openapi.json"}
    assert set(read.having("aria-labelledby")) <= set(names)


def test_a_screen_reader_finds_its_way(read: Reader) -> None:
    """Language, title, landmarks, headings without a gap, heads of rows and columns."""
    tags = [tag for tag, _ in read.tags]
    assert dict(read.tags[0][1]) == {"lang": "en"}
    assert {"title", "nav", "main"} <= set(tags)
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 == levels[0]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(attrs.get("scope") in {"row", "col"} for tag, attrs in read.tags if tag == "th")
    scrolled = [attrs for _, attrs in read.tags if attrs.get("class") == "scroll"]
    assert all(attrs["tabindex"] == "0" and attrs["role"] == "region" for attrs in scrolled)


def test_all_of_the_document_is_there(offer: Offer, read: Reader) -> None:
    """Every endpoint, field, type and error code is shown."""
    described = document(offer)
    words = set(read.words)
    assert {f"{each.method} {path}" for path, each in OPERATIONS.items()} <= words
    assert CODES.keys() <= words
    requests = [each.request.__name__ for each in OPERATIONS.values() if each.request]
    for name in [*requests, *types(described, *requests)]:
        assert {field.name for field in fields(described, name)} <= words, name


def test_it_is_about_this_server() -> None:
    """Names, limits, defaults and the need for a key are those at hand, samples use the address."""
    entry = entry_for("Qwen/Qwen3-VL-8B-Thinking", aliases=["<mine>"])
    limits = GatewaySettings(max_output_tokens=4321, max_images=3, api_keys=("secret",))
    shown = page(Offer.of(entry, limits, needs_key=True), BASE)
    assert f'base_url="{BASE}/v1"' in shown
    assert "4,321" in shown
    assert "3 pictures" in shown
    assert "0 with pictures, 1.5 for text alone" in shown
    assert "needs a key" in shown
    assert "&lt;mine&gt;" in shown
    assert "secret" not in shown


def test_a_route_of_one_dialect_says_so() -> None:
    """Keys and what was used are OpenRouter's; what both dialects have is not marked."""
    shown = page(Offer.of(entry_for("tiny"), GatewaySettings()), BASE)
    marked = re.findall(r"<h3 id=\"(\w+)\">[^\n]*\n<p>[^\n]*under /api/v1 alone", shown)
    assert marked == ["model_endpoints", "generation", "credits", "key", "keys"]


def channels(colour: str) -> list[float]:
    """Return red, green and blue of a colour, made linear."""
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def luminance(colour: str) -> float:
    """Return how light a colour is, as WCAG defines it."""
    red, green, blue = channels(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["page", "block"])
def test_colours_can_be_told_apart(text: str, theme: int, ground: str) -> None:
    """Text has enough contrast on what it stands on, by day and by night."""
    roots = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    colours: dict[str, Any] = dict(re.findall(r"--(\w+): (#\w+)", roots[theme]))
    for ink in ("ink", "soft", "link", "mark"):
        light, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= CONTRAST, ink

"""The page in a real browser: its tabs, its key, on a phone, to axe, and without a script."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import COLOURS, STANDARDS
from tests.fake_engine import FakeEngine, answer_events, refusal, stall, stream
from tests.serving.gateway.page.visit import PICTURE, THOUGHT, ask, wait_for_end

TABS = ("overview", "chat", "performance", "usage", "api")

Open = Callable[..., Any]
Axe = Callable[..., list[str]]


def shown_tab(page: Any) -> str:
    """Return the tab that is chosen, after a look that it is the only one, and all that is seen."""
    [chosen] = page.eval_on_selector_all(
        "[role=tab][aria-selected=true][tabindex='0']", "all => all.map(tab => tab.hash.slice(1))"
    )
    [seen] = page.eval_on_selector_all(
        "[role=tabpanel]:not([hidden])", "all => all.map(panel => panel.id)"
    )
    assert chosen == seen
    return str(chosen)


def test_tabs_move_by_arrow_keys(open_page: Open, base: str) -> None:
    """One stop for Tab, arrows around the ends, Home and End; the address follows."""
    page = open_page(base)
    assert shown_tab(page) == "overview"
    page.focus("#tab-overview")
    for key, expected in (
        ("ArrowRight", "chat"),
        ("End", "api"),
        ("ArrowRight", "overview"),
        ("ArrowLeft", "api"),
        ("Home", "overview"),
    ):
        page.keyboard.press(key)
        assert shown_tab(page) == expected
        assert page.evaluate("document.activeElement.id") == f"tab-{expected}"
        assert page.url.endswith(f"#{expected}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Open the chat"


def test_a_tab_has_an_address(open_page: Open, base: str) -> None:
    """A link opens it, a place inside it too, and the way back leads through those seen."""
    page = open_page(f"{base}/#usage")
    assert shown_tab(page) == "usage"
    page.evaluate("location.hash = 'overview'")
    page.wait_for_selector("#overview:not([hidden])")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    page.wait_for_selector("#usage:not([hidden])")
    page.click("#tab-chat")
    page.go_back()
    page.wait_for_url("**#usage")
    assert shown_tab(page) == "usage"
    assert shown_tab(open_page(f"{base}/#python")) == "api"
    assert shown_tab(open_page(f"{base}/#%E0%A4%A")) == "overview"


def test_a_key_is_asked_for_and_stays_in_its_tab(
    open_page: Open, engine: FakeEngine, start_gateway: Any
) -> None:
    """401 opens the form; with the key the question is answered, and no other tab has it."""
    closed = start_gateway(api_keys=("sk-secret",))
    closed.wait_ready()
    page = open_page(f"http://127.0.0.1:{closed.port}/#chat")
    ask(page)
    page.wait_for_selector("#key-field:focus")
    page.keyboard.type("sk-secret")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Try again"
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer >> text=red")
    assert page.text_content("#key-state") == "set"
    kept = page.evaluate("[localStorage.length, document.cookie, sessionStorage.key]")
    assert kept[:2] == [0, ""]
    assert page.evaluate("sessionStorage.getItem('key')") == "sk-secret"
    other = page.context.new_page()
    other.goto(page.url)
    assert other.text_content("#key-state") == "none"
    assert engine.requests


def test_plots_ask_for_a_key_without_a_rush(
    open_page: Open, engine: FakeEngine, start_gateway: Any
) -> None:
    """Arrows pass over a tab that needs one; its button opens the form, and the key brings it."""
    closed = start_gateway(api_keys=("sk-secret",))
    page = open_page(f"http://127.0.0.1:{closed.port}/#chat")
    page.focus("#tab-chat")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#performance >> text=This needs a key")
    assert page.evaluate("document.activeElement.id") == "tab-performance"
    page.click("#performance >> text=Enter a key")
    page.keyboard.type("sk-secret")
    page.keyboard.press("Enter")
    page.wait_for_selector("#performance [data-fragment] > *")
    assert not page.is_visible("#performance .note")
    assert page.evaluate("document.activeElement.id") == "tab-performance"


def test_what_a_key_showed_goes_with_it(
    open_page: Open, engine: FakeEngine, start_gateway: Any
) -> None:
    """Whoever forgets a key leaves nothing of it on the page, on no tab."""
    closed = start_gateway(api_keys=("sk-secret",), usage=True)
    page = open_page("about:blank")
    page.add_init_script("sessionStorage.setItem('key', 'sk-secret')")
    page.goto(f"http://127.0.0.1:{closed.port}/#performance")
    page.wait_for_selector("#performance .choices")
    page.click("#tab-usage")
    page.wait_for_selector("#usage .choices")
    page.route("**/page/usage", lambda route: route.abort())
    page.click("#key summary")
    page.click("#key-forget")
    page.wait_for_selector("#usage >> text=cannot be reached")
    boxes = "#performance [data-fragment], #usage [data-fragment]"
    assert page.locator(boxes).all_text_contents() == ["", ""]
    page.unroute("**/page/usage")
    page.wait_for_selector("#usage >> text=This needs a key")


@pytest.mark.parametrize("key", ["sk-\N{CYRILLIC SMALL LETTER A}", "two words", ""])
def test_what_cannot_be_a_key_is_not_taken(
    open_page: Open, engine: FakeEngine, start_gateway: Any, key: str
) -> None:
    """No header could carry it: the field says so, and the key that was there stays."""
    closed = start_gateway(api_keys=("sk-secret",))
    page = open_page(f"http://127.0.0.1:{closed.port}/")
    page.click("#key summary")
    page.fill("#key-field", " sk-secret ")
    page.press("#key-field", "Enter")
    page.click("#key summary")
    page.fill("#key-field", key)
    page.press("#key-field", "Enter")
    assert page.evaluate("document.querySelector('#key-field:invalid') !== null")
    assert page.evaluate("sessionStorage.getItem('key')") == "sk-secret"


def test_fresh_html_leaves_the_reader_in_peace(open_page: Open, base: str) -> None:
    """Focus, what is folded open, and how far something is scrolled survive an update."""
    page = open_page(base)
    kept = page.evaluate(
        """async () => {
          const { morph } = await import("/page/morph.js");
          const make = (html) => Object.assign(document.createElement("div"), { innerHTML: html });
          const box = make("<details><summary>a</summary><a href='#1' id='x'>1</a></details>");
          document.body.append(box);
          const [details] = box.children;
          details.open = true;
          details.querySelector("a").focus();
          const link = "<a href='#2' id='x'>2</a>";
          morph(box, make(`<details class='n'><summary>b</summary>${link}</details><p>c</p>`));
          const { outerHTML } = document.activeElement;
          const same = box.firstChild === details && details.open;
          return [outerHTML, same, details.className, box.textContent];
        }"""
    )
    assert kept == ['<a href="#2" id="x">2</a>', True, "n", "b2c"]


@pytest.mark.parametrize("width", [320, 360])
def test_a_phone_scrolls_one_way_only(
    open_page: Open, engine: FakeEngine, base: str, width: int
) -> None:
    """No tab is wider than the screen, neither with an answer of one long word."""
    engine.play(stream(answer_events("m" * 400, "n" * 400)))
    page = open_page(base, width=width, height=740)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        if tab == "chat":
            ask(page, "w" * 300)
            wait_for_end(page)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert (tab, wide) == (tab, 0)


def test_nothing_moves_where_nothing_should(open_page: Open, engine: FakeEngine, base: str) -> None:
    """Who asks for reduced motion gets none, all others a sign of life."""
    engine.default, usual = stall(THOUGHT), engine.default
    beats = []
    for motion in ("reduce", "no-preference"):
        page = open_page(f"{base}/#chat", reduced_motion=motion)
        ask(page)
        page.wait_for_selector("details.thought[open]")
        beats.append(
            page.eval_on_selector(
                ".thought summary", "element => getComputedStyle(element, '::after').animationName"
            )
        )
    engine.default = usual
    assert beats == ["none", "beat"]


def test_nothing_comes_from_elsewhere(open_page: Open, engine: FakeEngine, base: str) -> None:
    """All that a visit asks for is asked of this server."""
    page = open_page("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(base)
    for tab in TABS:
        page.click(f"#tab-{tab}")
    page.click("#tab-chat")
    page.click(".sample >> nth=1")
    wait_for_end(page)
    assert len(asked) > 15
    assert [url for url in asked if not url.startswith((f"{base}/", "blob:", "data:"))] == []


def test_axe_finds_no_fault(
    open_page: Open, engine: FakeEngine, axe: Axe, start_gateway: Any
) -> None:
    """Light and dark, every tab, and the chat in, after and instead of an answer."""
    gateway = start_gateway(usage=True)
    gateway.wait_ready()
    page = open_page(f"http://127.0.0.1:{gateway.port}")
    faults = {}

    def judge(name: str) -> None:
        for scheme, rules in (("light", STANDARDS), ("dark", COLOURS)):
            page.emulate_media(color_scheme=scheme)
            if found := axe(page, rules):
                faults[f"{name}, {scheme}"] = found

    page.click("#tab-chat")
    judge("welcome")
    page.evaluate(PICTURE)
    page.wait_for_selector("#attached li")
    ask(page)
    wait_for_end(page)
    engine.play(refusal(400, "no"), stall(THOUGHT))
    ask(page)
    wait_for_end(page, 2)
    page.evaluate(PICTURE)
    page.wait_for_selector("#attached li")
    ask(page)
    page.wait_for_selector("details.thought[open]")
    page.evaluate(PICTURE)
    page.wait_for_selector("#attached li")
    judge("answered, failed and thinking")
    for tab in ("overview", "api"):
        page.click(f"#tab-{tab}")
        judge(tab)
    for tab in ("performance", "usage"):
        page.click(f"#tab-{tab}")
        page.wait_for_selector(f"#{tab} table", state="attached")
        judge(tab)
    assert faults == {}


def test_overview_and_samples_need_no_script(open_page: Open, base: str) -> None:
    """Who has switched scripts off reads the facts and the code; what cannot work is not there."""
    page = open_page(base, java_script_enabled=False)
    assert page.is_visible("text=Limits of a request")
    assert page.is_visible("text=from openai import OpenAI")
    assert not page.is_visible("#question")
    assert not page.is_visible("text=Loading…")
    assert page.is_visible("#chat noscript p")

"""The chat in a real browser: what people see, press and hear, against a scripted engine."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser import WAIT_MS
from tests.fake_engine import FakeEngine, delta_event, held, refusal, stall, stream
from tests.hostile.videos import filmed
from tests.serving.gateway.page.visit import ANSWER, PICTURE, THOUGHT, ask, wait_for_end

# Keeps what a screen reader is told, from its first word on.
LISTEN = """
window.heard = [];
new MutationObserver(() => heard.push(document.getElementById("announcer").textContent))
  .observe(document.getElementById("announcer"), { childList: true });
"""
GIVE = """([how, name, type, bytes, where = "question"]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type }));
  const about = { bubbles: true, cancelable: true };
  document.getElementById(where).dispatchEvent(
    how === "paste" ? new ClipboardEvent("paste", { ...about, clipboardData: data })
                    : new DragEvent("drop", { ...about, dataTransfer: data }));
}"""
LIVE = """all => all
  .filter((each) => each.ariaLive || ["status", "log", "alert"].includes(each.role))
  .map((each) => each.outerHTML)"""

Open = Callable[..., Any]


@pytest.fixture(name="tab", scope="module")
def _tab(browser: Any) -> Any:
    """Return a tab that tests use one after the other: another costs half a second each."""
    tab = browser.new_page()
    tab.set_default_timeout(WAIT_MS)
    return tab


@pytest.fixture(name="chat")
def _chat(tab: Any, base: str) -> Iterator[Any]:
    """Return the page as it opens, its chat chosen and its announcements kept."""
    faults: list[str] = []
    tab.goto("about:blank")
    tab.goto(f"{base}/#chat")
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.evaluate(LISTEN)
    yield tab
    assert faults == []


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Return what lets a held stream go on; at the end it does in any case."""
    wish = threading.Event()
    yield wish
    wish.set()


def test_thought_streams_and_folds_away(chat: Any, engine: FakeEngine, go: threading.Event) -> None:
    """It is seen while it comes, folds when the answer begins, and can be opened again."""
    engine.play(held(THOUGHT, go, ANSWER))
    chat.click(".sample >> nth=0")
    chat.wait_for_selector("details.thought[open] >> text=red circles.")
    assert chat.eval_on_selector_all(".thought .text > div", "all => all.length") == 2
    go.set()
    wait_for_end(chat)
    assert chat.text_content(".answer") == "3 red circles"
    assert chat.get_attribute(".thought", "open") is None
    chat.click(".thought summary")
    assert chat.is_visible(".thought >> text=red circles.")
    [text] = [part for part in engine.last().json["messages"][0]["content"] if "text" in part]
    assert text["text"] == "What is in this picture?"


def test_an_answer_comes_with_its_figures(chat: Any, engine: FakeEngine) -> None:
    """Tokens by kind, cost, times and the request's id, which the gateway knows."""
    engine.play(stream([*THOUGHT, *ANSWER]))
    with chat.expect_request("**/chat/completions") as asked:
        ask(chat)
    wait_for_end(chat)
    assert asked.value.headers["x-title"] == "model page"
    names = chat.eval_on_selector_all(".figures dt", "all => all.map(dt => dt.textContent)")
    values = chat.eval_on_selector_all(".figures dd", "all => all.map(dd => dd.textContent)")
    told = dict(zip(names, values, strict=True))
    assert (told["Prompt"], told["Thought"], told["Answer"]) == (
        "95 tokens",
        "9 tokens",
        "5 tokens",
    )
    assert told["Cost"] == "free"
    assert {"First token", "First answer token", "Whole"} <= set(told)
    assert told["Request"].removesuffix("Copy") == engine.last().headers["x-request-id"]


def test_two_things_are_announced(chat: Any, engine: FakeEngine) -> None:
    """The end of the thought and the answer; no token is, for no stream is a live region."""
    engine.play(stream([*THOUGHT, *ANSWER], pause_seconds=0.01))
    ask(chat)
    wait_for_end(chat)
    assert chat.evaluate("heard") == [
        "The thought has ended; the answer begins.",
        "Answer complete. 3 red circles",
    ]
    assert chat.eval_on_selector_all("#turns, #turns *", LIVE) == []


@pytest.mark.parametrize("how", ["button", "Escape"])
def test_stop_ends_the_request(chat: Any, engine: FakeEngine, wait_for: Any, how: str) -> None:
    """The engine is told, what was said stays, and the question's field is at hand again."""
    engine.play(stall([*THOUGHT, delta_event(content="3 red")]))
    ask(chat)
    chat.wait_for_selector(".answer >> text=3 red")
    if how == "Escape":
        chat.press("#question", "Escape")
    else:
        chat.click("#stop")
    wait_for_end(chat)
    assert chat.text_content(".ended") == "Stopped."
    assert chat.text_content(".answer") == "3 red"
    assert chat.evaluate("document.activeElement.id") == "question"
    wait_for(engine.last().hung_up.is_set)


def test_a_conversation_has_a_history(chat: Any, engine: FakeEngine) -> None:
    """What was answered is sent along, without old thoughts; a new chat begins with nothing."""
    for turn in (1, 2):
        ask(chat, f"question {turn}")
        wait_for_end(chat, turn)
    roles = [
        (message["role"], message["content"]) for message in engine.requests[-1].json["messages"]
    ]
    text = [{"type": "text", "text": "question 1"}]
    assert roles[:2] == [("user", text), ("assistant", "red")]
    assert len(roles) == 3
    chat.click("#anew")
    assert chat.is_visible("#welcome")
    ask(chat)
    wait_for_end(chat)
    assert len(engine.requests[-1].json["messages"]) == 1


def test_effort_is_asked_for(chat: Any, engine: FakeEngine) -> None:
    """The chosen effort bounds the thought."""
    for turn, effort in enumerate(("low", "high"), 1):
        chat.select_option("#effort", effort)
        ask(chat)
        wait_for_end(chat, turn)
    low, high = (request.json["thinking_token_budget"] for request in engine.requests)
    assert low < high


def test_an_answer_is_never_html(chat: Any, engine: FakeEngine) -> None:
    """Markup of a model is shown as it was written."""
    markup = "<img src=x onerror=alert(1)>\n<b>bold</b>"
    engine.play(stream([delta_event(reasoning=markup), delta_event(content=markup), *ANSWER[2:]]))
    ask(chat, markup)
    wait_for_end(chat)
    assert chat.inner_text(".answer") == markup
    assert chat.eval_on_selector_all(".turn b, .turn img", "all => all.length") == 0


def test_errors_are_told_with_a_way_on(chat: Any, engine: FakeEngine) -> None:
    """Kind, message and status; trying again asks the same and can succeed."""
    engine.play(refusal(400, "the picture is upside down"))
    ask(chat, "Is it?")
    wait_for_end(chat)
    told = chat.text_content(".failure p")
    assert "invalid request: " in told
    assert "the picture is upside down" in told
    assert "(400)" in told
    chat.click("text=Try again")
    chat.wait_for_selector(".answer >> text=red")
    assert engine.requests[-1].json["messages"][0]["content"][0]["text"] == "Is it?"


def test_a_stream_that_breaks_says_so(chat: Any, engine: FakeEngine) -> None:
    """An error event in the middle of an answer is told like one before it."""
    engine.play(stream([*THOUGHT, delta_event(content="3 r")], end=False))
    ask(chat)
    wait_for_end(chat)
    assert chat.is_visible(".failure")
    assert chat.text_content(".answer") == "3 r"


def test_an_answer_without_an_end_is_no_answer(open_page: Open, base: str) -> None:
    """A proxy that cuts a stream off leaves no whole answer behind that looks like one."""
    page = open_page(f"{base}/#chat")
    page.route("**/chat/completions", lambda route: route.fulfill(body=delta_event(content="3 r")))
    ask(page)
    wait_for_end(page)
    assert "broke off before its end" in page.text_content(".failure")


def test_a_refusal_counts_down(open_page: Open, base: str) -> None:
    """While the server has asked for patience the button waits, and says how long."""
    page = open_page(f"{base}/#chat")
    error = {"code": 429, "message": "slow down", "metadata": {"error_type": "rate_limit_exceeded"}}
    page.route(
        "**/chat/completions",
        lambda route: route.fulfill(
            status=429, body=json.dumps({"error": error}), headers={"retry-after": "3"}
        ),
    )
    page.clock.install()
    ask(page)
    wait_for_end(page)
    assert page.is_disabled("text=Try again in")
    page.clock.run_for(1000)
    assert page.is_disabled("text=Try again in")
    page.clock.run_for(2000)
    assert page.is_enabled("text=Try again")


def test_a_wrong_file_is_refused_before_it_leaves(chat: Any) -> None:
    """What the server would refuse is said at once, however it was given."""
    for how, name, kind, size, why in (
        ("drop", "a.pdf", "application/pdf", 10, "a.pdf: this is none of PNG, JPEG"),
        ("drop", "a.png", "image/png", 21 * 2**20, "a.png: 21 MiB is over the limit of 20 MiB"),
        ("paste", "b.png", "image/png", 0, "b.png: this file is empty"),
        ("paste", "a.mp4", "video/mp4", 0, "a.mp4: this file is empty"),
        ("paste", "c.png", "image/png", 10, "c.png: this cannot be read as a picture"),
    ):
        chat.evaluate(GIVE, [how, name, kind, size])
        chat.wait_for_selector(f"#complaint >> text={why}")
        assert chat.query_selector_all("#attached li") == []


def test_a_pasted_picture_is_asked_about(chat: Any, engine: FakeEngine) -> None:
    """It is seen, can be taken away, and goes with the question."""
    for _ in range(2):
        chat.evaluate(PICTURE)
    chat.wait_for_selector("#attached li:nth-child(2)")
    chat.click("[aria-label='Remove squares.png'] >> nth=0")
    ask(chat)
    wait_for_end(chat)
    parts = engine.last().json["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["image_url", "text"]
    assert chat.is_visible(".question img[alt='squares.png']")


@pytest.mark.parametrize("how", ["paste", "drop"])
@pytest.mark.parametrize("shown", ["overview", "chat"])
def test_a_file_is_taken_wherever_it_lands(chat: Any, how: str, shown: str) -> None:
    """The chat need not have the focus, nor be looked at."""
    chat.click(f"#tab-{shown}")
    chat.evaluate(GIVE, [how, "a.png", "image/png", 0, f"tab-{shown}"])
    chat.wait_for_selector("#complaint >> text=a.png: this file is empty")
    assert chat.is_visible("#chat")


def test_a_question_waits_for_its_picture(chat: Any, engine: FakeEngine) -> None:
    """Who pastes and asks at once, twice even, asks once, about the picture."""
    chat.evaluate(
        f"""async () => {{
          await ({PICTURE})();
          document.getElementById("question").value = "What is it?";
          document.getElementById("composer").requestSubmit();
          document.getElementById("composer").requestSubmit();
        }}"""
    )
    wait_for_end(chat)
    assert [len(each.json["messages"][0]["content"]) for each in engine.requests] == [2]
    assert chat.locator(".turn").count() == 1


def test_a_question_does_not_go_without_its_picture(chat: Any, engine: FakeEngine) -> None:
    """Where the file is refused while the question waits, the question stays to be changed."""
    chat.fill("#question", "What is it?")
    ask_at_once = "document.getElementById('composer').requestSubmit()"
    chat.evaluate(
        f"given => {{ ({GIVE})(given); {ask_at_once} }}", ["paste", "c.png", "image/png", 10]
    )
    chat.wait_for_selector("#complaint >> text=c.png: this cannot be read as a picture")
    assert chat.input_value("#question") == "What is it?"
    assert engine.requests == []


def test_a_sample_is_asked_about_once(chat: Any, engine: FakeEngine) -> None:
    """A double click is no second question, leaves no picture behind, and takes no draft away."""
    chat.fill("#question", "a draft")
    chat.dblclick(".sample >> nth=0")
    wait_for_end(chat)
    assert chat.locator(".turn").count() == 1
    assert chat.locator("#attached li").count() == 0
    assert chat.text_content("#complaint") == ""
    assert chat.input_value("#question") == "a draft"
    assert len(engine.requests) == 1


def test_a_video_is_chosen_and_watched(chat: Any, engine: FakeEngine) -> None:
    """One is taken, a second is one too many; the answered one still counts in its conversation."""
    clip = {"name": "clip.webm", "mimeType": "video/webm", "buffer": filmed("webm", "libvpx")}
    chat.set_input_files("#file", [clip, clip])
    chat.wait_for_selector("#complaint >> text=a conversation holds at most 1 video.")
    ask(chat)
    wait_for_end(chat)
    assert chat.text_content(".answer") == "red"
    assert chat.evaluate("document.querySelector('.question video').videoWidth") == 64
    [part, _] = engine.last().json["messages"][0]["content"]
    assert part["video_url"]["url"].startswith("data:video/webm;base64,")
    chat.set_input_files("#file", clip)
    chat.wait_for_selector("#complaint >> text=a conversation holds at most 1 video.")


def test_a_long_answer_costs_no_more_at_its_end(chat: Any) -> None:
    """30,000 pieces: what is there is never touched again, and a frame adds a node a line."""
    added, other, frames, lines = chat.evaluate(
        """async () => {
          const { Text } = await import("/page/text.js");
          const box = document.body.appendChild(document.createElement("div"));
          const text = new Text(box);
          const counts = [0, 0, 0, 1];
          const watch = (records) => records.forEach((record) => {
            counts[0] += record.addedNodes.length;
            counts[1] += record.removedNodes.length + (record.type !== "childList");
          });
          const observer = new MutationObserver(watch);
          observer.observe(box, { childList: true, characterData: true, subtree: true });
          for (let piece = 0; piece < 30000; piece += 1) {
            text.add(piece % 20 ? "word " : "word\\n");
            counts[3] += piece % 20 ? 0 : 1;
            if (piece % 300 === 299) {
              await new Promise(requestAnimationFrame);
              counts[2] += 1;
            }
          }
          text.flush();
          watch(observer.takeRecords());
          return counts;
        }"""
    )
    assert frames == 100
    assert other == 0
    assert added <= 2 * lines + frames

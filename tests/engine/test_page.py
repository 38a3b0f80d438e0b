"""The page before the real engine: its samples are answered rightly, its plots show the answers.

With PAGE_PICTURES=FOLDER the pictures that a person should look at are left there.
"""

import html
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.page.samples import SAMPLES
from serving.tiny_model.page_pictures import FOLDER

PICTURES = os.environ.get("PAGE_PICTURES")
ANSWER_MS = 300_000
PHONE = {
    "width": 360,
    "height": 740,
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
STOP_SOON = """
new MutationObserver((_, observer) => {
  if (!document.querySelector(".thought .text > div")) return;
  observer.disconnect();
  document.getElementById("stop").click();
}).observe(document.getElementById("turns"), { childList: true, subtree: true });
"""
COMMANDS = {
    "sh": ["bash", "-c"],
    "python": [sys.executable, "-c"],
    "js": ["node", "--input-type=module", "--eval"],
}

Open = Callable[..., Any]


def keep(page: Any, name: str) -> None:
    """Leave a picture for people, where they asked for it."""
    if PICTURES:
        folder = Path(PICTURES)
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", animations="disabled")


def wait_for_end(page: Any) -> None:
    """Wait until the answer is whole."""
    page.wait_for_selector(".turn:last-child[aria-busy=false]", timeout=ANSWER_MS)


@pytest.fixture(name="chat")
def _chat(open_page: Open, endpoint: Any) -> Any:
    """Return the page with its chat open."""
    return open_page(f"{endpoint.url}/#chat")


def test_every_sample_is_answered_rightly(chat: Any) -> None:
    """One click a picture: the model thinks about it, then says what the picture shows."""
    keep(chat, "page-welcome-light")
    for number, sample in enumerate(SAMPLES):
        chat.click(f".sample >> nth={number}")
        wait_for_end(chat)
        assert chat.text_content(".answer") == sample.answer
        thought = chat.text_content(".thought .text")
        assert all(word in thought for word in sample.shows.split()), (sample, thought)
        assert "picture)" in chat.text_content(".figures")
        chat.click("#anew")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_is_asked_about(open_page: Open, endpoint: Any, scheme: str) -> None:
    """The thought is folded away at the end, and there to be read."""
    page = open_page(f"{endpoint.url}/#chat", color_scheme=scheme)
    page.click(".sample >> nth=0")
    wait_for_end(page)
    assert not page.is_visible(".thought .text")
    page.click(".thought summary")
    assert page.is_visible(".thought .text")
    keep(page, f"page-chat-{scheme}")


def test_a_conversation_is_followed(chat: Any) -> None:
    """A sum, then a picture chosen as a file: the second answer is about the second question."""
    chat.fill("#question", "What is 12 + 7?")
    chat.click("#send")
    wait_for_end(chat)
    chat.set_input_files("#file", FOLDER / SAMPLES[0].file)
    chat.wait_for_selector("#attached li")
    chat.fill("#question", SAMPLES[0].question)
    chat.press("#question", "Enter")
    chat.wait_for_selector(".turn:nth-child(2)[aria-busy=false]", timeout=ANSWER_MS)
    assert chat.locator(".answer").all_text_contents() == ["19", SAMPLES[0].answer]


def test_a_thought_streams_and_can_be_stopped(chat: Any, endpoint: Any) -> None:
    """It is seen before it is whole; after a stop the engine has nothing to do."""
    chat.evaluate(STOP_SOON)
    chat.fill("#question", "Count aloud to 99.")
    chat.press("#question", "Enter")
    wait_for_end(chat)
    thought = chat.inner_text(".thought .text")
    assert thought.startswith("1")
    assert "99." not in thought
    assert chat.text_content(".ended") == "Stopped."
    for _ in range(ANSWER_MS // 50):
        if not endpoint.engine_metric("vllm:num_requests_running"):
            return
        chat.wait_for_timeout(50)
    pytest.fail("the engine goes on with what nobody reads")


def test_plots_and_sums_show_what_was_asked(open_page: Open, endpoint: Any) -> None:
    """Both tabs are drawn from the ledger, which has the answers of the tests before."""
    for scheme in ("light", "dark"):
        page = open_page(f"{endpoint.url}/#performance", color_scheme=scheme)
        page.wait_for_selector("#performance svg >> nth=0", timeout=ANSWER_MS)
        assert page.locator("#performance table").count() > 0
        keep(page, f"page-performance-{scheme}")
        page.click("#tab-usage")
        page.wait_for_selector("#usage >> text=Tokens a day by model", timeout=ANSWER_MS)
        assert "tiny-qwen3-vl" in page.inner_text("#usage")
        keep(page, f"page-usage-{scheme}")
        page.click("#tab-overview")
        assert page.inner_text(".state") == "ready"
        assert re.search(r"vLLM \d", page.inner_text("#overview"))
        keep(page, f"page-overview-{scheme}")


def test_it_fits_a_phone(open_page: Open, endpoint: Any) -> None:
    """A picture is asked about on a small screen, of which nothing sticks out."""
    page = open_page(f"{endpoint.url}/#chat", **PHONE)
    page.click(".sample >> nth=0")
    wait_for_end(page)
    assert page.text_content(".answer") == SAMPLES[0].answer
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    keep(page, "page-phone")


@pytest.mark.parametrize("language", COMMANDS)
def test_sample_of_code_runs(endpoint: Any, tmp_path: Path, language: str) -> None:
    """What a reader copies from the page answers rightly, with no address to change."""
    command, *options = COMMANDS[language]
    program = shutil.which(command)
    if program is None:
        pytest.skip(f"{command} is not installed; enable: make ci-deps")
    page = endpoint.http.get(endpoint.url).raise_for_status().text
    [code] = re.findall(rf'<code data-language="{language}">(.*?)</code>', page, re.DOTALL)
    done = subprocess.run(
        [program, *options, html.unescape(code)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert SAMPLES[0].answer in done.stdout

"""What the browser's tests share: a scripted answer, and how a person asks for one."""

from typing import Any

from tests.fake_engine import DONE, delta_event, usage_event

THOUGHT = [
    delta_event(role="assistant", content=""),
    delta_event(reasoning="I see 3\nred circles."),
]
ANSWER = [
    delta_event(content="3 red "),
    delta_event(content="circles"),
    delta_event(finish_reason="stop", content=""),
    usage_event(prompt=95, completion=14, reasoning=9),
    DONE,
]
PICTURE = """async () => {
  const blob = await (await fetch("/page/samples/2-blue-squares.png")).blob();
  const data = new DataTransfer();
  data.items.add(new File([blob], "squares.png", { type: "image/png" }));
  document.getElementById("question").dispatchEvent(
    new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: data }));
}"""


def ask(page: Any, text: str = "What is it?") -> None:
    """Ask by keyboard."""
    page.fill("#question", text)
    page.press("#question", "Enter")


def wait_for_end(page: Any, turns: int = 1) -> None:
    """Wait until the last of so many turns is closed."""
    page.wait_for_selector(f".turn:nth-child({turns})[aria-busy=false]")

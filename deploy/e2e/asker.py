"""Asks an endpoint as its users do: questions with known answers, and streams that must end whole.

It runs from standard input in a pod of the gateway's image, so that it needs nothing but Python and
the pictures of `serving verify` in the working directory.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PICTURES = Path("serving/verify/pictures")
ANSWER_SECONDS = 900
LONGEST_PAUSE_SECONDS = 5.0
PAUSE_SECONDS = 1.0
# Long enough to be running when a pod ends; the models here would stop on their own before.
STREAM = {"max_tokens": 3000, "min_tokens": 3000, "stream": True}
LONG_QUESTION = "Count aloud to 90."
REFUSALS = (429, 503)

Json = dict[str, Any]


class Broken(Exception):
    """A stream or an answer that is not what it must be."""


class Refused(Exception):
    """An answer before the first byte of a stream that says when to come again."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Endpoint:
    """Where is asked, and with which key."""

    url: str
    key: str

    def post(self, body: Json) -> http.client.HTTPResponse:
        """Send a question on a connection of its own, and return what begins to come back."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=ANSWER_SECONDS)
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        return connection.getresponse()

    def message(self, content: str | list[Json]) -> Json:
        """Return the whole answer to one question."""
        reply = self.post({"messages": [{"role": "user", "content": content}]})
        text = reply.read().decode()
        if reply.status != http.HTTPStatus.OK:
            raise Broken(f"{reply.status}: {text}")
        message: Json = json.loads(text)["choices"][0]["message"]
        return message


@dataclass
class Count:
    """What became of the streams so far."""

    whole: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, whole: int = 0, refused: int = 0, broken: str = "") -> None:
        """Count one more; several threads do."""
        with self.lock:
            self.whole += whole
            self.refused += refused
            self.broken += [broken] * bool(broken)

    def summary(self) -> str:
        """Return one line."""
        return f"{self.whole} streams whole, {self.refused} refused, {len(self.broken)} broken"


def ask(endpoint: Endpoint) -> None:
    """Ask one question in words and one about a picture; the thought must be apart."""
    entry = json.loads((PICTURES / "manifest.json").read_text())[0]
    picture = PICTURES / entry["file"]
    data = base64.b64encode(picture.read_bytes()).decode()
    url = f"data:image/{picture.suffix[1:]};base64,{data}"
    part = {"type": "image_url", "image_url": {"url": url}}
    questions: list[tuple[str | list[Json], list[list[str]]]] = [
        ("What is 3 + 4?", [["7", "seven"]]),
        ([part, {"type": "text", "text": entry["question"]}], entry["accepted"]),
    ]
    for content, accepted in questions:
        message = endpoint.message(content)
        check_answer(message, accepted)
        say(f"answered {message['content'].strip()!r}, the thought apart")


def check_answer(message: Json, accepted: list[list[str]]) -> None:
    """Refuse an answer that lacks a word of any group, or whose thought is not apart."""
    answer, thought = message.get("content") or "", message.get("reasoning") or ""
    if not all(any(word in answer.lower() for word in group) for group in accepted):
        raise Broken(f"the answer {answer!r} lacks one of {accepted}")
    if not thought or "</think>" in thought + answer:
        raise Broken(f"thought {thought!r} and answer {answer!r} are not apart")


def stream(endpoint: Endpoint, streams: int, while_there: Path | None) -> bool:
    """Run streams at the same time, each once or, while a file is there, one after another."""
    count, begun = Count(), threading.Semaphore(0)
    threads = [
        threading.Thread(target=_run, args=(endpoint, count, begun, while_there))
        for _ in range(streams)
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        begun.acquire()
    say("all running")
    for thread in threads:
        thread.join()
    for reason in count.broken:
        say(f"broken: {reason}")
    say(count.summary())
    return count.whole > 0 and not count.broken


def _run(
    endpoint: Endpoint, count: Count, begun: threading.Semaphore, while_there: Path | None
) -> None:
    told = False

    def tell() -> None:
        nonlocal told
        if not told:
            begun.release()
        told = True

    ended, pause = False, 0.0
    while not ended or (while_there is not None and while_there.exists()):
        time.sleep(pause)
        pause = 0.0
        try:
            one_stream(endpoint, tell)
            count.add(whole=1)
            ended = True
        except Refused as refusal:
            count.add(refused=1)
            pause = min(refusal.retry_after_seconds, LONGEST_PAUSE_SECONDS)
        except Exception as error:  # Whatever it is, a user has lost the stream.
            count.add(broken=f"{type(error).__name__}: {error}")
            ended, pause = True, PAUSE_SECONDS
            tell()


def one_stream(endpoint: Endpoint, begun: Callable[[], None]) -> None:
    """Ask for one stream and read it to its end; a polite refusal is no broken stream."""
    body = STREAM | {"messages": [{"role": "user", "content": LONG_QUESTION}]}
    reply = endpoint.post(body)
    if reply.status in REFUSALS and reply.headers["Retry-After"]:
        raise Refused(float(reply.headers["Retry-After"]))
    if reply.status != http.HTTPStatus.OK:
        raise Broken(f"{reply.status}: {reply.read()[:300]!r}")
    reason = last = None
    for line in reply:
        if not line.startswith(b"data: "):
            continue
        if last is None:
            begun()
        last = line[6:].strip()
        reason = reason if last == b"[DONE]" else _finish_reason(json.loads(last), reason)
    if last != b"[DONE]" or reason is None:
        raise Broken(f"it ended with {last!r} and finish_reason {reason}")


def _finish_reason(event: Json, before: str | None) -> str | None:
    if "error" in event:
        raise Broken(f"error in the stream: {event['error']}")
    return next((c["finish_reason"] for c in event["choices"] if c["finish_reason"]), before)


def say(words: str) -> None:
    """Print a line at once: whoever waits for it reads a file."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description="Ask an endpoint as its users do.")
    parser.add_argument("what", choices=("ask", "stream"))
    parser.add_argument("url", help="such as http://127.0.0.1:8000")
    parser.add_argument("--key-file", type=Path, help="file with the bearer key")
    parser.add_argument("--streams", type=int, default=4, help="as many at a time")
    parser.add_argument("--while", dest="while_there", type=Path, help="go on while it is there")
    options = parser.parse_args()
    key = options.key_file.read_text().strip() if options.key_file else ""
    endpoint = Endpoint(options.url.rstrip("/"), key)
    if options.what == "stream":
        return 0 if stream(endpoint, options.streams, options.while_there) else 1
    try:
        ask(endpoint)
    except (Broken, OSError, http.client.HTTPException) as error:
        say(f"wrong: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The examination over HTTP: what it asks, how it counts, and when it fails."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serving.tiny_model import score
from serving.tiny_model.exam import TASKS

MODEL = "tiny-qwen3-vl"
Mind = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


# Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("right", "asked", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_interval_is_wilsons(right: int, asked: int, low: float, high: float) -> None:
    """Published intervals come out to four digits, and mirrored for the wrong answers."""
    assert score.interval(right, asked) == pytest.approx((low, high), abs=5e-5)
    assert score.interval(asked - right, asked) == pytest.approx((1 - high, 1 - low), abs=5e-5)


class Endpoint(ThreadingHTTPServer):
    """An endpoint that answers as a mind tells it, and keeps what it was asked."""

    def __init__(self, mind: Mind) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mind = mind
        self.asked: list[tuple[str | None, dict[str, Any]]] = []


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_GET(self) -> None:
        """List the model."""
        self._answer(200, {"data": [{"id": MODEL}]})

    def do_POST(self) -> None:
        """Answer a question."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.headers["authorization"], body))
        self._answer(*self.server.mind(body))

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        packed = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(packed)))
        self.end_headers()
        self.wfile.write(packed)

    def log_message(self, *_words: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def serve() -> Iterator[Callable[[Mind], Endpoint]]:
    """Return a function that starts an endpoint; all end with the test."""
    started: list[tuple[Endpoint, threading.Thread]] = []

    def start(mind: Mind) -> Endpoint:
        endpoint = Endpoint(mind)
        thread = threading.Thread(target=endpoint.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        started.append((endpoint, thread))
        return endpoint

    yield start
    for endpoint, thread in started:
        endpoint.shutdown()
        thread.join(5)
        endpoint.server_close()


def examined(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """Run the program against an endpoint, two questions a task."""
    url = f"http://127.0.0.1:{endpoint.server_port}/"
    monkeypatch.setattr(sys, "argv", ["score", url, "--questions", "2", *options])
    return score.main()


def says(content: str) -> Mind:
    """Return a mind that always says the same."""
    return lambda _body: (200, {"choices": [{"message": {"content": content}}]})


def test_a_wrong_model_fails_and_its_mistakes_are_written_down(
    serve: Callable[[Mind], Endpoint],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Exit code 1 with the tasks that failed; every question asked greedily and with sampling."""
    endpoint = serve(says("I do not know."))
    out = tmp_path / "new" / "score.json"
    key_file = tmp_path / "key"
    key_file.write_text("sesame\n")
    options = ("--key-file", str(key_file), "--out", str(out))
    assert examined(endpoint, monkeypatch, *options) == 1
    bodies = [body for _, body in endpoint.asked]
    assert len(bodies) == 2 * 2 * len(TASKS)
    assert {key for key, _ in endpoint.asked} == {"Bearer sesame"}
    assert {body["model"] for body in bodies} == {MODEL}
    samplings = {(b["temperature"], b.get("top_p"), b.get("top_k")) for b in bodies}
    assert samplings == {(0.0, None, None), (1.0, 0.95, 20)}
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "failed under 95%: " + ", ".join(sorted(TASKS))
    result = json.loads(out.read_text())
    assert set(result["shares"]["temperature 0"].values()) == {0.0}
    assert len(result["mistakes"]) == len(bodies)


def test_a_right_model_passes(
    serve: Callable[[Mind], Endpoint],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A mind that knows its sums gets full marks for them; the intervals are printed."""
    monkeypatch.setattr(score, "TASKS", ("addition",))

    def mind(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        question = body["messages"][-1]["content"]
        numbers = [int(n) for n in "".join(c if c.isdigit() else " " for c in question).split()]
        return 200, {"choices": [{"message": {"content": str(sum(numbers))}}]}

    assert examined(serve(mind), monkeypatch) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "every task is at least 95%"
    assert printed.count("addition          2    2  100.0%   34.2% to 100.0%") == 2


def test_a_refused_question_ends_the_examination(
    serve: Callable[[Mind], Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be marked is not counted as wrong: the endpoint's words are shown instead."""
    refusing = serve(lambda _body: (400, {"error": {"message": "no such model"}}))
    with pytest.raises(SystemExit, match=r"answered 400.*no such model"):
        examined(refusing, monkeypatch)

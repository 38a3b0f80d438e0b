"""The end-to-end test's asker, against a server that follows a script: what it calls broken."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.e2e.asker import Broken, Endpoint, Refused, check_answer, one_stream, stream

DELTA = {"choices": [{"delta": {"content": "1"}, "finish_reason": None}]}
LAST = {"choices": [{"delta": {}, "finish_reason": "length"}]}
ERROR = {"error": {"type": "server_error", "message": "drained"}}
USAGE = {"choices": [], "usage": {"completion_tokens": 1}}
WHOLE = (DELTA, LAST, USAGE, "[DONE]")
AGAIN = {"Retry-After": "0"}
# Status, headers and events of one reply; "cut" ends the connection within the body.
Reply = tuple[int, dict[str, str], tuple[Any, ...]]
Scripted = Callable[..., Endpoint]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    replies: list[Reply]
    seen: list[dict[str, Any]]

    def do_POST(self) -> None:
        """Give the next reply of the script."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(json.loads(body) | {"key": self.headers["Authorization"]})
        status, headers, events = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            if event == "cut":
                self.close_connection = True
                return
            data = event if isinstance(event, str) else json.dumps(event)
            line = f"data: {data}\n\n".encode()
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing: `seen` holds it."""


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Return what serves replies, the last one for ever, and the endpoint that gives them."""
    servers = []

    def serve(*replies: Reply) -> Endpoint:
        handler = type("Handler", (_Handler,), {"replies": list(replies), "seen": []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        servers.append((server, thread))
        return Endpoint(f"http://127.0.0.1:{server.server_port}", "sk-1")

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_whole_stream(scripted: Scripted) -> None:
    """It ends with [DONE] after a finish_reason, and its first event is told once it is there."""
    told: list[bool] = []
    one_stream(scripted((200, {}, WHOLE)), lambda: told.append(True))
    assert told == [True]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((200, {}, (DELTA, "cut")), "IncompleteRead|ended with"),
        ((200, {}, (DELTA, LAST)), "it ended with .* finish_reason length"),
        ((200, {}, (DELTA, "[DONE]")), "finish_reason None"),
        ((200, {}, (DELTA, ERROR)), "error in the stream: .*drained"),
        ((200, {}, ()), "it ended with None"),
        ((503, {}, (ERROR,)), "503: "),
        ((500, AGAIN, (ERROR,)), "500: "),
    ],
    ids=["cut", "no end", "no reason", "error", "nothing", "no Retry-After", "another status"],
)
def test_what_is_broken(
    scripted: Scripted, reply: Reply, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each way in which a stream can be lost is told, and fails the load."""
    assert not stream(scripted(reply), 1, None)
    said = capsys.readouterr().out
    assert "0 streams whole, 0 refused, 1 broken" in said
    with pytest.raises((Broken, OSError, Exception), match=reason):
        one_stream(scripted(reply), lambda: None)


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """A refused connection is a broken stream."""
    assert not stream(Endpoint("http://127.0.0.1:9", ""), 1, None)
    assert "ConnectionRefusedError" in capsys.readouterr().out


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_no_broken_stream(
    scripted: Scripted, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is told when to come again comes again, and gets the whole stream."""
    with pytest.raises(Refused):
        one_stream(scripted((status, AGAIN, (ERROR,))), lambda: None)
    assert stream(scripted((status, AGAIN, (ERROR,)), (200, {}, WHOLE)), 1, None)
    assert capsys.readouterr().out == "all running\n1 streams whole, 1 refused, 0 broken\n"


def test_the_load_goes_on_while_its_file_is_there(
    scripted: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One broken stream among many is not forgotten, and the end of the file ends the load."""
    flag = tmp_path / "load"
    flag.touch()
    cut: Reply = (200, {}, (DELTA, "cut"))
    endpoint = scripted((200, {}, WHOLE), cut, (200, {}, WHOLE))
    results: list[bool] = []
    load = threading.Thread(target=lambda: results.append(stream(endpoint, 2, flag)))
    load.start()
    load.join(1.5)
    assert load.is_alive()
    flag.unlink()
    load.join(60)
    assert results == [False]
    summary = capsys.readouterr().out.splitlines()[-1]
    assert summary.endswith(" 0 refused, 1 broken")
    assert int(summary.split()[0]) > 2


@pytest.mark.parametrize(
    ("message", "is_right"),
    [
        ({"content": "\nRed", "reasoning": "The shape is red."}, True),
        ({"content": "green", "reasoning": "It is red."}, False),
        ({"content": "red", "reasoning": ""}, False),
        ({"content": "It is red.</think>red", "reasoning": "so"}, False),
        ({"content": None, "reasoning": "red"}, False),
    ],
)
def test_answers(message: dict[str, Any], is_right: bool) -> None:
    """The answer holds the word, and the thought is apart from it."""
    if is_right:
        check_answer(message, [["red"]])
        return
    with pytest.raises(Broken):
        check_answer(message, [["red"]])

"""A small Hugging Face hub on 127.0.0.1: metadata, files with ranges, and the failures of both."""

import hashlib
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMMIT = "5eed" * 10


@dataclass
class Repository:
    """What the hub serves and how it fails; `refusal` is a status and an X-Error-Code."""

    files: dict[str, bytes]
    refusal: tuple[int, str] | None = None
    file_refusal: tuple[int, str] | None = None
    break_once: set[str] = field(default_factory=set)
    spoil_once: set[str] = field(default_factory=set)
    # Files of which one half is sent, and the other when the event is set.
    hold: dict[str, threading.Event] = field(default_factory=dict)
    # The files of commits before the last, by their hashes.
    history: dict[str, dict[str, bytes]] = field(default_factory=dict)
    commit: str = COMMIT
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)

    def push(self, commit: str, **changed: bytes) -> None:
        """Let the branch go on to another commit."""
        self.history[self.commit] = dict(self.files)
        self.files |= changed
        self.commit = commit

    def at(self, path: str) -> tuple[str, dict[str, bytes]]:
        """Return commit and files that a path asks for: an earlier commit, or the branch."""
        for commit, files in self.history.items():
            if commit in path.split("/"):
                return commit, files
        return self.commit, self.files


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub's API does, as far as its Python library asks."""

    protocol_version = "HTTP/1.1"
    repository: Repository

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = urlsplit(self.path).path
        name = path.rsplit("/", 1)[-1]
        self.repository.requests.append((self.command, name, self.headers.get("Range", "")))
        self.repository.tokens.add(self.headers.get("Authorization", ""))
        self.repository.hosts.add(self.headers.get("Host", ""))
        is_api = path.startswith("/api/")
        refusal = self.repository.refusal if is_api else self.repository.file_refusal
        if refusal:
            self.send(refusal[0], b"", {"X-Error-Code": refusal[1]} if refusal[1] else {})
        elif is_api:
            self.send(200, json.dumps(self.metadata(path)).encode(), {})
        else:
            self.send_file(path)

    def metadata(self, path: str) -> object:
        commit, files = self.repository.at(path)
        entries = [
            {
                "type": "file",
                "path": name,
                "rfilename": name,
                "size": len(content),
                "oid": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
                "blobId": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            }
            | (
                {
                    "lfs": {
                        "oid": sha256(content),
                        "sha256": sha256(content),
                        "size": len(content),
                        "pointerSize": 100,
                    }
                }
                if name.endswith(".safetensors")
                else {}
            )
            for name, content in files.items()
        ]
        if "/tree/" in path:
            return entries
        return {"id": "some/model", "modelId": "some/model", "sha": commit, "siblings": entries}

    def send_file(self, path: str) -> None:
        name = path.rsplit("/", 1)[-1]
        commit, files = self.repository.at(path)
        content = files[name]
        etag = (
            sha256(content)
            if name.endswith(".safetensors")
            else hashlib.sha1(content, usedforsecurity=False).hexdigest()
        )
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send(206 if start else 200, content[start:], headers, name)

    def send(self, status: int, body: bytes, headers: dict[str, str], name: str = "") -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if name in self.repository.spoil_once:
            self.repository.spoil_once.remove(name)
            body = body[:-1] + bytes([body[-1] ^ 1])
        if released := self.repository.hold.get(name):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            released.wait()
            body = body[len(body) // 2 :]
        if name in self.repository.break_once:
            self.repository.break_once.remove(name)
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Hub:
    """A running hub; use as a context manager."""

    def __init__(self, repository: Repository, tls: ssl.SSLContext | None = None) -> None:
        handler = type("BoundHandler", (Handler,), {"repository": repository})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self) -> "Hub":
        self.thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

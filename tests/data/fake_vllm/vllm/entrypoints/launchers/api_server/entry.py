"""An engine without a model: answers on its socket, and plays the fate in FAKE_ENGINE.

Fates: serve (the default), crash (a trace at the start), die (a trace at SIGUSR1), deaf (SIGTERM
is not heard).
"""

import argparse
import json
import os
import signal
import socketserver
import sys
from http.server import BaseHTTPRequestHandler

CRASH = "No available memory for the cache blocks."
DEATH = "CUDA error: an illegal memory access was encountered"


class Handler(BaseHTTPRequestHandler):
    """One connection of the gateway."""

    protocol_version = "HTTP/1.1"
    model = ""

    def do_GET(self) -> None:
        """Serve the pages that the gateway looks at."""
        label = f'{{model_name="{self.model}"}}'
        pages = {
            "/health": "",
            "/v1/models": json.dumps({"data": [{"id": self.model, "max_model_len": 16_384}]}),
            "/metrics": f"vllm:num_requests_running{label} 0.0\n",
        }
        page = pages.get(self.path, "").encode()
        self.send_response(200 if self.path in pages else 404)
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def address_string(self) -> str:
        """Name the client, which has no address here."""
        return "gateway"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The socket."""

    daemon_threads = True


def _end(_number: int, _frame: object) -> None:
    sys.exit(0)


def _die(_number: int, _frame: object) -> None:
    raise RuntimeError(DEATH)


def main() -> None:
    """Serve until SIGTERM, or as the fate says."""
    fate = os.environ.get("FAKE_ENGINE", "serve")
    parser = argparse.ArgumentParser()
    parser.add_argument("--uds", required=True)
    parser.add_argument("--served-model-name", required=True)
    options, _ = parser.parse_known_args()
    sys.stderr.write("(EngineCore pid=1) INFO 11-21 10:11:15 [core.py:133] hello\n")
    if fate == "crash":
        raise ValueError(CRASH)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if fate == "deaf" else _end)
    signal.signal(signal.SIGUSR1, _die)
    Handler.model = options.served_model_name
    with Server(options.uds, Handler) as server:
        server.serve_forever(0.05)


if __name__ == "__main__":
    main()

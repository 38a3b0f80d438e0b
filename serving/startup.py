"""What a person sees of a start: its phases with their times, and the block when it is ready."""

import base64
import json
import logging
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from serving.catalogue import TINY
from serving.options import GatewaySettings

logger = logging.getLogger(__name__)

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 — compared, not bound
# A line of vLLM's log that ends a phase of its start; the first that matches counts.
ENGINE_PHASES = (
    ("environment", "Initializing a V1 LLM engine"),
    ("weights", "Loading weights took"),
    ("compile", "torch.compile took"),
    ("warm-up", "init engine (profile, create kv cache, warmup model) took"),
)
REASON = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception): .+|.*(?:out of memory|Killed).*")
# The launcher's own refusal, the last that it says.
REFUSAL = "Cannot start: "
# vLLM's front process ends with an error of its own that only points at the engine's.
POINTER = re.compile(r"see (?:the )?(?:root cause|stack trace)", re.IGNORECASE)
LOG_PREFIX = re.compile(r"^(?:\(\w+ pid=\d+\) )?(?:[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d \[\S+\] )?")


class Phases:
    """Reports each phase as it ends: a short line on a terminal, a log line elsewhere."""

    def __init__(self) -> None:
        self._began = self._last = time.perf_counter()
        self._open = [name for name, _ in ENGINE_PHASES]

    def done(self, name: str) -> None:
        """Report that a phase has just ended."""
        now = time.perf_counter()
        took, self._last = now - self._last, now
        if sys.stderr.isatty():
            sys.stderr.write(f"  {name:<14}{took:7.1f} s\n")
        else:
            logger.info("start-up phase ended", extra={"phase": name, "seconds": round(took, 2)})

    def read(self, line: str) -> None:
        """Notice the end of a phase in a line of the engine's log."""
        for name, marker in ENGINE_PHASES:
            if name in self._open and marker in line:
                self._open.remove(name)
                self.done(name)

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return time.perf_counter() - self._began


@contextmanager
def download_bar() -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal while a download runs; yield its callback."""
    shown_at = 0.0

    def show(done_bytes: int, total_bytes: int) -> None:
        nonlocal shown_at
        if time.perf_counter() - shown_at < (0.2 if sys.stderr.isatty() else 30):
            return
        shown_at = time.perf_counter()
        share = done_bytes / max(1, total_bytes)
        if sys.stderr.isatty():
            bar = "#" * round(30 * share)
            sys.stderr.write(
                f"\r  [{bar:<30}] {done_bytes / 1e9:.2f} of {total_bytes / 1e9:.2f} GB"
            )
        else:
            logger.info("downloading", extra={"bytes": done_bytes, "of_bytes": total_bytes})

    yield show
    if shown_at and sys.stderr.isatty():
        sys.stderr.write("\n")


@dataclass(frozen=True, slots=True)
class Ready:
    """What the block at the end of a start says."""

    url: str
    admin_url: str
    model: str
    names: tuple[str, ...]
    context: int
    max_output_tokens: int
    max_images: int
    has_keys: bool
    has_page: bool
    seconds: float

    def block(self) -> str:
        """Write the block: what is served where, and a line to paste."""
        keys = (
            "bearer key needed" if self.has_keys else "no key needed: only this machine reaches it"
        )
        output = min(self.max_output_tokens, self.context)
        lines = [
            "",
            f"Ready after {self.seconds:.1f} s.",
            "",
            *([f"  page      {self.url}/   (chat, performance, usage)"] if self.has_page else []),
            f"  URL       {self.url}/v1   (OpenRouter's dialect: {self.url}/api/v1)",
            f"  model     {self.model}",
            *([f"            also as {', '.join(self.names[1:])}"] if self.names[1:] else []),
            f"  context   {self.context:,} tokens; answers up to {output:,} tokens",
            f"  pictures  {self.max_images} a request",
            f"  keys      {keys}",
            f"  docs      {self.url}/docs",
            f"  admin     {self.admin_url}/metrics",
            *([PRIVATE_CA] if self.url.startswith("https:") else []),
        ]
        if self.model == TINY:
            lines += ["", *TOY.splitlines()]
        return "\n".join([*lines, "", "Ask it something:", "", self._curl(), ""])

    def _curl(self) -> str:
        picture = base64.b64encode(sample_picture()).decode()
        parts = [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
            {"type": "text", "text": "What is in this image?"},
        ]
        body = {"model": self.model, "messages": [{"role": "user", "content": parts}]}
        words = ["curl", "-s", f"{self.url}/v1/chat/completions", "-H"]
        words += ["content-type: application/json"]
        if self.has_keys:
            words += ["-H", "authorization: Bearer YOUR_KEY"]
        return shlex.join([*words, "-d", json.dumps(body, separators=(",", ":"))])


PRIVATE_CA = """\
  TLS       signed by a CA of your own? curl takes --cacert CA.pem, Python and `serving verify`
            read SSL_CERT_FILE=CA.pem"""
TOY = """\
  This is the tiny model: the real architecture with 3.6 M parameters, trained on pictures of
  circles, squares and triangles, sums up to 40 and counting. Its answers are a toy's. On an NVIDIA
  GPU with 24 GB or more, MODEL=Qwen/Qwen3-VL-8B-Thinking serves the real one."""


def sample_picture() -> bytes:
    """Return the picture that the block asks about, a small PNG."""
    return resources.files("serving").joinpath("sample.png").read_bytes()


def reason_of_death(log: str, lines: int = 12) -> str:
    """Return the sentence in the engine's log that says why it ended, and its last lines.

    A start that the launcher refused has its sentence alone: nothing else has happened yet.
    """
    _, refused, sentence = log.rpartition(REFUSAL)
    if refused:
        return sentence.strip()
    plain = [LOG_PREFIX.sub("", line) for line in log.splitlines() if line.strip()]
    reasons = [line.strip() for line in plain if REASON.fullmatch(line.strip())]
    reasons = [line for line in reasons if not POINTER.search(line)] or reasons
    return "\n".join([*reasons[-1:], "last lines of its log:", *(f"  {s}" for s in plain[-lines:])])


class Follower:
    """Reads the engine's log as it grows, whole lines only."""

    def __init__(self, path: Path, *, verbose: bool) -> None:
        self._file = path.open(errors="replace")
        self._verbose = verbose
        self._rest = ""

    def new_lines(self) -> list[str]:
        """Return the lines since the last call, also printed where the user wants them."""
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        if self._verbose:
            sys.stderr.writelines(f"{line}\n" for line in lines)
        return lines


def api_url(gateway: GatewaySettings, certified: Sequence[str]) -> str:
    """Return the API's address, by a name that its certificate holds, if it has one at all."""
    host = url_host(gateway.host)
    if gateway.tls_cert_file is None:
        return f"http://{host}:{gateway.port}"
    names = [name for name in certified if "*" not in name]
    return f"https://{host if host in names or not names else url_host(names[0])}:{gateway.port}"


def url_host(host: str) -> str:
    """Write an address to listen on as a host that a URL on this machine can have."""
    if host in EVERY_ADDRESS:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host

"""Bring your own: a file of JSON lines, each a request with what is known of its answer.

    {"messages": [{"role": "user", "content": "What is 12 + 7?"}], "answer": ["19", "nineteen"]}

A line may also hold `max_tokens`, `kind` (the row it counts in) and `parameters` (any other field
of a chat request). Lines are asked in order, and after the last the first follows.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import chain, cycle
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from loadtests.failure import LoadError
from loadtests.prompt import Pictures, Prompt
from loadtests.scenario import Served
from loadtests.workloads.answers import Says
from loadtests.workloads.workload import BYTES_PER_TOKEN, say_left_out

MAX_FILE_BYTES: Final = 512 * 2**20
# What the client itself says in every request.
OURS: Final = ("model", "messages", "max_tokens", "stream", "stream_options")


# An empty text would stand in every answer.
Said = Annotated[str, Meta(min_length=1)]


class Message(msgspec.Struct, frozen=True):
    """What every message has; whatever else it holds is sent as it is."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request."""

    messages: Annotated[list[dict[str, Any]], Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)] = 4096
    kind: Annotated[str, Meta(min_length=1, max_length=64)] = "jsonl"
    answer: Said | Annotated[list[Said], Meta(min_length=1)] | None = None
    parameters: dict[str, Any] = {}


class Lines:
    """The prompts of a file, read and checked at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._prompts = tuple(
            _prompt(self._path, number, line)
            for number, line in enumerate(_read(path).splitlines(), start=1)
            if line.strip()
        )
        if not self._prompts:
            raise LoadError(f"{path} holds no request: write one JSON object a line.")

    @property
    def rows(self) -> tuple[str, ...]:
        """Return the kinds that the lines name."""
        return tuple(dict.fromkeys(prompt.kind for prompt in self._prompts))

    def prompts(self, rng: random.Random, served: Served) -> Iterator[Prompt]:
        """Yield the file's requests again and again; raises LoadError where none fits."""
        kept = [prompt for prompt in self._prompts if _fits(prompt, served)]
        if not kept:
            raise LoadError(
                f"No request of {self._path} fits the context of {served.model_served}, "
                f"{served.max_model_len:,} tokens: shorten them or take another model."
            )
        again = [
            replace(prompt, pictures=Pictures.REPEATED) if prompt.picture_count else prompt
            for prompt in kept
        ]
        return chain(kept, cycle(again))


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise LoadError(f"{path} is larger than {MAX_FILE_BYTES // 2**20} MiB: split it.")
        return path.read_bytes()
    except OSError as error:
        raise LoadError(f"{path} cannot be read: {error.strerror}.") from None


def _prompt(path: Path, number: int, text: bytes) -> Prompt:
    """Check one line; raises LoadError with its number and field."""
    try:
        line = msgspec.json.decode(text, type=Line)
        msgspec.convert(line.messages, list[Message])
    except msgspec.DecodeError as error:
        raise LoadError(f"{path} line {number}: {_explained(error, text)}") from None
    for name in line.parameters:
        if name in OURS:
            raise LoadError(f"{path} line {number}: `parameters.{name}` is set by the load test.")
    pictures = sum(
        part.get("type") == "image_url"
        for message in line.messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
    )
    answers = (line.answer,) if isinstance(line.answer, str) else tuple(line.answer or ())
    return Prompt(
        line.kind,
        tuple(line.messages),
        line.max_tokens,
        right=Says(answers) if answers else None,
        parameters=line.parameters,
        pictures=Pictures.COLD if pictures else Pictures.NONE,
        picture_count=pictures,
    )


def _explained(error: msgspec.DecodeError, text: bytes) -> str:
    """Say what is wrong, with the nearest known field for one that is not known."""
    said = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return f"not a JSON object ({said})."
    if "unknown field" in said:
        unknown = said.split("`")[1]
        near = get_close_matches(unknown, Line.__struct_fields__, 1, 0.0)
        return f"there is no field `{unknown}`; the nearest is `{near[0]}`."
    return f"{said}."


def _fits(prompt: Prompt, served: Served) -> bool:
    """Tell whether a prompt's words fit; what pictures and videos take only the server knows."""
    needed = sum(map(_text_bytes, prompt.messages)) // BYTES_PER_TOKEN + prompt.max_tokens
    if served.max_model_len is None or needed <= served.max_model_len:
        return True
    say_left_out(
        f"a request of about {needed:,} tokens; the context holds {served.max_model_len:,}"
    )
    return False


def _text_bytes(message: Mapping[str, Any]) -> int:
    content = message.get("content") or ""
    texts = [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    return sum(len(str(text).encode()) for text in texts)

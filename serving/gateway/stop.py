"""Stop texts that end the answer and never the thought, matched in the engine's own stream."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from serving.gateway.answer import CompletionDetails, Usage

Json = dict[str, Any]


@dataclass(slots=True)
class _Choice:
    """One of the answers: events held back because a stop text may have begun in them."""

    held: list[Json] = field(default_factory=list)
    ended: bool = False


class StopTexts:
    """Cuts each answer at the first stop text; holds for any cutting of the text into events.

    Feeding whole events returns those that are certain. Once `cut` is true nothing of interest
    is left in the stream, and `usage` is what the engine had counted by then.
    """

    def __init__(self, stops: tuple[str, ...], choices: int, *, included: bool) -> None:
        self._stops = stops
        self._included = included
        self._choices = {index: _Choice() for index in range(choices)}
        self._usages: dict[int, Usage] = {}
        self._matched = False

    @property
    def cut(self) -> bool:
        """Tell whether every answer has ended, at least one of them by a stop text."""
        return self._matched and all(choice.ended for choice in self._choices.values())

    @property
    def usage(self) -> Usage:
        """Return the count of all answers so far."""
        usages = list(self._usages.values())
        return Usage(
            prompt_tokens=max((usage.prompt_tokens for usage in usages), default=0),
            completion_tokens=sum(usage.output for usage in usages),
            completion_tokens_details=CompletionDetails(sum(u.reasoning for u in usages)),
        )

    def feed(self, block: bytes) -> bytes:
        """Return the engine's events as far as no stop text can begin in them."""
        ready: list[Json] = []
        for line in block.split(b"\n\n"):
            if line.startswith(b"data: "):
                ready += self._event(msgspec.json.decode(line[6:]))
        return b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in ready)

    def _event(self, event: Json) -> list[Json]:
        usage = event.pop("usage", None)
        if not event["choices"]:
            return [event]
        shown = event["choices"][0]
        choice = self._choices[shown["index"]]
        if choice.ended:
            return []
        if usage:
            self._usages[shown["index"]] = msgspec.convert(usage, Usage)
        choice.held.append(event)
        if found := self._find("".join(map(_text, choice.held))):
            self._matched = choice.ended = True
            return _until(choice.held, *found)
        choice.ended = shown["finish_reason"] is not None
        # No text goes on behind a call: what was held back is no stop text's beginning.
        certain = choice.ended or shown["delta"].get("tool_calls")
        return _release(choice.held, 0 if certain else self._open_characters(choice))

    def _find(self, text: str) -> tuple[int, str] | None:
        """Return where the answer is to end, and the stop text that is complete first.

        The first to begin would not do: another could be complete, and sent, before it is.
        """
        found = [(at + len(stop), at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        if not found:
            return None
        end, start, stop = min(found)
        return end if self._included else start, stop

    def _open_characters(self, choice: _Choice) -> int:
        """Return how many of the last characters may be the beginning of a stop text."""
        text = "".join(map(_text, choice.held))
        longest = max(map(len, self._stops)) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stops):
                return size
        return 0


def _text(event: Json) -> str:
    return event["choices"][0]["delta"].get("content") or ""


def _release(held: list[Json], characters: int) -> list[Json]:
    """Take from the front what lies before the last so many characters."""
    ready: list[Json] = []
    left = sum(len(_text(event)) for event in held)
    while held and left - len(_text(held[0])) >= characters:
        left -= len(_text(held[0]))
        ready.append(held.pop(0))
    return ready


def _until(held: list[Json], characters: int, stop: str) -> list[Json]:
    """Return events with just so many characters, the last of them ended by the stop text."""
    kept: list[Json] = []
    for event in held:
        shown = event["choices"][0]
        text = _text(event)
        kept.append(event)
        if len(text) >= characters:
            shown["delta"]["content"] = text[:characters]
            break
        characters -= len(text)
    kept[-1]["choices"][0] |= {"finish_reason": "stop", "stop_reason": stop}
    return kept

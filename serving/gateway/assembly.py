"""Puts the engine's stream together into the whole answer that it would have been."""

from typing import Any

import msgspec

from serving.gateway.answer import Answer, Call, CalledFunction, Choice, Event, Said, text_of


class Assembly:
    """A whole answer in the making."""

    def __init__(self) -> None:
        self._choices: dict[int, Choice] = {}
        self._texts: dict[int, tuple[list[str], list[str]]] = {}

    def feed(self, block: bytes) -> None:
        """Take whole events in."""
        for line in block.split(b"\n\n"):
            if not line.startswith(b"data: "):
                continue
            for part in _EVENT.decode(line[6:]).choices:
                choice = self._choices.setdefault(part.index, Choice(Said(), part.index))
                thoughts, answers = self._texts.setdefault(part.index, ([], []))
                thoughts.append(text_of(part.delta.reasoning))
                answers.append(text_of(part.delta.content))
                _add_calls(choice.message, part.delta.tool_calls or [])
                choice.logprobs = _joined(choice.logprobs, part.logprobs)
                if part.token_ids is not None:
                    choice.token_ids = choice.token_ids or []
                    choice.token_ids += part.token_ids
                if part.finish_reason is not None:
                    choice.finish_reason = part.finish_reason
                    choice.stop_reason = part.stop_reason

    def answer(self) -> bytes:
        """Return it as the engine's JSON."""
        for index, choice in self._choices.items():
            thought, answer = map("".join, self._texts[index])
            choice.message.reasoning = thought or None
            choice.message.content = answer or (None if choice.message.tool_calls else "")
        return msgspec.json.encode(Answer([self._choices[i] for i in sorted(self._choices)]))


def _add_calls(message: Said, pieces: list[Call]) -> None:
    for piece in pieces:
        calls = message.tool_calls = message.tool_calls or []
        if piece.index >= len(calls):
            calls.append(Call(CalledFunction("", ""), piece.id, index=piece.index))
        call = calls[piece.index]
        call.function.name = (call.function.name or "") + (piece.function.name or "")
        call.function.arguments = (call.function.arguments or "") + (piece.function.arguments or "")


def _joined(known: Any, more: Any) -> Any:
    if not more:
        return known
    if not known:
        return more
    known["content"] += more.get("content") or []
    return known


_EVENT = msgspec.json.Decoder(Event)

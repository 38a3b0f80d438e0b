"""How the effect of a parameter is seen: two answers, without and with it, are compared."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.engine.asking import CHAT, COMPLETIONS, RESPONSES, Reply

SAMPLED = (CHAT, COMPLETIONS, RESPONSES)
SUM = {"question": "What is 12 + 7?", "max_tokens": 48}

Check = Callable[[Reply, Reply], bool]


@dataclass(frozen=True)
class Row:
    """A parameter and an effect of it: sending `fields` beside `base` makes `holds` true.

    The effect of what is `refused` is an error.
    """

    parameter: str
    effect: str
    fields: dict[str, Any]
    holds: Check
    base: dict[str, Any] = field(default_factory=lambda: SUM)
    on: tuple[str, ...] = SAMPLED
    refused: bool = False

    @property
    def repeats(self) -> bool:
        """Tell whether the same request is answered with the same words again."""
        asked = self.base | self.fields
        greedy = not asked.get("temperature") or asked.get("top_k") == 1 or asked.get("top_p") == 0
        return greedy or "seed" in asked


def said(reply: Reply) -> list[tuple[str, str]]:
    """Return thought and answer of each choice."""
    return [(choice.thought, choice.text) for choice in reply.choices]


def same(without: Reply, with_it: Reply) -> bool:
    """Tell whether the answers are the same, word for word."""
    return said(without) == said(with_it) != []


def differs(without: Reply, with_it: Reply) -> bool:
    """Tell whether both answer, with other words."""
    return [] not in (said(without), said(with_it)) and said(without) != said(with_it)


def repeats_less(without: Reply, with_it: Reply) -> bool:
    """Tell whether the commonest character comes less often."""
    return _repetitions(with_it) < _repetitions(without)


def thinks_less(without: Reply, with_it: Reply) -> bool:
    """Tell whether the thought is shorter, and an answer there all the same."""
    before, after = without.only.thought, with_it.only.thought
    return before.startswith(after) and 0 < len(after) < len(before) and bool(with_it.only.text)


def hides(without: Reply, with_it: Reply) -> bool:
    """Tell whether the thought was thought and not shown."""
    counted = with_it.thought_tokens == without.thought_tokens > 0
    return counted and said(with_it) == [("", without.only.text)]


def ends_after(count: int) -> Check:
    """Tell whether the output ends there, for this reason."""
    return lambda without, with_it: (
        (with_it.tokens, with_it.only.finish_reason) == (count, "length") and without.tokens > count
    )


def answers(form: Callable[[str], bool]) -> Check:
    """Tell whether the answer has a form that it has not without the field."""
    return lambda without, with_it: form(with_it.only.text) and not form(without.only.text)


def is_object(text: str) -> bool:
    """Tell whether a text is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def calls(name: str) -> Check:
    """Tell whether this function is called, and no other."""
    return lambda _, with_it: with_it.only.calls == (name,)


def calls_nothing(without: Reply, with_it: Reply) -> bool:
    """Tell whether nothing is called where something was, and no call stands in the text."""
    silent = not with_it.only.calls and "<tool_call>" not in with_it.only.text
    return silent and bool(without.only.calls)


def entries(reply: Reply) -> list[dict[str, Any]]:
    """Return the log probabilities of a chat answer."""
    content: list[dict[str, Any]] = reply.only.raw["logprobs"]["content"]
    return content


def tokens(reply: Reply) -> list[str]:
    """Return the tokens that the log probabilities name."""
    if "content" in reply.only.raw["logprobs"]:
        return [entry["token"] for entry in entries(reply)]
    named: list[str] = reply.only.raw["logprobs"]["tokens"]
    return named


def _repetitions(reply: Reply) -> int:
    return Counter(reply.only.words.replace(" ", "")).most_common(1)[0][1]


def refuses(parameter: str) -> Check:
    """Tell whether the request is refused for this field, and not without it."""
    return lambda without, with_it: (
        without.status == 200
        and with_it.status == 400
        and with_it.body["error"]["param"] == parameter
    )


def reads_more(without: Reply, with_it: Reply) -> bool:
    """Tell whether the prompt became longer."""
    lengths = [reply.body["usage"]["input_tokens"] for reply in (without, with_it)]
    lengths[0] += without.body["usage"].get("cache_read_input_tokens", 0)
    lengths[1] += with_it.body["usage"].get("cache_read_input_tokens", 0)
    return lengths[0] < lengths[1]


def counts_less(without: Reply, with_it: Reply) -> bool:
    """Tell whether the counted prompt is shorter."""
    return 0 < with_it.body["input_tokens"] < without.body["input_tokens"]


def counts_alike(without: Reply, with_it: Reply) -> bool:
    """Tell whether the counted prompt is as long."""
    return 0 < with_it.body["input_tokens"] == without.body["input_tokens"]

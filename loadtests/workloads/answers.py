"""What makes an answer right: small rules over its text and its tool calls."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Says:
    """The answer holds one of the words, alone or in the plural."""

    words: tuple[str, ...]

    def __call__(self, answer: str, tool_calls: str) -> bool:
        """Tell whether it does; case does not matter."""
        words = "|".join(map(re.escape, self.words))
        return re.search(rf"(?<!\w)({words})s?(?!\w)", answer, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Calls:
    """The answer is one call of this function with these arguments."""

    name: str
    arguments: Mapping[str, Any]

    def __call__(self, answer: str, tool_calls: str) -> bool:
        """Tell whether it is; calls are OpenAI's objects, or their functions alone."""
        calls = _parsed(tool_calls)
        if not isinstance(calls, list) or len(calls) != 1 or not isinstance(calls[0], dict):
            return False
        function = calls[0].get("function", calls[0])
        return bool(
            function.get("name") == self.name
            and _parsed(function.get("arguments")) == dict(self.arguments)
        )


@dataclass(frozen=True, slots=True)
class Equals:
    """The answer is JSON of this value."""

    value: Any

    def __call__(self, answer: str, tool_calls: str) -> bool:
        """Tell whether it is."""
        return bool(_parsed(answer) == self.value)


def _parsed(text: Any) -> Any:
    """Return the value of a JSON text, a value that is none as it is, and None for other text."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

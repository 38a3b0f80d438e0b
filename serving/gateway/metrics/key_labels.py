"""The names of keys as a metric's label: a closed number of them, the rest together."""

from typing import Final

OTHER: Final = "other"


class KeyLabels:
    """The first names that come have a label of their own until the process ends."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        """Return the name, or `other` where the number of names is reached."""
        if name in self._known:
            return name
        if len(self._known) >= self._limit:
            return OTHER
        self._known.add(name)
        return name

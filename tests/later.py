"""Modules that a test imports when it first uses them.

Every process of a run collects all tests; what takes seconds to import, only those that run need.
"""

import importlib
from typing import Any


class Later:
    """A module that is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, part: str) -> Any:
        """Return a part of the module; pytest asks what it collects for private ones."""
        if part.startswith("_"):
            raise AttributeError(part)
        return getattr(importlib.import_module(self._name), part)

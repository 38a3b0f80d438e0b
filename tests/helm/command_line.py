"""The programs' own command lines, which read what the chart calls them with."""

from collections.abc import Sequence
from typing import Any

import typer


def parameters(app: typer.Typer, words: Sequence[str]) -> dict[str, Any]:
    """Return what a sub-command would be called with; fails as it would for unknown options."""
    group = typer.main.get_command(app)
    name, *rest = words
    command = group.commands[name]  # type: ignore[attr-defined]  # an app of sub-commands
    context: dict[str, Any] = command.make_context(name, rest).params
    return context

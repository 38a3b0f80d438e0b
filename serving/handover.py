"""How the command line ends: with a command's exit code, or with one sentence that says why."""

import sys
from collections.abc import Callable

import typer

from serving import logs
from serving.failure import StartError


def hand_over(command: Callable[[], int]) -> None:
    """Run a command; a reason not to start is one sentence and exit code 1, never a trace."""
    logs.configure("info", json=not sys.stderr.isatty())
    try:
        code = command()
    except StartError as error:
        typer.echo(f"{error.heading}: {error}", err=True)
        code = 1
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)

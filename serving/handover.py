"""What all commands share: `--config`, and an end that is an exit code or one sentence."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from serving import logs
from serving.failure import StartError

Config = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.")]


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

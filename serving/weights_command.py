"""The sub-commands of `serving weights`: parse, and hand over to what finds and fetches them."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.engine import weights
from serving.failure import NotDone, StartError
from serving.handover import Config, hand_over

if TYPE_CHECKING:
    from serving.options import EngineSettings

app = typer.Typer(help="Bring a model's weights here before a start.", no_args_is_help=True)
logger = logging.getLogger(__name__)

Digests = Annotated[
    bool,
    typer.Option("--digests", help="Also read every large file and compare it with its SHA-256."),
]


@app.command()
def fetch(digests: Digests = False, config: Config = None) -> None:
    """Bring what is missing into HF_HOME; what a broken download left is kept and goes on.

    With --digests damaged files that are already here are fetched again.
    """
    hand_over(lambda: _done(lambda: _fetch(_asked(config), digests=digests)))


@app.command()
def check(digests: Digests = False, config: Config = None) -> None:
    """Tell without any network whether the weights are complete."""
    hand_over(lambda: _done(lambda: _check(_asked(config), digests=digests)))


def _fetch(engine: EngineSettings, *, digests: bool) -> str:
    from serving import startup  # noqa: PLC0415 — each command loads what it needs alone
    from serving.engine import hub  # noqa: PLC0415

    # As Ctrl-C: what is here is kept, and the exit code says that it was interrupted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for file in _damaged(engine) if digests else []:
        logger.warning("%s is damaged and is fetched again", file.name)
        hub.discard(engine.model, file)
    planned = weights.plan(engine.model, engine.revision, offline=False)
    for line in planned.lines():
        logger.info(line)
    with startup.download_bar() as show:
        folder = weights.fetch(planned, show)
    return _complete(engine.model, folder, planned.weight_bytes)


def _check(engine: EngineSettings, *, digests: bool) -> str:
    planned = weights.plan(engine.model, engine.revision, offline=True)
    if digests and (damaged := _damaged(engine)):
        names = ", ".join(file.name for file in damaged)
        raise NotDone(
            f"The content of {names} of {engine.model} is not what its digest says.",
            "Run `serving weights fetch --digests`, which fetches it again.",
        )
    return _complete(engine.model, planned.folder, planned.weight_bytes)


def _damaged(engine: EngineSettings) -> list[Path]:
    from serving.engine import hub  # noqa: PLC0415 — its library takes half a second

    if weights.local_folder(engine.model):
        raise NotDone(
            f"{engine.model} is a folder, and only the model cache knows digests.",
            "Leave --digests out: the sizes of its files are compared with what they hold.",
        )
    return hub.damaged(engine.model, engine.revision)


def _asked(config: Path | None) -> EngineSettings:
    from serving.engine.hardware import detect  # noqa: PLC0415
    from serving.selection import select  # noqa: PLC0415

    return select(config, os.environ, detect(), on_trust=True).engine


def _complete(model: str, folder: Path, weight_bytes: int) -> str:
    return f"{model} is complete in {folder}: {weights.gb(weight_bytes)} of weights"


def _done(command: Callable[[], str]) -> int:
    try:
        typer.echo(command())
    except StartError as error:
        raise NotDone(error.what, error.next_step) from error
    return 0

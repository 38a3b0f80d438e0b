"""Requests as a ledger holds them, made by hand, and the commands that read it."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from click.testing import Result
from typer.testing import CliRunner

from serving.gateway.record import Record
from serving.gateway.timeline import Stage
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.usage import UsageStore

Run = Callable[..., Result]
# Seconds of a usual request: they add up to 2.5.
USUAL = {
    Stage.RECEIVED: 0.01,
    Stage.ADMITTED: 0.02,
    Stage.QUEUED: 0.0,
    Stage.PREPROCESSING: 0.07,
    Stage.ENGINE_QUEUE: 0.1,
    Stage.PREFILL: 0.3,
    Stage.THINKING: 1.6,
    Stage.ANSWER: 0.4,
}


def record(request_id: str, *, stages: dict[Stage, float] | None = None, **fields: Any) -> Record:
    """Return a request that went well just now, with the stages named here longer or shorter."""
    took = USUAL | (stages or {})
    usual = {
        "id": request_id,
        "time": time.time(),
        "route": "chat_completions",
        "key_id": "key_1",
        "key": "alice",
        "model": "tiny-qwen3-vl",
        "generates": True,
        "known": True,
        "admitted": True,
        "streamed": True,
        "status": 200,
        "finish_reason": "stop",
        "prompt_tokens": 100,
        "reasoning_tokens": 16,
        "answer_tokens": 4,
        "cost": 0.001,
        "stages": took,
        "duration_seconds": sum(took.values()),
    }
    return Record(**usual | fields)


def write(*records: Record, url: str | None = None) -> None:
    """Write requests to the store that commands find, made if it is not there."""
    engine = open_store(Address.of(StoreSettings(url=url)))
    try:
        UsageStore(engine).write(records[0].id, records)
    finally:
        engine.dispose()


@contextmanager
def ready(command: Callable[..., None]) -> Iterator[Run]:
    """Give what runs a command with words, in this process; its logging is undone."""
    app = typer.Typer()
    app.command()(command)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda *words, **env: CliRunner().invoke(app, words, env=env)
    root.handlers[:] = handlers
    root.setLevel(level)


@contextmanager
def lost(store: Path) -> Iterator[None]:
    """Take a store's files away for a while: what opens it meanwhile finds nothing."""
    aside = store.with_suffix(".lost")
    aside.mkdir()
    files = list(store.parent.glob(f"{store.name}*"))
    for path in files:
        path.rename(aside / path.name)
    yield
    for path in files:
        (aside / path.name).rename(path)

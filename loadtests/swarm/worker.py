"""A load process among several: it does what its master tells it, and ends when that is gone."""

import time
from collections.abc import Callable
from typing import Any

import gevent  # type: ignore[import-untyped] # gevent ships no types
from locust.runners import WorkerRunner

from loadtests.failure import LoadError
from loadtests.records import Record
from loadtests.scenario import Scenario
from loadtests.scenarios import find_scenario
from loadtests.swarm.orders import Batch, Beginning, Ended, Hello, Order, Preparation, Progress
from loadtests.swarm.users import Crew

FLUSH_SECONDS = 0.5
FLUSH_RECORDS = 200


def work(
    host: str,
    port: int,
    key: str | None = None,
    *,
    find: Callable[[str], Scenario] = find_scenario,
) -> None:
    """Serve the master at this address until it says goodbye or is gone; raises LoadError."""
    crew = Crew()
    try:
        runner = crew.environment.create_worker_runner(host, port)
    except ConnectionError:
        raise LoadError(f"No master answers at {host}:{port}: start it first.") from None
    crew.runner = runner
    worker = _Worker(crew, runner, key, find)
    try:
        worker.listen()
        runner.greenlet.join()
    finally:
        crew.interrupt()
        crew.report()


class _Worker:
    def __init__(
        self,
        crew: Crew,
        runner: WorkerRunner,
        key: str | None,
        find: Callable[[str], Scenario],
    ) -> None:
        self._crew = crew
        self._runner = runner
        self._key = key
        self._find = find
        self._batch: list[Record] = []

    def listen(self) -> None:
        """Take messages from now on, and say so."""
        # A heart that never beat is not missed: this one is taken to beat now.
        self._runner.last_heartbeat_timestamp = time.time()
        listeners: dict[str, Callable[..., None]] = {
            "prepare": self._prepare,
            "begin": self._begin,
            "order": self._play,
            "halt": self._halt,
            "report": self._report,
        }
        for kind, listener in listeners.items():
            self._runner.register_message(kind, listener, concurrent=True)
        self._tell("hello", Hello())

    def _prepare(self, msg: Any, **_: Any) -> None:
        told = Preparation.decoded(msg.data)
        try:
            self._crew.prepare(told, self._find(told.scenario), self._key, self._keep)
        except Exception as error:
            self._tell("ready", Hello(error=_said(error)))
            return
        self._tell("ready", Hello())

    def _begin(self, msg: Any, **_: Any) -> None:
        at = Beginning.decoded(msg.data).at
        self._crew.begin(time.perf_counter() + at - time.time())
        self._tell("begun", Hello())

    def _play(self, msg: Any, **_: Any) -> None:
        flushing = gevent.spawn(self._flush_for_ever)
        try:
            ended = self._crew.perform(Order.decoded(msg.data), self._progress)
        except Exception as error:
            ended = Ended(error=_said(error))
        flushing.kill()
        self._flush()
        self._tell("ended", ended)

    def _halt(self, msg: Any, **_: Any) -> None:
        if msg.data["broken_off"]:
            self._crew.interrupt()
        elif self._crew.play is not None:
            self._crew.play.close()

    def _report(self, **_: Any) -> None:
        self._tell("report", Batch(reports=self._crew.report()))

    def _keep(self, record: Record) -> None:
        self._batch.append(record)
        if len(self._batch) >= FLUSH_RECORDS:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            self._tell("records", Batch(records=batch))

    def _flush_for_ever(self) -> None:
        while True:
            gevent.sleep(FLUSH_SECONDS)
            self._flush()

    def _progress(self, progress: Progress) -> None:
        self._tell("progress", progress)

    def _tell(self, kind: str, message: Any) -> None:
        self._runner.send_message(kind, message.encoded())


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, LoadError) else f"{type(error).__name__}: {error}"

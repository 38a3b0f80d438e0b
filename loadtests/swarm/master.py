"""The master of several load processes: starts or awaits them, orders steps, gathers records."""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import locust
from gevent.event import Event  # type: ignore[import-untyped] # gevent ships no types
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import STATE_MISSING, MasterRunner

from loadtests.certificate.witness import WitnessReport
from loadtests.failure import LoadError
from loadtests.records import Record
from loadtests.swarm.orders import (
    Batch,
    Beginning,
    Ended,
    Hello,
    Message,
    Order,
    Part,
    Preparation,
    Progress,
)
from loadtests.swarm.users import settle_locust

# This program again, as a worker; the key goes through its standard input.
PROGRAM = (sys.executable, "-m", "loadtests", "worker")
LOOPBACK = "127.0.0.1"
LOCAL_PATIENCE_SECONDS = 60.0
REMOTE_PATIENCE_SECONDS = 600.0
PATIENCE_SECONDS = 120.0
END_SECONDS = 30.0  # beyond what a step may take
LOOK_SECONDS = 0.2
TOLD: dict[str, type[Message]] = {
    "hello": Hello,
    "ready": Hello,
    "begun": Hello,
    "progress": Progress,
    "ended": Ended,
    "report": Batch,
}


class Master:
    """Speaks to `workers` processes: those that it starts, or those that come to `bind`."""

    def __init__(
        self,
        sink: Callable[[Record], None],
        workers: int,
        key: str | None,
        *,
        bind: str | None,
        program: Sequence[str],
    ) -> None:
        self._sink = sink
        self._workers = workers
        self._key = key
        self._bind = bind
        self._program = program
        settle_locust()
        self._environment = Environment(events=locust.events)
        self._runner: MasterRunner | None = None
        self.interrupted = False
        self._processes: list[subprocess.Popen[bytes]] = []
        self._nodes: list[str] = []
        self._pids: dict[str, int] = {}
        self._told: dict[str, dict[str, Any]] = defaultdict(dict)
        self._news = Event()
        self._records = 0

    def prepare(self, preparation_of: Callable[[Part], Preparation]) -> None:
        """Tell the workers what is to be asked, and wait until they are ready; raises LoadError."""
        self._gather()
        for number, node in enumerate(self._nodes):
            part = Part(number=number, processes=self._workers)
            self._tell("prepare", preparation_of(part).encoded(), node)
        ready = self._told["ready"]
        self._until(lambda: len(ready) >= self._workers, PATIENCE_SECONDS, "prepare")
        for node in self._nodes:
            if ready[node].error:
                raise LoadError(f"A worker cannot prepare the load: {ready[node].error}")

    def begin(self, load_began: float) -> None:
        """Tell the workers when the load began, a time of `perf_counter`; raises LoadError."""
        beginning = Beginning(at=time.time() + load_began - time.perf_counter())
        for node in self._nodes:
            self._tell("begin", beginning.encoded(), node)
        begun = self._told["begun"]
        self._until(lambda: len(begun) >= self._workers, PATIENCE_SECONDS, "begin")

    def play(
        self, order_of: Callable[[Part], Order], progress: Callable[[Progress], None]
    ) -> list[Ended]:
        """Let the workers play one step, and gather what they tell."""
        self._told["ended"].clear()
        self._told["progress"].clear()
        self._records = 0
        orders = [order_of(Part(number=n, processes=self._workers)) for n in range(self._workers)]
        for node, order in zip(self._nodes, orders, strict=True):
            self._tell("order", order.encoded(), node)
        reason = self._watch(orders[0], progress)
        ended = self._told["ended"]
        parts: list[Ended] = [ended[node] for node in self._nodes if node in ended]
        failed = [part.error for part in parts if part.error]
        if failed and reason is None:
            reason = f"A worker failed: {failed[0]}"
        told = sum(part.records for part in parts)
        if reason is None and told != self._records:
            reason = f"The workers told of {told} requests, and {self._records} arrived"
        return parts if reason is None else [Ended(stopped=reason), *parts]

    def interrupt(self) -> None:
        """Break off what is in flight, in all workers."""
        self.interrupted = True
        self._halt(broken_off=True)

    def reports(self) -> list[WitnessReport]:
        """Return what the workers saw of their own timing; those that are lost told nothing."""
        alive = [node for node in self._nodes if not self._is_lost(node)]
        for node in alive:
            self._tell("report", b"", node)
        told = self._told["report"]
        last = time.monotonic() + END_SECONDS
        while time.monotonic() < last and any(
            n not in told and not self._is_lost(n) for n in alive
        ):
            self._hear()
        return [report for node in alive if node in told for report in told[node].reports]

    def close(self) -> None:
        """Send the workers home; those started here are ended, if it must be, by force."""
        if self._runner is not None:
            self._runner.quit()
            self._runner.server.close(linger=0)  # type: ignore[no-untyped-call] # Locust's
        for process in self._processes:
            try:
                process.wait(LOCAL_PATIENCE_SECONDS / 6)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _gather(self) -> None:
        """Start or await the workers; raises LoadError."""
        host, port = _address(self._bind)
        try:
            runner = self._environment.create_master_runner(host, port)
        except (RPCError, SystemExit):  # Locust ends the program for one wording of the error
            raise LoadError(
                f"Workers cannot be awaited at {self._bind}: give another address to --bind."
            ) from None
        self._runner = runner
        for kind in TOLD:
            runner.register_message(kind, self._listen)
        runner.register_message("records", self._receive)
        if self._bind is None:
            self._start(runner.server.port)
        patience = LOCAL_PATIENCE_SECONDS if self._bind is None else REMOTE_PATIENCE_SECONDS
        self._until(lambda: len(self._told["hello"]) >= self._workers, patience, "connect")
        self._nodes = list(self._told["hello"])[: self._workers]
        self._pids = {node: self._told["hello"][node].pid for node in self._nodes}

    def _start(self, port: int) -> None:
        command = [*self._program, "--master-host", LOOPBACK, "--master-port", str(port)]
        for _ in range(self._workers):
            # A group of its own: Ctrl-C is for the master, which tells the others.
            process = subprocess.Popen(  # noqa: S603 - this program again
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, process_group=0
            )
            self._processes.append(process)
            if process.stdin is not None:
                process.stdin.write(f"{self._key or ''}\n".encode())
                process.stdin.close()

    def _watch(self, order: Order, progress: Callable[[Progress], None]) -> str | None:
        """Wait for the end of a step; return why it is not whole."""
        reason, halted = None, False
        last = time.monotonic() + order.seconds + 2 * order.drain_seconds + END_SECONDS
        shown = time.perf_counter()
        while waiting := [n for n in self._nodes if n not in self._told["ended"]]:
            lost = [number for number, n in enumerate(self._nodes) if self._is_lost(n)]
            if lost and reason is None:
                reason = f"Worker {lost[0] + 1} of {self._workers} was lost: its part is missing"
            stopped = any(each.stopped or each.error for each in self._told["ended"].values())
            if (reason or stopped) and not halted:
                halted = True
                self._halt(broken_off=False)
            if all(self._is_lost(node) for node in waiting):
                break
            if time.monotonic() > last:
                return "A worker did not end its step in time"
            if time.perf_counter() - shown >= 1.0:
                shown = time.perf_counter()
                self._show(progress)
            self._hear()
        self._show(progress)
        return reason

    def _show(self, progress: Callable[[Progress], None]) -> None:
        told = self._told["progress"].values()
        if told:
            progress(sum(told, Progress()))

    def _hear(self) -> None:
        """Wait a moment for something to be told."""
        self._news.wait(LOOK_SECONDS)
        self._news.clear()

    def _until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for the workers; raises LoadError where one is lost or they take too long."""
        last = time.monotonic() + seconds
        while not done():
            gone = [p.returncode for p in self._processes if p.poll() is not None]
            if gone:
                raise LoadError(f"A worker ended with code {gone[0]} before the load: see above.")
            if time.monotonic() > last:
                raise LoadError(f"Not all {self._workers} workers did {what} in {seconds:g} s.")
            self._hear()

    def _is_lost(self, node: str) -> bool:
        """Tell whether a worker's heart stands still, or its process has ended."""
        ended = {process.pid for process in self._processes if process.poll() is not None}
        client = None if self._runner is None else self._runner.clients.get(node)
        return client is None or client.state == STATE_MISSING or self._pids[node] in ended

    def _halt(self, *, broken_off: bool) -> None:
        for node in self._nodes:
            if not self._is_lost(node):
                self._tell("halt", {"broken_off": broken_off}, node)

    def _tell(self, kind: str, data: Any, node: str) -> None:
        if self._runner is not None:
            self._runner.send_message(kind, data, node)

    def _listen(self, msg: Any, **_: Any) -> None:
        self._told[msg.type][msg.node_id] = TOLD[msg.type].decoded(msg.data)
        self._news.set()

    def _receive(self, msg: Any, **_: Any) -> None:
        batch = Batch.decoded(msg.data)
        self._records += len(batch.records)
        for record in batch.records:
            self._sink(record)


def _address(bind: str | None) -> tuple[str, int]:
    """Read HOST:PORT; raises LoadError."""
    if bind is None:
        return LOOPBACK, 0
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit():
        raise LoadError(f"--bind is {bind!r}: give HOST:PORT, such as 0.0.0.0:5557.")
    return host, int(port)

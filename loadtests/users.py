"""Locust users who chat, and the run that starts and ends them. Importing this patches sockets."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gevent  # type: ignore[import-untyped] # gevent ships no types
from gevent.event import Event  # type: ignore[import-untyped]
from locust import User, constant, task
from locust.env import Environment
from locust.exception import StopUser

from loadtests.client import ChatClient, Exchange, Limits
from loadtests.endpoint import Endpoint
from loadtests.records import Record, record
from loadtests.scenario import Scenario
from loadtests.summary import Phase
from loadtests.workloads import Request

MAX_SPAWN_RATE = 100
LAG_SAMPLE_SECONDS = 0.05


@dataclass(slots=True)
class Load:
    """What the users of one run share."""

    endpoint: Endpoint
    requests: Iterator[Request]
    sink: Callable[[Record], None]
    limits: Limits
    began: float = 0.0
    closed: float | None = None
    in_flight: int = 0
    in_flight_at_end: int = 0
    worst_lag_seconds: float = 0.0
    ended: Event = field(default_factory=Event)
    error: Exception | None = None

    def close(self) -> None:
        """Note when the load ended and what was in flight then; later calls change nothing."""
        if self.closed is None:
            self.closed, self.in_flight_at_end = time.perf_counter(), self.in_flight

    def fail(self, exception: Exception, **_: Any) -> None:
        """End the run for an error of this program, which is not an outcome of a request."""
        self.error = exception
        self.ended.set()

    def watch_lag(self) -> None:
        """Keep the worst delay of a timer: how late this process may have seen an event."""
        while True:
            due = time.perf_counter() + LAG_SAMPLE_SECONDS
            gevent.sleep(LAG_SAMPLE_SECONDS)
            self.worst_lag_seconds = max(self.worst_lag_seconds, time.perf_counter() - due)


def chat_user(load: Load) -> type[User]:
    """Return a Locust user class that draws its requests from `load`."""

    class ChatUser(User):
        wait_time = constant(0)

        def on_start(self) -> None:
            self.client = ChatClient(load.endpoint, load.limits)

        def on_stop(self) -> None:
            self.client.close()

        @task
        def ask(self) -> None:
            request = next(load.requests, None)
            if request is None:
                load.ended.set()
                raise StopUser
            exchange = Exchange()
            load.in_flight += 1
            try:
                self.client.ask(request.body, exchange)
            finally:
                load.in_flight -= 1
                line = record(request, exchange, load.began)
                load.sink(line)
                _tell_locust(self.environment, line)

    return ChatUser


def _tell_locust(environment: Environment, line: Record) -> None:
    """Fire Locust's one `request` event, for its own statistics and exporters."""
    failure = RuntimeError(f"{line.outcome}: {line.detail}") if line.failed else None
    environment.events.request.fire(  # type: ignore[no-untyped-call] # Locust's
        request_type="chat",
        name=line.kind,
        response_time=1000 * line.done_seconds,
        response_length=line.fragments,
        exception=failure,
        context={},
    )


def run(scenario: Scenario, load: Load, announce: Callable[[str], None]) -> Phase:
    """Run a scenario to its end, requests in flight included; raises what a user raised."""
    environment = Environment(user_classes=[chat_user(load)], stop_timeout=scenario.drain_seconds)
    errors = environment.events.user_error
    errors.add_listener(load.fail)  # type: ignore[no-untyped-call] # Locust's
    runner = environment.create_local_runner()
    lag = gevent.spawn(load.watch_lag)
    load.began = time.perf_counter()
    interrupted = False
    # Python would raise it in any greenlet, and not each lets it out: it is for the one that waits.
    waiting = gevent.getcurrent()
    handler = gevent.signal_handler(signal.SIGINT, gevent.kill, waiting, KeyboardInterrupt)
    try:
        runner.start(scenario.users, spawn_rate=min(scenario.users, MAX_SPAWN_RATE))
        load.ended.wait(timeout=scenario.duration_seconds)
        load.close()
        announce(f"Waiting for {load.in_flight} requests, {scenario.drain_seconds:g} s at most.")
        runner.stop()
    except KeyboardInterrupt:
        interrupted = True
        environment.stop_timeout = 0
    finally:
        handler.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        load.close()
        runner.quit()
        lag.kill()
    if load.error is not None:
        raise load.error
    return _phase(scenario, load, interrupted=interrupted)


def _phase(scenario: Scenario, load: Load, *, interrupted: bool) -> Phase:
    closed = load.closed or load.began
    return Phase(
        warmup_seconds=scenario.warmup_seconds,
        load_seconds=closed - load.began,
        in_flight_at_end=load.in_flight_at_end,
        drain_seconds=time.perf_counter() - closed,
        client_lag_seconds=load.worst_lag_seconds,
        interrupted=interrupted,
    )

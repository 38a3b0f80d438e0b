"""Locust users who chat, and the crew of them in one process. Importing this patches sockets."""

import gc
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import gevent  # type: ignore[import-untyped] # gevent ships no types
import locust
from gevent.event import Event  # type: ignore[import-untyped]
from locust import User, constant, runners, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import Runner

from loadtests.certificate.witness import Witness, WitnessReport
from loadtests.client.chat import ChatClient, Limits
from loadtests.client.exchange import Exchange
from loadtests.endpoint import Endpoint, parse_url
from loadtests.failure import LoadError
from loadtests.records import Record
from loadtests.scenario import Scenario
from loadtests.shapes import Rate
from loadtests.swarm.look_ahead import LookAhead
from loadtests.swarm.orders import Ended, Order, Preparation, Progress
from loadtests.swarm.play import Play, Stage
from loadtests.swarm.priority import first_in_line
from loadtests.workloads import encoded

TICK_SECONDS = 1.0
# The event loop wakes up to a millisecond late: the last one is passed awake.
AWAKE_SECONDS = 0.001
NEVER = (
    1_000_000_000  # so many collections of the younger generations come before one of the oldest
)
MASTER_SILENCE_SECONDS = 10  # after which a worker takes its master for dead
WORKER_SILENCE_SECONDS = 10


def settle_locust() -> None:
    """Let Locust be silent, and notice within seconds that a process has died."""
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("locust").setLevel(logging.CRITICAL + 1)
    runners.MASTER_HEARTBEAT_TIMEOUT = MASTER_SILENCE_SECONDS
    runners.HEARTBEAT_LIVENESS = WORKER_SILENCE_SECONDS


class Crew:
    """The users of this process, and the step that they play."""

    def __init__(self) -> None:
        settle_locust()
        self.environment = Environment(user_classes=[_user_class(self)], events=locust.events)
        self.runner: Runner | None = None
        self.play: Play | None = None
        self.interrupted = False
        self._stage: Stage | None = None
        self._endpoint: Endpoint | None = None
        self._limits = Limits()
        self._witness: Witness | None = None
        self._next_tick = 0.0
        errors = self.environment.events.user_error
        errors.add_listener(self._fail)  # type: ignore[no-untyped-call] # Locust's

    def prepare(
        self,
        told: Preparation,
        scenario: Scenario,
        key: str | None,
        sink: Callable[[Record], None],
    ) -> None:
        """Make ready what the users ask; raises LoadError."""
        rng = random.Random(told.seed)  # noqa: S311 - repeatable, not secret
        model = told.served.model_asked
        prompts = scenario.prompts(rng, told.served)
        look_ahead = LookAhead(prompts, told.part, lambda prompt: encoded(prompt, model))
        look_ahead.fill()
        self._endpoint, self._limits = parse_url(told.url, key), told.limits
        self._stage = Stage(told.part, look_ahead, sink)

    def begin(self, load_began: float) -> None:
        """Begin the load, at a time of `perf_counter`."""
        if self._stage is not None:
            self._stage = replace(self._stage, load_began=load_began)
            self._witness = Witness(load_began, self._stage.part.number).start()
        events, told = self.environment.events, {"environment": self.environment}
        events.init.fire(**told, runner=self.runner, web_ui=None)  # type: ignore[no-untyped-call]
        events.test_start.fire(**told)  # type: ignore[no-untyped-call] # for Locust's exporters

    def report(self) -> list[WitnessReport]:
        """Return how well this process has seen its requests, once."""
        witness, self._witness = self._witness, None
        return [] if witness is None else [witness.stop()]

    def client(self) -> ChatClient:
        """Return a client for a new user."""
        if self._endpoint is None:
            raise LoadError("A user cannot ask before it is told whom.")
        return ChatClient(self._endpoint, self._limits)

    def perform(self, order: Order, tell: Callable[[Progress], None]) -> Ended:
        """Play a step to its end, requests in flight included; an error of a user stops it."""
        if self._stage is None:
            raise LoadError("A step cannot be played before it is told what to ask.")
        play = self.play = Play(order, self._stage, Event)
        began = play.began
        self._next_tick = began + TICK_SECONDS
        if self.interrupted:
            play.break_off()
        filling = gevent.spawn(self._fill, play)
        with _undisturbed(), first_in_line():
            try:
                _sleep_until(began, play.closing)
                self.add_users(play.users)
                self._await(began + order.seconds, tell, play.closing)
                if isinstance(order.rate, Rate):
                    self._catch_up(play, tell)
                play.close()
                in_flight, ended = play.in_flight, play.ended or began
                self._await(ended + order.drain_seconds, tell, play.quiet, play.broken_off)
            finally:
                play.close()
                filling.kill()
                self.dismiss()
        tell(play.progress())
        return Ended(
            ended_seconds=ended - play.stage.load_began,
            drain_seconds=time.perf_counter() - ended,
            in_flight_at_end=in_flight,
            next_number=play.next_number,
            records=play.records,
            stopped=play.stopped,
        )

    def interrupt(self) -> None:
        """Break off what is in flight, and play no further step."""
        self.interrupted = True
        if self.play is not None:
            self.play.break_off()

    def add_users(self, count: int) -> None:
        """Start so many users."""
        if self.runner is not None and count:
            self.runner.spawn_users({"ChatUser": count})

    def dismiss(self) -> None:
        """End all users; what they have in flight is recorded as it stands."""
        if self.runner is not None:
            self.runner.user_greenlets.kill(block=True)

    def close(self) -> None:
        """End all, and take this crew's ear off Locust's events, which a process has once."""
        self.report()
        if self.runner is not None:
            self.runner.quit()
        self.environment.events.user_error.remove_listener(self._fail)  # type: ignore[no-untyped-call]

    def _catch_up(self, play: Play, tell: Callable[[Progress], None]) -> None:
        """Let what was due be sent, however late, but not for ever."""
        most = time.perf_counter() + play.order.drain_seconds
        self._await(most, tell, play.closing, play.all_sent)
        if not (play.closing.is_set() or play.all_sent.is_set()):
            play.give_up("The client fell behind its schedule")

    def _await(self, until: float, tell: Callable[[Progress], None], *flags: Any) -> None:
        """Wait for one of the flags or a moment, and tell the progress every second."""
        while not any(flag.is_set() for flag in flags):
            now = time.perf_counter()
            if now >= until:
                return
            if now >= self._next_tick and self.play is not None:
                self._next_tick = max(self._next_tick + TICK_SECONDS, now)
                tell(self.play.progress())
            left = min(until, self._next_tick) - time.perf_counter()
            gevent.wait(flags, timeout=max(left, 0.0), count=1)

    def _fill(self, play: Play) -> None:
        """Keep a few bodies encoded, between other things."""
        try:
            while not play.closing.is_set():
                play.wanted.clear()
                while play.stage.look_ahead.fill():
                    gevent.sleep(0)
                play.wanted.wait()  # type: ignore[attr-defined] # an Event here
        except Exception as error:
            play.fail(error)

    def _fail(self, exception: Exception, **_: Any) -> None:
        if self.play is not None:
            self.play.fail(exception)


def _user_class(crew: Crew) -> type[User]:
    """Return a Locust user class whose users play the crew's step."""

    class ChatUser(User):
        wait_time = constant(0)

        def on_start(self) -> None:
            self.client = crew.client()

        def on_stop(self) -> None:
            self.client.close()

        @task
        def ask(self) -> None:
            play = crew.play
            due = None if play is None else play.await_turn()
            if play is None or due is None:
                raise StopUser
            _sleep_until(due, play.closing)
            if (turn := play.take_turn()) is None:
                raise StopUser
            exchange = Exchange()
            play.begin(turn, exchange)
            try:
                crew.add_users(int(play.lonely))
                self.client.ask(turn.request.body, exchange)
            finally:
                _tell_locust(self.environment, play.end(turn, exchange))

    return ChatUser


def _sleep_until(due: float, closing: Any) -> None:
    """Wait for a moment, or until nothing is to be sent any more."""
    while (left := due - time.perf_counter()) > 0 and not closing.is_set():
        if left > AWAKE_SECONDS:
            closing.wait(left - AWAKE_SECONDS)
        else:
            gevent.sleep(0)


def _tell_locust(environment: Environment, record: Record) -> None:
    """Fire Locust's one `request` event, for its own statistics and exporters."""
    status = "" if record.status is None else f" {record.status}"
    failure = None if record.answered else RuntimeError(f"{record.outcome}{status}")
    environment.events.request.fire(  # type: ignore[no-untyped-call] # Locust's
        request_type="chat",
        name=record.kind,
        response_time=1000 * record.done_seconds,
        response_length=record.fragments,
        exception=failure,
        context={},
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the collector from walking through all that lives while times are taken."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(thresholds[0], thresholds[1], NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()

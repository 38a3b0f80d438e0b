"""What happens to one request, written down on its way, and closed as its record."""

import time
from collections.abc import Mapping
from time import perf_counter
from typing import Final, Protocol

from serving.catalogue import Price
from serving.gateway.answer import Usage
from serving.gateway.attribution import app_of
from serving.gateway.metrics.inter_token import InterTokenTimes
from serving.gateway.pricing import cost_of
from serving.gateway.record import Record, Verdict
from serving.gateway.stream import Seen
from serving.gateway.timeline import BEFORE_FIRST_TOKEN, Stage, Timeline

# What the server failed to finish, or refused, costs nothing.
PAYS: Final[frozenset[Verdict]] = frozenset(["ok", "cancelled"])


class Asked(Protocol):
    """What is sent to the engine, as far as it is written down."""

    @property
    def stream(self) -> bool: ...
    @property
    def choices(self) -> int: ...
    @property
    def thinking_token_budget(self) -> int | None: ...
    @property
    def price(self) -> Price: ...


class Journal:
    """One request's facts and times in the making."""

    def __init__(
        self, request_id: str, headers: Mapping[bytes, bytes], inter_token: InterTokenTimes
    ) -> None:
        self.began = perf_counter()
        app, referer = app_of(headers)
        self.record = Record(id=request_id, time=time.time(), app=app, referer=referer)
        self.timeline = Timeline(self.began)
        self.seen = Seen()
        self.price = Price()
        self.likely_prompt_tokens = 0
        self._inter_token = inter_token
        self._events = self._thought_events = 0
        self._heard_at = 0.0
        self._answers = False

    @property
    def elapsed(self) -> float:
        """Return the seconds since the request's headers came."""
        return perf_counter() - self.began

    @property
    def engine_first_token_seconds(self) -> float | None:
        """Return how long the engine took to a first token, None where nobody knows."""
        seconds = self.timeline.seconds
        return sum(seconds.get(stage, 0.0) for stage in BEFORE_FIRST_TOKEN) or None

    def asks(self, request: Asked, max_tokens: int, likely_prompt_tokens: int) -> None:
        """Note what the engine will be asked for."""
        record = self.record
        record.streamed, record.choices = request.stream, request.choices
        record.max_tokens = max_tokens
        record.thinking_token_budget = request.thinking_token_budget
        self.price, self.likely_prompt_tokens = request.price, likely_prompt_tokens

    def enter(self, stage: Stage) -> None:
        """Note that a stage begins now."""
        self.timeline.enter(stage, perf_counter())

    def heard(self, seen: Seen) -> None:
        """Note that the engine's stream has brought something: called for each piece of it."""
        now, events = perf_counter(), seen.events
        if self._events and events > self._events:
            self._inter_token.observe(now - self._heard_at, events - self._events)
        if not self._answers:
            self._first_tokens(seen, now)
        self._events, self._heard_at = events, now

    def whole(self, seen: Seen) -> None:
        """Note a whole answer, whose tokens nobody saw come."""
        self.seen = seen
        self.enter(Stage.ANSWER)
        usage = seen.usage or Usage()
        share = usage.reasoning / max(1, usage.output)
        self.timeline.split_whole(usage.times, share)

    def close(self) -> Record:
        """Return the finished record."""
        now, record, seen = perf_counter(), self.record, self.seen
        self.timeline.end(now)
        record.duration_seconds = now - self.began
        record.finish_reason, record.events = seen.finish_reason, seen.events
        if record.admitted:
            self._count()
        if record.verdict in PAYS:
            record.cost = cost_of(record.prompt_tokens, record.output_tokens, self.price)
        record.stages = self.timeline.seconds
        return record

    def _first_tokens(self, seen: Seen, now: float) -> None:
        record = self.record
        if self.timeline.stage is Stage.PREFILL and seen.first_token:
            self.timeline.enter(Stage.ANSWER if seen.answer else Stage.THINKING, now)
            if record.streamed:
                record.first_token_seconds = now - self.began
        if seen.answer:
            self._answers = True
            self._thought_events = self._events
            self.timeline.enter(Stage.ANSWER, now)
            if record.streamed:
                record.first_answer_seconds = now - self.began

    def _count(self) -> None:
        """Take the engine's count, or an estimate where a client left before there was one.

        A stream's event is one token.
        """
        record, usage = self.record, self.seen.usage
        if usage is not None:
            record.count(usage)
            if usage.times is not None and Stage.PREPROCESSING not in self.timeline.seconds:
                self.timeline.split_first_token(usage.times)
        elif record.verdict == "cancelled":
            thought = self._thought_events if self._answers else self._events
            record.prompt_tokens = self.likely_prompt_tokens
            record.reasoning_tokens = thought if self.seen.reasoning else 0
            record.answer_tokens = self._events - thought if self._answers else 0
            record.estimated = True
        # The tag that ends a thought is counted with the answer, which then is more than that.
        unanswered = record.reasoning_tokens > 0 and record.answer_tokens <= 1
        record.truncated_in_thinking = record.finish_reason == "length" and unanswered

"""Plays the steps of a plan, one after the other, each within its time."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from deploy.benchmarks.gpu_curve import programs
from deploy.benchmarks.gpu_curve.ledger import Ledger
from deploy.benchmarks.gpu_curve.plan import (
    LIMIT_SECONDS,
    Lengths,
    Step,
    Times,
    lengths,
    next_step,
    seed,
)
from deploy.benchmarks.gpu_curve.programs import LOAD_END_SECONDS, Commands, Endpoint
from loadtests.result import Summary, read_summary
from serving.failure import NotDone

Say = Callable[[str], None]
SAMPLE_SECONDS = 10.0
# As long as a start may take altogether, and longer than any did.
MAX_WAITS = 5


@dataclass(slots=True, kw_only=True)
class Curve:
    """What all steps share; the endpoint writes to `log`, `sample` tells of the GPU at a moment."""

    plan: tuple[Step, ...]
    ledger: Ledger
    environment: Mapping[str, str]
    log: Path
    say: Say
    times: Times = field(default_factory=Times)
    commands: Commands = field(default_factory=Commands)
    sample: Callable[[], dict[str, str]] = dict
    lengths: Callable[[Step], Lengths] = lengths
    is_trial: bool = False  # of this program, not of a GPU: an INVALID measurement will do
    _endpoint: Endpoint | None = None
    _waits: int = 0

    def measure(self, *, one: bool) -> None:
        """Play what is not done yet, or one step of it.

        Raises NotDone where the endpoint does not come up, and OSError.
        """
        with ExitStack() as stack:
            stack.callback(self._stop)
            while step := next_step(self.plan, self.ledger.done(), self.ledger.failures):
                self._play(step)
                if one:
                    return

    def _play(self, step: Step) -> None:
        began = time.monotonic()
        self.say(f"{step.name}: begins, {len(self.ledger.done())} of {len(self.plan)} are done.")
        try:
            endpoint = self._ready(began + LIMIT_SECONDS - self.times.needed_seconds)
            summary = self._load(step, endpoint, began + LIMIT_SECONDS)
        except programs.Ended as ended:
            self._stop()  # the next step finds an engine that nothing has happened to
            self.ledger.fail(step, str(ended))
            self.say(f"{step.name}: failed. {ended}")
            return
        except TimeoutError:
            self._late(time.monotonic() - began)
            return
        self.ledger.finish(step, summary)
        took = time.monotonic() - began
        self.say(f"{step.name}: done in {took:.0f} s. {summary.verdict.sentence}")

    def _ready(self, deadline: float) -> Endpoint:
        """Return the endpoint, started where there is none; raises NotDone and TimeoutError."""
        if self._endpoint is None or not self._endpoint.is_alive:
            self._stop()
            self._endpoint = Endpoint(self.commands.serve, self.environment, self.log)
        try:
            self._endpoint.wait_until_ready(deadline)
        except programs.Ended as ended:
            raise NotDone(f"The endpoint does not start: {ended}", f"Read {self.log}.") from None
        self._waits = 0
        return self._endpoint

    def _load(self, step: Step, endpoint: Endpoint, deadline: float) -> Summary:
        """Run the load test of a step; raises Ended with why it shows nothing."""
        folder = self.ledger.begin(step)
        log = folder / "output.log"
        command = [*self.commands.load, *self._arguments(step, endpoint, folder)]
        process = programs.start(command, os.environ, log)
        moments = _Moments(self.sample)
        try:
            code = programs.wait(process, deadline - LOAD_END_SECONDS, moments.take)
        finally:
            programs.end(process, LOAD_END_SECONDS)
        if code is None:
            raise programs.Ended(f"its load did not end within {LIMIT_SECONDS} s")
        if not endpoint.is_alive:
            raise programs.Ended(f"the endpoint ended: {programs.last_words(self.log)}")
        paths = list(folder.glob("*/summary.json"))
        if len(paths) != 1:
            raise programs.Ended(f"no load was run (exit code {code}): {programs.last_words(log)}")
        summary = read_summary(paths[0])
        if reason := fault(summary, is_trial=self.is_trial):
            raise programs.Ended(reason)
        run = {**summary.run, "step": step.name, "gpu_samples": moments.taken}
        return msgspec.structs.replace(summary, run=run)

    def _arguments(self, step: Step, endpoint: Endpoint, folder: Path) -> list[str]:
        pages = (f"{endpoint.admin_url}/{page}" for page in ("metrics", "engine/metrics"))
        words: dict[str, object] = {
            "--scenario": step.scenario,
            "--seed": seed(step),
            "--metrics": ",".join(pages),
            "--users": step.users,
            "--duration": self.times.load_seconds,
            "--drain": self.times.drain_seconds,
            "--out": folder,
        }
        if self.ledger.identity.synthetic:
            fixed = self.lengths(step)
            words["--thought-tokens"] = fixed.thought_tokens
            words["--answer-tokens"] = fixed.answer_tokens
        flags = ["--synthetic"] if self.ledger.identity.synthetic else []
        return [endpoint.url, *flags, *(str(word) for pair in words.items() for word in pair)]

    def _late(self, seconds: float) -> None:
        """Say that a start left no time for a load; raises NotDone when it has no end."""
        self._waits += 1
        if self._waits == MAX_WAITS:
            raise NotDone(f"The engine is not ready after {MAX_WAITS} waits.", f"Read {self.log}.")
        self.say(
            f"The engine was not ready after {seconds:.0f} s, which leaves too little of "
            f"{LIMIT_SECONDS} s. What it compiled is kept: the next start is shorter."
        )

    def _stop(self) -> None:
        if self._endpoint:
            self._endpoint.stop()
            self._endpoint = None


def fault(summary: Summary, *, is_trial: bool = False) -> str | None:
    """Say why a step's result is no measurement of the endpoint; None where it is one."""
    if summary.verdict.measurement != "VALID" and not is_trial:
        return f"the measurement is INVALID: {'; '.join(summary.certificate.reasons)}"
    if summary.verdict.partial:
        return f"the run is partial: {summary.verdict.partial}"
    if not summary.steps or not summary.steps[-1].all.answered.part:
        return "no request was answered"
    return None


class _Moments:
    """Looks at the GPU every few seconds while a load runs."""

    def __init__(self, sample: Callable[[], dict[str, str]]) -> None:
        self._sample = sample
        self._next = time.monotonic() + SAMPLE_SECONDS
        self.taken: list[dict[str, str]] = []

    def take(self) -> None:
        """Look, if it is time."""
        if time.monotonic() >= self._next:
            self._next += SAMPLE_SECONDS
            if seen := self._sample():
                self.taken.append(seen)

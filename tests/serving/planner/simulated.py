"""An engine in a loop: continuous batching by discrete steps, as an oracle for the planner.

Each step gives every running sequence one token and prefills those that are new; it lasts
step + sequences·per_sequence + new prompt tokens·per_prompt_token seconds. A user who has an answer
asks again a few milliseconds later, in the middle of a step.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Job:
    """What one request asks."""

    prompt: int
    thinking: int
    answer: int


@dataclass
class Done:
    """One request that has ended; seconds."""

    job: Job
    arrived: float
    first: float = 0.0
    first_answer: float = 0.0
    last: float = 0.0
    made: int = 0


@dataclass
class Engine:
    """The cost of a step, and how many sequences it may hold."""

    step: float = 0.010
    per_sequence: float = 0.0004
    per_prompt_token: float = 0.00002
    most: int = 64
    draw: Callable[[random.Random], Job] = lambda rng: Job(
        rng.randint(100, 900), rng.randint(20, 180), rng.randint(10, 90)
    )
    rng: random.Random = field(default_factory=lambda: random.Random(7))

    def closed(self, users: int, count: int) -> list[Done]:
        """Serve `users` who each ask again at once; return the requests that ended, in order."""
        return self._serve([0.0] * users, lambda now: now + self.rng.uniform(0, self.step), count)

    def open(self, rate: float, count: int) -> list[Done]:
        """Serve Poisson arrivals."""
        now, arrivals = 0.0, []
        for _ in range(count):
            now += self.rng.expovariate(rate)
            arrivals.append(now)
        return self._serve(arrivals, None, count)

    def _serve(
        self, arrivals: list[float], again: Callable[[float], float] | None, count: int
    ) -> list[Done]:
        heapq.heapify(arrivals)
        now, running, ended = 0.0, [], []
        while len(ended) < count:
            new: list[Done] = []
            while arrivals and arrivals[0] <= now and len(running) + len(new) < self.most:
                new.append(Done(self.draw(self.rng), heapq.heappop(arrivals)))
            running += new
            if not running:
                now = arrivals[0]
                continue
            prompt = sum(done.job.prompt for done in new)
            now += self.step + len(running) * self.per_sequence + prompt * self.per_prompt_token
            for done in running:
                self._token(done, now)
            finished = [d for d in running if d.made == d.job.thinking + d.job.answer]
            running = [d for d in running if d.made < d.job.thinking + d.job.answer]
            ended += finished
            if again is not None:
                for _ in finished:
                    heapq.heappush(arrivals, again(now))
        return ended

    @staticmethod
    def _token(done: Done, now: float) -> None:
        done.made += 1
        if done.made == 1:
            done.first = now
        if done.made == done.job.thinking + 1:
            done.first_answer = now
        done.last = now

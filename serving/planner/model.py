"""How a replica behaves at any load, by a few numbers that were fitted to measured steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serving.planner import queueing
from serving.planner.work import Weights, Work

# Names as the load test writes them: first token, first answer token, per token, last token.
TIMES = ("ttft", "ttfat", "tpot", "e2e")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Time to first token: fixed + steps · step(n) + prefills · n · prefill of a request."""

    fixed: float
    steps: float
    prefills: float

    def seconds(self, weights: Weights, work: Work, running: float) -> float:
        """Return it for `running` requests at once."""
        prefill = weights.prefill_seconds(work)
        return (
            self.fixed + self.steps * weights.step_seconds(running)
            + self.prefills * running * prefill
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a percentile lies from the predicted mean, as a line in the logarithm of the load."""

    at_one: float
    slope: float = 0.0

    def factor(self, running: float) -> float:
        """Return percentile / mean with `running` requests at once."""
        return self.at_one * math.pow(running, self.slope)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Mean seconds of each of TIMES, and those of the percentiles that the steps could tell."""

    throughput_per_second: float
    running: float
    mean: Mapping[str, float]
    quantile: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Model:
    """A replica: `most_running` requests run at once, more wait.

    `spreads` are by time and percentile, such as ("ttfat", "p90"); "mean" holds how far the means
    of the steps themselves lie from the model's.
    """

    weights: Weights
    waiting: Waiting
    spreads: Mapping[tuple[str, str], Spread]
    most_running: int
    measured: tuple[float, ...] = ()  # how much of each weight was measured, 0 to 1

    def throughput(self, work: Work, running: float) -> float:
        """Return requests a second with so many at once: X(n) = 1 / y(n), X(M) beyond."""
        return 1 / self.weights.seconds_per_request(work, min(running, self.most_running))

    def at_users(self, work: Work, users: float) -> Prediction:
        """Predict a closed loop, in which each of `users` asks again when it has its answer.

        All of them run: `users` is at most `most_running`.
        """
        throughput = self.throughput(work, users)
        alone = queueing.Crowd(users, users / throughput, 0.0, 0.0, math.inf)
        return self._predict(work, users, throughput, alone)

    def at_rate(self, work: Work, rate: float) -> Prediction:
        """Predict an open loop with Poisson arrivals, below the highest throughput."""
        crowd = queueing.crowd(rate, lambda n: self.throughput(work, n), self.most_running)
        # As many as would make a closed loop's requests last as long.
        served = crowd.response_seconds - crowd.waiting_seconds
        shared = work.output_tokens * self.weights.step
        alone = self.weights.seconds_per_request(work, 1) - shared
        running = min(max(1.0, (served - shared) / alone), float(self.most_running))
        return self._predict(work, running, rate, crowd)

    def _predict(
        self, work: Work, running: float, rate: float, crowd: queueing.Crowd
    ) -> Prediction:
        served = crowd.response_seconds - crowd.waiting_seconds
        first = min(self.waiting.seconds(self.weights, work, running), served)
        per_token = (served - first) / max(1.0, work.output_tokens - 1)
        bare = {
            "ttft": first,
            "ttfat": first + work.thinking_tokens * per_token,
            "tpot": per_token,
            "e2e": served,
        }
        spread = {
            (time, name): bare[time] * each.factor(running)
            + (0.0 if time == "tpot" else _wait(crowd, name))
            for (time, name), each in self.spreads.items()
        }
        mean = {time: spread.get((time, "mean"), bare[time]) for time in TIMES}
        quantile = {key: value for key, value in spread.items() if key[1] != "mean"}
        return Prediction(rate, running, mean, quantile)


def _wait(crowd: queueing.Crowd, name: str) -> float:
    if name == "mean":
        return crowd.waiting_seconds
    return crowd.waiting_quantile(float(name[1:]) / 100)


def spread_line(points: Sequence[tuple[float, float]]) -> Spread:
    """Fit ln(factor) = ln(at_one) + slope·ln(n) to (running, factor); one point is a constant."""
    logs = [(math.log(running), math.log(factor)) for running, factor in points]
    centre = sum(x for x, _ in logs) / len(logs)
    height = sum(y for _, y in logs) / len(logs)
    width = sum((x - centre) ** 2 for x, _ in logs)
    slope = sum((x - centre) * (y - height) for x, y in logs) / width if width else 0.0
    return Spread(math.exp(height - slope * centre), slope)

"""Requests that arrive at random times, at an engine that shares itself among those it runs.

A processor-sharing queue whose speed depends on how many it serves: with n requests inside it
completes X(n) a second, and X(M) from M on, where more only wait. Its stationary distribution is
π(n) ∝ λⁿ / (X(1)·…·X(n)), whatever the sizes of the requests are (Kelly, Reversibility and
Stochastic Networks, 1979, section 3.3); Little's law gives the times.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Crowd:
    """What an arrival meets: how many run at a mean, and how long it waits for its turn."""

    running: float
    response_seconds: float  # waiting included
    waiting_seconds: float
    waiting_share: float  # of arrivals that wait at all
    catch_up_per_second: float  # how fast a queue shrinks: X(M) - λ

    def waiting_quantile(self, share: float) -> float:
        """Return the time that at most 1 - `share` wait longer than; the tail is exponential."""
        if self.waiting_share <= 1 - share:
            return 0.0
        return math.log(self.waiting_share / (1 - share)) / self.catch_up_per_second


def crowd(rate: float, throughput: Callable[[int], float], most: int) -> Crowd:
    """Return the crowd at `rate` requests a second, which is below `throughput(most)`."""
    weights = [1.0]
    for running in range(1, most + 1):
        weights.append(weights[-1] * rate / throughput(running))
        if weights[-1] > 1e200:  # what matters is their proportion
            weights = [weight / 1e200 for weight in weights]
    ratio = rate / throughput(most)
    tail = weights[-1] * ratio / (1 - ratio)
    waiting = weights[-1] * ratio / (1 - ratio) ** 2
    whole = sum(weights) + tail
    running_mean = (sum(n * weight for n, weight in enumerate(weights)) + most * tail) / whole
    waiting_mean = waiting / whole
    return Crowd(
        running=running_mean,
        response_seconds=(running_mean + waiting_mean) / rate,
        waiting_seconds=waiting_mean / rate,
        waiting_share=(weights[-1] + tail) / whole,
        catch_up_per_second=throughput(most) - rate,
    )

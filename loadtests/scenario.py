"""What a load test is made of, as data."""

from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.workloads import Workload


@dataclass(frozen=True, slots=True)
class Scenario:
    """A closed loop: each user sends its next request when its last one has ended.

    Requests sent in the first `warmup_seconds` are answered but not counted. At the end, requests
    in flight are awaited for at most `drain_seconds`.
    """

    name: str
    seed: int
    mix: Mapping[Workload, int]
    users: int
    duration_seconds: float
    warmup_seconds: float
    drain_seconds: float
    max_requests: int = 100_000

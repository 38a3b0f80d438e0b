"""The crowd at an engine, against the textbook's queues."""

import math

import pytest

from serving.planner.queueing import crowd


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9, 0.99])
def test_one_server_shared_by_all(load: float) -> None:
    """M/G/1 with processor sharing: the mean response is 1 / (μ - λ)."""
    found = crowd(load * 4, lambda _: 4.0, 1000)
    assert found.response_seconds == pytest.approx(1 / (4 - 4 * load), rel=1e-3)


def test_a_server_for_everybody() -> None:
    """M/G/∞: nobody slows anybody, λ/μ are there at a mean."""
    found = crowd(30.0, lambda n: n * 2.0, 200)
    assert found.response_seconds == pytest.approx(0.5)
    assert found.running == pytest.approx(15)
    assert found.waiting_share < 1e-9


@pytest.mark.parametrize(("servers", "load"), [(1, 0.8), (5, 0.7), (32, 0.95)])
def test_some_servers_and_a_queue(servers: int, load: float) -> None:
    """M/M/c: waiting by Erlang's formula C."""
    rate, offered = load * servers, load * servers  # of servers that serve one a second
    terms = [offered**n / math.factorial(n) for n in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - load)
    erlang = last / (sum(terms) + last)
    found = crowd(rate, float, servers)
    assert found.waiting_share == pytest.approx(erlang)
    assert found.waiting_seconds == pytest.approx(erlang / (servers - rate))
    assert found.response_seconds == pytest.approx(1 + erlang / (servers - rate))
    # P(wait > t) = C·e^(-(c - λ)t)
    seconds = found.waiting_quantile(0.99)
    assert erlang * math.exp(-(servers - rate) * seconds) == pytest.approx(0.01)
    assert found.waiting_quantile(0.5) == 0 or erlang > 0.5


def test_an_iteration_shared_by_those_that_run() -> None:
    """With X(n) = n / (α + β·n) the mean response is (α + β) / (1 - λ·β)."""
    alpha, beta = 1.0, 0.01
    found = crowd(70.0, lambda n: n / (alpha + beta * n), 3000)
    assert found.response_seconds == pytest.approx((alpha + beta) / (1 - 70 * beta), rel=1e-6)

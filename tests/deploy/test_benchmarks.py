"""The benchmarks that the README quotes still run: each on a handful of rounds."""

import asyncio
import json
import math

from deploy.benchmarks import books_cost, large_body, mapping_cost, read_cost, relay_cost
from serving.gateway.dialect import OPENAI


def test_mapping_is_measured():
    """Every case is a request that the gateway takes."""
    for case in mapping_cost.CASES.values():
        body = json.dumps(case).encode()
        assert asyncio.run(mapping_cost.microseconds(body, OPENAI, rounds=2)) > 0


def test_books_are_measured(tmp_path):
    """Every step costs something, and nothing is written."""
    costs = books_cost.costs(tmp_path, rounds=20)
    assert all(cost > 0 and math.isfinite(cost) for cost in costs.values())
    assert list(tmp_path.iterdir()) == []


def test_large_bodies_are_measured():
    """The pictures pass the gateway's checks."""
    pause, memory = large_body.measure(0.2, rounds=1)
    assert pause > 0
    assert memory > 0


def test_relaying_is_measured(monkeypatch):
    """Events arrive while it measures."""
    monkeypatch.setattr(relay_cost, "MEASURE_SECONDS", 0.5)
    monkeypatch.setattr(relay_cost, "SETTLE_SECONDS", 0.5)
    assert relay_cost.measure(2) > 0


def test_reading_is_measured():
    """Events arrive at the load tests' client while it measures."""
    cost, alone = read_cost.measure(16, seconds=0.3)
    assert cost > 0
    assert 0 <= alone <= 1

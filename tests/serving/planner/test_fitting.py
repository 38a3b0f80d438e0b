"""The model against a simulated engine: what it was not fitted to is foretold within bounds."""

import random

import pytest

from serving.planner.basis import proportions
from serving.planner.fitting import Point, deviations, fitted
from serving.planner.model import Model
from tests.serving.planner.measured_steps import USERS, closed, near, opened
from tests.serving.planner.simulated import Engine, Job

THROUGHPUT, ANSWER_P90 = 0.15, 0.25


def fit_to(points: list[Point], most: int = 32) -> Model:
    """Return a model, as the command makes it."""
    return fitted(points, proportions(points), most)


@pytest.fixture(name="model", scope="module")
def _model() -> Model:
    return fit_to([closed(Engine(), users) for users in USERS])


@pytest.mark.parametrize("users", [3, 6, 12, 24])
def test_numbers_of_users_between_are_foretold(model: Model, users: int) -> None:
    """Throughput and the 90th percentile of the time to the first answer token."""
    seen = closed(Engine(rng=random.Random(users)), users)
    found = model.at_users(seen.work, users)
    assert near(found.throughput_per_second, seen.requests_per_second, THROUGHPUT)
    answer = ("ttfat", "p90")
    assert near(found.quantile[answer], seen.quantiles[answer], ANSWER_P90)
    assert near(found.mean["tpot"], seen.means["tpot"], THROUGHPUT)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_rates_are_foretold_from_users(model: Model, load: float) -> None:
    """Poisson arrivals, though only closed loops were fitted."""
    engine = Engine(most=32)
    work = closed(engine, 4).work
    rate = load * model.throughput(work, 32)
    seen = opened(engine, rate)
    found = model.at_rate(seen.work, rate)
    assert near(found.mean["e2e"], seen.means["e2e"], THROUGHPUT)
    answer = ("ttfat", "p90")
    assert near(found.quantile[answer], seen.quantiles[answer], ANSWER_P90)


def test_another_mix_is_foretold_from_two() -> None:
    """Chats and long prompts were measured; half of each is what comes."""

    def chat(rng: random.Random) -> Job:
        return Job(rng.randint(50, 150), rng.randint(100, 300), rng.randint(20, 80))

    def reading(rng: random.Random) -> Job:
        return Job(rng.randint(2000, 6000), rng.randint(20, 60), rng.randint(10, 30))

    def both(rng: random.Random) -> Job:
        return rng.choice((chat, reading))(rng)

    measured = [closed(Engine(draw=kind), users) for kind in (chat, reading) for users in USERS]
    model = fit_to(measured)
    assert near(model.weights.step, 0.010, 0.1)
    assert near(model.weights.prompt_token, 0.00002, 0.15)
    seen = closed(Engine(draw=both), 12)
    found = model.at_users(seen.work, 12)
    assert near(found.throughput_per_second, seen.requests_per_second, THROUGHPUT)


def test_each_load_left_out_tells_how_far_to_trust() -> None:
    """A step that does not follow the rest shows in the deviations, and not otherwise."""
    points = [closed(Engine(), users) for users in USERS]
    good = {name: value for name, value, _ in deviations(points, proportions(points), 32)}
    assert max(good.values()) < THROUGHPUT
    points[2] = closed(Engine(step=0.02), USERS[2])
    bad = {name: value for name, value, _ in deviations(points, proportions(points), 32)}
    assert bad["left_out_throughput_deviation"] > 0.25

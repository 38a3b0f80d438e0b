"""Least squares with expectations, against numpy's and against what was put in."""

import numpy as np
import pytest

from serving.planner.least_squares import Row, fit, solve


def rows(features: np.ndarray, truth: np.ndarray, error: float) -> list[Row]:
    """Return rows that hold the truth exactly, and claim a relative error."""
    return [Row(tuple(each), float(each @ truth), error * float(each @ truth)) for each in features]


def test_a_system_is_solved_as_numpy_solves_it() -> None:
    """For a symmetric positive definite matrix."""
    rng = np.random.default_rng(1)
    root = rng.normal(size=(5, 5))
    matrix, right = root @ root.T + np.eye(5), rng.normal(size=5)
    assert solve(matrix.tolist(), right.tolist()) == pytest.approx(np.linalg.solve(matrix, right))


def test_exact_rows_overrule_what_was_expected() -> None:
    """Units of any size, expectations off by a factor of five."""
    rng = np.random.default_rng(2)
    truth = np.array([0.01, 4e-4, 2e-5])
    found = fit(rows(rng.uniform(0.1, 1, size=(20, 3)) / truth, truth, 1e-4), [0.05, 8e-5, 4e-6])
    assert found.values == pytest.approx(truth, rel=1e-3)
    assert min(found.measured) > 0.99


def test_what_no_row_tells_apart_keeps_its_proportion() -> None:
    """Two unknowns that always come together share their sum as was expected."""
    found = fit([Row((1.0, 1.0), 12.0, 0.01)], [1.0, 2.0])
    assert sum(found.values) == pytest.approx(12, rel=0.01)
    # Least squares moves each by the square of its expectation: 1 + 1·s and 2 + 4·s, s = 9/5.
    assert found.values == pytest.approx([2.8, 9.2], rel=0.01)
    assert max(found.measured) < 0.9


def test_an_unknown_without_rows_is_the_expected() -> None:
    """And is said to be not measured at all."""
    found = fit([Row((1.0, 0.0), 5.0, 0.01)], [1.0, 3.0])
    assert found.values == pytest.approx([5, 3], rel=0.01)
    assert found.measured == pytest.approx([1, 0], abs=0.01)


def test_nothing_is_negative() -> None:
    """Where the plain solution is negative in one unknown it is 0, and the rest fits best."""
    features = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    values = np.array([3.0, 2.0, 1.0])
    assert np.linalg.lstsq(features, values, rcond=None)[0][1] < 0
    given = [Row(tuple(f), float(v), 1e-3) for f, v in zip(features, values, strict=True)]
    assert fit(given, [1.0, 1.0]).values == pytest.approx([2.0, 0.0], rel=1e-3)

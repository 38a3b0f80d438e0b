"""Least squares for a handful of unknowns that cannot be negative and of which something is known.

Each row is worth as much as it is exact; each unknown is believed to lie within its own size of an
expected value. Rows that tell two unknowns apart decide; where none does, the expectation stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

Matrix = list[list[float]]


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value as a sum of features times unknowns; `error` is one standard deviation."""

    features: tuple[float, ...]
    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """The unknowns, and for each how much of it the rows have told, from 0 to 1."""

    values: tuple[float, ...]
    measured: tuple[float, ...]


def fit(rows: Sequence[Row], expected: Sequence[float]) -> Estimate:
    """Return the most probable unknowns, none below 0; `expected` are positive.

    Minimises Σ((features·x - value)/error)² + Σ((x - expected)/expected)² exactly, by trying which
    unknowns are 0: 2^k systems of at most k equations, for the k ≤ 6 there are here.
    """
    size = len(expected)
    # In units of the expectation the system is well scaled, whatever the unknowns' own units are.
    scaled = [
        ([f * e / row.error for f, e in zip(row.features, expected, strict=True)], row)
        for row in rows
    ]
    gram = [
        [sum(f[i] * f[j] for f, _ in scaled) + (i == j) for j in range(size)] for i in range(size)
    ]
    right = [1 + sum(f[i] * row.value / row.error for f, row in scaled) for i in range(size)]
    best = min(_candidates(gram, right), key=lambda x: _objective(gram, right, x))
    inverse = [solve(gram, [float(i == j) for j in range(size)]) for i in range(size)]
    return Estimate(
        tuple(x * e for x, e in zip(best, expected, strict=True)),
        tuple(min(1.0, max(0.0, 1 - inverse[i][i])) for i in range(size)),
    )


def solve(matrix: Matrix, right: Sequence[float]) -> list[float]:
    """Solve a symmetric positive definite system by elimination."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for pivot in range(size):
        for below in range(pivot + 1, size):
            factor = rows[below][pivot] / rows[pivot][pivot]
            rows[below] = [b - factor * p for b, p in zip(rows[below], rows[pivot], strict=True)]
    solution = [0.0] * size
    for i in reversed(range(size)):
        known = sum(rows[i][j] * solution[j] for j in range(i + 1, size))
        solution[i] = (rows[i][size] - known) / rows[i][i]
    return solution


def _candidates(gram: Matrix, right: Sequence[float]) -> list[list[float]]:
    """Return the solution for each set of unknowns that are not 0, where none is negative."""
    size = len(right)
    found = [[0.0] * size]
    for count in range(1, size + 1):
        for chosen in combinations(range(size), count):
            part = solve([[gram[i][j] for j in chosen] for i in chosen], [right[i] for i in chosen])
            if min(part) >= 0:
                whole = dict(zip(chosen, part, strict=True))
                found.append([whole.get(i, 0.0) for i in range(size)])
    return found


def _objective(gram: Matrix, right: Sequence[float], x: Sequence[float]) -> float:
    size = range(len(x))
    square = sum(x[i] * gram[i][j] * x[j] for i in size for j in size)
    return square - 2 * sum(x[i] * right[i] for i in size)

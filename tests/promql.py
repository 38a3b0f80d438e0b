"""What a PromQL expression asks for, taken apart: for tests that put its questions one by one."""

from collections.abc import Iterator
from typing import Any

import promql_parser

SETS = {"and", "or", "unless"}
COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
ABSENT = {"absent", "absent_over_time"}


def questions(expression: str) -> list[str]:
    """Return the parts that have series where all is well, though the whole may then have none.

    `x > 1` says something only where it is true: asked is x. So it goes with the two sides of
    `and`, and with what `absent` looks for.
    """
    return [str(part) for part in _questions(promql_parser.parse(expression))]


def selectors(expression: str) -> list[str]:
    """Return each selector of series, such as `up{job="x"}`, without its window and offset."""
    nodes = _nodes(promql_parser.parse(expression))
    found = (_bare(node) for node in nodes if isinstance(node, promql_parser.VectorSelector))
    return list(dict.fromkeys(found))


def names(expression: str) -> set[str]:
    """Return the names of metrics and of recorded series."""
    return {selector.partition("{")[0] for selector in selectors(expression)}


def divisors(expression: str) -> list[str]:
    """Return what an expression divides by, numbers left out."""
    return [
        str(node.rhs)
        for node in _nodes(promql_parser.parse(expression))
        if isinstance(node, promql_parser.BinaryExpr)
        and str(node.op) == "/"
        and not isinstance(node.rhs, promql_parser.NumberLiteral)
    ]


def limits(expression: str) -> list[float]:
    """Return the numbers that an expression compares with, leaving out those that are computed."""
    return list(_limits(promql_parser.parse(expression)))


def _limits(node: Any) -> Iterator[float]:
    match node:
        case promql_parser.ParenExpr():
            yield from _limits(node.expr)
        case promql_parser.BinaryExpr() if str(node.op) in SETS:
            yield from _limits(node.lhs)
            yield from _limits(node.rhs)
        case promql_parser.BinaryExpr() if str(node.op) in COMPARISONS:
            if isinstance(node.rhs, promql_parser.NumberLiteral):
                yield node.rhs.val


def _questions(node: Any) -> Iterator[Any]:
    match node:
        case promql_parser.ParenExpr():
            yield from _questions(node.expr)
        case promql_parser.BinaryExpr() if str(node.op) in SETS:
            yield from _questions(node.lhs)
            yield from _questions(node.rhs)
        case promql_parser.BinaryExpr() if str(node.op) in COMPARISONS:
            yield from _questions(node.lhs)
        case promql_parser.Call() if node.func.name in ABSENT:
            yield node.args[0]
        case _:
            yield node


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    match node:
        case promql_parser.MatrixSelector():
            yield from _nodes(node.vector_selector)
        case promql_parser.BinaryExpr():
            yield from _nodes(node.lhs)
            yield from _nodes(node.rhs)
        case promql_parser.Call():
            for argument in node.args:
                yield from _nodes(argument)
        case (
            promql_parser.VectorSelector()
            | promql_parser.NumberLiteral()
            | promql_parser.StringLiteral()
        ):
            return
        case _:  # a parenthesis, an aggregation, a minus, a sub-query
            yield from _nodes(node.expr)


def _bare(selector: Any) -> str:
    return str(selector).partition(" offset ")[0].partition(" @ ")[0]

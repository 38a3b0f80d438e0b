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
    found = (_bare(selector) for selector in _selectors(promql_parser.parse(expression)))
    return list(dict.fromkeys(found))


def names(expression: str) -> set[str]:
    """Return the names of metrics and of recorded series."""
    return {selector.partition("{")[0] for selector in selectors(expression)}


def limits(expression: str) -> list[float]:
    """Return the numbers that an expression compares with, leaving out those that are computed."""
    node: Any = promql_parser.parse(expression)
    compared = isinstance(node, promql_parser.BinaryExpr) and str(node.op) in COMPARISONS
    literal = compared and isinstance(node.rhs, promql_parser.NumberLiteral)
    return [node.rhs.val] if literal else []


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


def _selectors(node: Any) -> Iterator[Any]:
    match node:
        case promql_parser.VectorSelector():
            yield node
        case promql_parser.MatrixSelector():
            yield node.vector_selector
        case promql_parser.BinaryExpr():
            yield from _selectors(node.lhs)
            yield from _selectors(node.rhs)
        case promql_parser.Call():
            for argument in node.args:
                yield from _selectors(argument)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return
        case _:  # a parenthesis, an aggregation, a minus, a sub-query
            yield from _selectors(node.expr)


def _bare(selector: Any) -> str:
    return str(selector).partition(" offset ")[0].partition(" @ ")[0]

"""Alerts with one thing wrong each: a threshold moved by half, or another patience."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from tests.helm import promtool
from tests.helm.promtool import MUTANT, Rule

COMPARISON: Final = re.compile(r"(==|[<>])\s+([\d.]+(?: \* [\d.]+)?)")
DURATION: Final = re.compile(r"(\d+)([mh])")
# Far enough that the next whole number is passed, near enough that only what is beside fires.
FACTORS: Final = (1.5, 1 / 1.5)


def write_mutants(folder: Path) -> dict[str, list[str]]:
    """Write all rule files with every mutant beside its alert; return their names by alert's."""
    names: dict[str, list[str]] = {}
    for path in promtool.ALERTS.glob("*.yaml"):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in document["groups"]:
            for rule in [rule for rule in group["rules"] if "alert" in rule]:
                copies = list(_mutants(rule))
                names[rule["alert"]] = [copy["alert"] for copy in copies]
                group["rules"] += copies
        (folder / path.name).write_text(yaml.safe_dump(document), encoding="utf-8")
    return names


def _mutants(rule: Rule) -> Iterator[Rule]:
    """Change each comparison in both directions, and the patience to twice and to none."""
    changes: list[Rule] = []
    for found in COMPARISON.finditer(rule["expr"]):
        before, after = rule["expr"][: found.start()], rule["expr"][found.end() :]
        changes += [{"expr": before + _moved(found, factor) + after} for factor in FACTORS]
    if "for" in rule:
        number, unit = DURATION.fullmatch(rule["for"]).groups()  # type: ignore[union-attr]
        changes += [{"for": f"{int(number) * factor}{unit}"} for factor in (2, 0)]
    for number, change in enumerate(changes):
        yield rule | change | {"alert": f"{rule['alert']}{MUTANT}{number}"}


def _moved(found: re.Match[str], factor: float) -> str:
    """Move a threshold; what can only be equal is turned round, and zero is moved by steps."""
    sign, threshold = found.groups()
    if sign == "==":
        return f"!= {threshold}"
    if threshold == "0":
        return "> 2" if factor > 1 else ">= 0"
    return f"{sign} ({threshold}) * {factor}"

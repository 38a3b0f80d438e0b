"""What `serving plan` does: read, plan, print."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from serving.failure import NotDone
from serving.planner.basis import Choice, find_basis
from serving.planner.objectives import read_objectives
from serving.planner.plan import Order, make_plan
from serving.planner.report import as_json, sheet, table
from serving.planner.sizing import Terms
from serving.planner.traffic import HOURS, read_traffic
from serving.planner.values import values_file


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command."""

    traffic: Path
    objectives: Path
    choice: Choice
    terms: Terms
    gpu_hour_usd: float | None
    idle_hours: float | None


@dataclass(frozen=True, slots=True)
class Files:
    """What is written besides the plan on the terminal."""

    sheet: Path | None = None
    values: Path | None = None
    pool: str = "thinking"  # whose values they are


def run(asked: Asked, *, as_json_object: bool, files: Files) -> int:
    """Print the plan; raises NotDone for what cannot be read, planned or written."""
    _check(asked)
    traffic = read_traffic(asked.traffic, asked.idle_hours)
    objectives = read_objectives(asked.objectives)
    basis = find_basis(asked.choice, traffic.work)
    plan = make_plan(basis, Order(traffic, objectives, asked.terms, asked.gpu_hour_usd))
    if files.sheet is not None:
        _write("--sheet", files.sheet, sheet(plan))
    if files.values is not None:
        _write("--values", files.values, values_file(plan, files.pool))
    sys.stdout.write(as_json(plan) if as_json_object else table(plan))
    return 0


def _check(asked: Asked) -> None:
    """Refuse options that are out of their limits."""
    running, idle, price = asked.choice.max_running, asked.idle_hours, asked.gpu_hour_usd
    limits = (
        ("--gpu-hour-usd", price, 0.001, 1000.0),
        ("--gpus", asked.terms.gpus_per_replica, 1, 8),
        ("--utilisation", asked.terms.utilisation, 0.05, 0.99),
        ("--spare", asked.terms.spare, 0, 1000),
        ("--idle-hours", idle, 0, HOURS - 1),
        ("--max-running", running, 1, 4096),
    )
    for option, value, least, most in limits:
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            _refuse(option, f"{value:g}", f"is not from {least:g} to {most:g}")


def _write(option: str, path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        _refuse(option, str(path), f"cannot be written: {error.strerror}")


def _refuse(option: str, value: str, reason: str) -> NoReturn:
    raise NotDone(f"{option} {value} {reason}.", "Give another.")

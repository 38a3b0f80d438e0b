"""The runs of one side of a comparison: read, checked against the other side, cut by load."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from loadtests.failure import LoadError
from loadtests.result import Row, StepResult, Summary, read_summary


def read_side(paths: Sequence[Path]) -> list[Summary]:
    """Read result folders, summaries, or files with several `summaries`; raises LoadError."""
    return [summary for path in paths for summary in _summaries(path)]


def read_result(path: Path) -> Summary:
    """Read the one run of a result folder or summary; raises LoadError."""
    found = _summaries(path)
    if len(found) != 1:
        raise LoadError(f"{path} holds {len(found)} runs. Name the folder of one.")
    return found[0]


def common_loads(before: Sequence[Summary], after: Sequence[Summary]) -> list[str]:
    """Return the labels of the steps that all runs have, in order; raises LoadError for none."""
    runs = (*before, *after)
    shared = [
        step.label for step in runs[0].steps if all(has_load(run, step.label) for run in runs)
    ]
    if not shared:
        raise LoadError(
            "No load is common to all runs. Compare runs of one shape, such as the same users."
        )
    return list(dict.fromkeys(shared))


def rows_of(runs: Sequence[Summary], load: str, kind: str = "all") -> list[Row]:
    """Return each run's row of a load and a kind, of those that have it."""
    return [row for run in runs for row in step_of(run, load).rows if row.kind == kind]


def has_load(run: Summary, load: str) -> bool:
    """Tell whether a run has a step of this load."""
    return any(step.label == load for step in run.steps)


def step_of(run: Summary, load: str) -> StepResult:
    """Return the step of a load; of those played again, the one with the most requests."""
    steps = (step for step in run.steps if step.label == load)
    return max(steps, key=lambda step: step.all.requests)


def check_alike(before: Sequence[Summary], after: Sequence[Summary]) -> list[str]:
    """Refuse what cannot be compared, and return warnings for what should not; raises LoadError."""
    if not before or not after:
        raise LoadError("There is no run on one side. Name a result folder for each.")
    runs = (*before, *after)
    _refuse("scenarios", {str(run.run.get("scenario")) for run in runs})
    _refuse("models", {", ".join(run.models) for run in runs if run.models})
    warnings = [
        f"the runs differ in {name}: {', '.join(sorted(values))}."
        for name in ("machine", "objectives", "synthetic")
        if len(values := {str(run.run.get(name)) for run in runs}) > 1
    ]
    invalid = sum(run.verdict.measurement == "INVALID" for run in runs)
    partial = sum(run.verdict.partial is not None for run in runs)
    warnings += [f"{invalid} of {len(runs)} measurements are INVALID."] * bool(invalid)
    return warnings + [f"{partial} of {len(runs)} runs are partial."] * bool(partial)


def _refuse(name: str, values: set[str]) -> None:
    if len(values) > 1:
        told = " and ".join(sorted(values))
        raise LoadError(f"The runs are of different {name} ({told}) and cannot be compared.")


def _summaries(path: Path) -> list[Summary]:
    file = path / "summary.json" if path.is_dir() else path
    try:
        content: Any = msgspec.json.decode(file.read_bytes())
        if isinstance(content, dict) and "summaries" in content:
            return msgspec.convert(content["summaries"], list[Summary])
        return [read_summary(file)]
    except OSError as error:
        raise LoadError(f"{path} holds no result: {error}.") from error
    except msgspec.MsgspecError as error:
        raise LoadError(f"{file} is no summary of a load test: {error}.") from error

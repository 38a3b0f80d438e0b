"""How a run ends on the command line: its exit code, and what to do where it cannot be trusted."""

import shlex
from enum import IntEnum

from loadtests.options import Options
from loadtests.result import Met, Summary

INTERRUPTED = "interrupted"


class Exit(IntEnum):
    """What the exit code of `run` says."""

    MET = 0
    MISSED = 1
    NO_LOAD = 2
    INVALID = 3
    PARTIAL = 4
    UNDECIDED = 5
    INTERRUPTED = 130


def exit_code(summary: Summary) -> Exit:
    """Return the code of a run: what is wrong with the measurement comes before what it says."""
    verdict = summary.verdict
    if verdict.partial is not None:
        return Exit.INTERRUPTED if verdict.partial == INTERRUPTED else Exit.PARTIAL
    if verdict.measurement == "INVALID":
        return Exit.INVALID
    return {Met.MET: Exit.MET, Met.MISSED: Exit.MISSED, Met.UNDECIDED: Exit.UNDECIDED}[
        verdict.objectives
    ]


def in_cluster(options: Options) -> str:
    """Write the values under which the chart runs the same load beside the endpoint."""
    asked = {"rate": options.rate, "users": options.users, "durationSeconds": options.duration}
    values = {"enabled": True, "scenario": options.scenario}
    values |= {name: value for name, value in asked.items() if value is not None}
    settings = " ".join(f"--set {_helm(f'loadtest.{name}', values[name])}" for name in values)
    return f"helm upgrade RELEASE helm/qwen3-vl --reuse-values {settings}"


def _helm(name: str, value: object) -> str:
    """Write one value for Helm, to which a comma begins the next one."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    text = text.lower() if isinstance(value, bool) else text.replace(",", "\\,")
    return shlex.quote(f"{name}={text}")

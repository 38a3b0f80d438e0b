"""Puts the steps that are done together in one file, which the planner reads."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from deploy.benchmarks.gpu_curve.ledger import Identity, Ledger
from deploy.benchmarks.gpu_curve.machine import CPU_TEST
from deploy.benchmarks.gpu_curve.plan import Step, missing
from loadtests.result import Summary

SCHEMA = 1
BASELINES = Path(__file__).parents[3] / "loadtests" / "baselines"


def assemble(
    plan: Sequence[Step], ledger: Ledger, machine: Mapping[str, str], refused: Mapping[str, str]
) -> dict[str, Any]:
    """Return the file's content; `refused` names steps that cannot be played here, and why."""
    identity = ledger.identity
    absent = missing(plan, ledger.done())
    failed = {name: said[-1] for name, said in ledger.failures.items()}
    why = {**failed, **refused}
    return {
        "schema": SCHEMA,
        "gpu": identity.gpu,
        "synthetic": identity.synthetic,
        "missing": absent,
        "reasons": {name: why.get(name, "it was not played yet") for name in absent},
        "measured": msgspec.to_builtins(identity),
        "machine": dict(machine),
        "summaries": [_marked(each, identity) for each in ledger.summaries(plan)],
    }


def path_for(identity: Identity, elsewhere: Path) -> Path:
    """Return where a curve's file belongs: beside the others, but for a trial on a CPU.

    A GPU that its profile is named after has the profile's name, which `serving plan --gpu` takes;
    another has its own. What was measured with random weights never takes the place of what was
    not.
    """
    if identity.gpu == CPU_TEST:
        return elsewhere / f"{CPU_TEST}.json"
    words = re.findall(r"[a-z0-9]+", identity.gpu.lower().removeprefix("nvidia "))
    known = identity.profile.split("-")
    is_known = all(any(word.startswith(part) for word in words) for part in known)
    name = "-".join(known if is_known else words)
    return BASELINES / f"{name}{'-synthetic' if identity.synthetic else ''}.json"


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file in one move; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".unfinished")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    beside.replace(path)


def _marked(summary: Summary, identity: Identity) -> Summary:
    """Say in the run itself whether its answers are of a real model."""
    run = {**summary.run, "synthetic": identity.synthetic, "gpu": identity.gpu}
    return msgspec.structs.replace(summary, run=run)

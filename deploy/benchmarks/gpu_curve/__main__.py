"""Measures the curve of the GPU here, step by step; `make bench-gpu` starts it.

A second call goes on where the first one ended, however it ended.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from deploy.benchmarks.gpu_curve import architecture, baseline, checkpoint, machine
from deploy.benchmarks.gpu_curve.curve import Curve
from deploy.benchmarks.gpu_curve.ledger import Identity, Ledger, forget
from deploy.benchmarks.gpu_curve.plan import (
    LOAD_SECONDS,
    PLAN,
    TRIAL_LENGTHS,
    Step,
    Times,
    chosen,
    lengths,
    missing,
    next_step,
    too_many_users,
)
from serving.catalogue import THINKING
from serving.engine import profile, weights
from serving.engine.choice import TINY
from serving.engine.command import max_queued_requests
from serving.engine.hardware import detect
from serving.failure import NotDone
from serving.handover import hand_over
from serving.selection import Selection, select

STATE = machine.ROOT / "runs" / "gpu-curve"
DUMMY_ARGUMENTS = ("--load-format", "dummy")
EXTRA_ARGUMENTS = "SERVING_ENGINE__EXTRA_ARGS"
EXIT_UNFINISHED = 3
# A shorter load shows too few events for the client's own error: it would be INVALID.
LEAST_SECONDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One call."""

    model: str | None
    dummy: bool
    profile: str
    state: Path
    steps: str | None
    seconds: int
    one: bool
    write: bool
    restart: bool

    @property
    def is_trial(self) -> bool:
        """Whether no GPU is measured, only this program tried."""
        return self.profile == profile.CPU


def main(  # noqa: PLR0913 - each is an option of the command line
    *,
    model: Annotated[
        str | None,
        typer.Option(envvar="MODEL", help="A Hugging Face id, or a folder with the model."),
    ] = None,
    dummy: Annotated[
        bool, typer.Option("--dummy", help="Random weights in the 8B form: answers are made up.")
    ] = False,
    profile_name: Annotated[
        str,
        typer.Option("--profile", envvar="PROFILE", help="The engine's; cpu makes it a trial."),
    ] = "auto",
    state: Annotated[Path, typer.Option(help="Folder that says what is measured.")] = STATE,
    steps: Annotated[str | None, typer.Option(help="Only these steps: mixed-16,video-4.")] = None,
    seconds: Annotated[
        int, typer.Option(min=LEAST_SECONDS, max=LOAD_SECONDS, help="Shorter loads, for a trial.")
    ] = LOAD_SECONDS,
    one: Annotated[bool, typer.Option("--one", help="Play one step, then end.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Play none; write the file of those that are done.")
    ] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Forget what was measured.")] = False,
) -> None:
    """Measure the curve of the GPU here in resumable steps of at most eight minutes.

    Exit code: 0 every step is measured, 3 some are not, 1 nothing could be done, 130 interrupted.
    """
    options = Options(
        model=model,
        dummy=dummy,
        profile=profile_name,
        state=state,
        steps=steps,
        seconds=seconds,
        one=one,
        write=write,
        restart=restart,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    hand_over(lambda: measure(options))


def measure(options: Options) -> int:
    """Play the steps and write the baseline; raises NotDone and StartError."""
    wanted = chosen(options.steps)
    here = detect()
    if not here.gpus and not options.is_trial:
        problem = here.gpu_problem or "this machine shows none from NVIDIA."
        raise NotDone(
            f"There is no GPU to measure: {problem}",
            "Run it where there is one; ARGS='--profile cpu --one' only tries the program.",
        )
    # A folder of its own: another endpoint on this machine, and its keys, are left alone.
    with tempfile.TemporaryDirectory(prefix="curve-") as private:
        environment = _environment(options, private)
        selection = select(None, environment, here)
        if options.restart:
            forget(options.state)
        ledger = Ledger.open(options.state, _identity(options, selection, environment))
        refused = too_many_users(PLAN, max_queued_requests(selection.engine))
        plan = tuple(step for step in wanted if step.name not in refused)
        if not options.write:
            _fetch(selection)
            try:
                _curve(options, plan, ledger, selection, environment).measure(one=options.one)
            finally:
                _keep_logs(Path(private), options.state)
    if ledger.done():
        facts = machine.constants(machine.measured_gpu(selection))
        path = baseline.path_for(ledger.identity, options.state)
        baseline.write(path, baseline.assemble(PLAN, ledger, facts, refused))
        _say(f"{len(ledger.done())} of {len(PLAN)} steps are in {path}.")
    return _conclude(plan, ledger)


def _curve(
    options: Options,
    plan: tuple[Step, ...],
    ledger: Ledger,
    selection: Selection,
    environment: Mapping[str, str],
) -> Curve:
    gpu = machine.measured_gpu(selection)
    return Curve(
        plan=plan,
        ledger=ledger,
        environment={**environment, **selection.environment()},
        log=options.state / "endpoint.log",
        say=_say,
        times=Times(load_seconds=options.seconds),
        sample=lambda: machine.moment(gpu),
        is_trial=options.is_trial,
        lengths=(lambda _: TRIAL_LENGTHS) if options.is_trial else lengths,
    )


def _conclude(plan: Sequence[Step], ledger: Ledger) -> int:
    left = missing(plan, ledger.done())
    for name in left:
        _say(f"{name}: {'; '.join(ledger.failures.get(name, ['not measured yet']))}")
    if next_step(plan, ledger.done(), ledger.failures):
        _say("The same call goes on with the rest.")
    return EXIT_UNFINISHED if left else 0


def _identity(options: Options, selection: Selection, environment: Mapping[str, str]) -> Identity:
    return machine.identity(
        selection, environment, synthetic=options.dummy, load_seconds=options.seconds
    )


def _environment(options: Options, private: str) -> dict[str, str]:
    """Return the endpoint's variables: the caller's, and what this call decides."""
    variables = os.environ | {
        "PROFILE": options.profile,
        "MODEL": options.model or (TINY if options.is_trial else THINKING),
        "XDG_RUNTIME_DIR": private,
        "XDG_STATE_HOME": private,
    }
    if options.dummy:
        if options.model:
            raise NotDone("--dummy makes a model of its own.", "Leave MODEL out.")
        network = architecture.SMALL if options.is_trial else architecture.EIGHT_B
        variables["MODEL"] = str(checkpoint.make(options.state / "dummy", network).absolute())
        given = json.loads(variables.get(EXTRA_ARGUMENTS) or "[]")
        variables[EXTRA_ARGUMENTS] = json.dumps([*given, *DUMMY_ARGUMENTS])
    return variables


def _fetch(selection: Selection) -> None:
    """Bring the weights here before the first step's time begins."""
    planned = weights.plan(selection.engine.model, selection.engine.revision, offline=False)
    for line in planned.lines():
        _say(line)
    weights.fetch(planned)


def _keep_logs(private: Path, state: Path) -> None:
    """Keep what an engine said that did not end well; `serving up` removes the others."""
    for log in private.rglob("engine-*.log"):
        shutil.copy(log, state / "engine.log")


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    typer.run(main)

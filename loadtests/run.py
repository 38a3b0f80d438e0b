"""One run, from its first look at the endpoint to the files it leaves."""

import random
import shlex
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtests.allowance import Allowance
from loadtests.certificate.rules import certify
from loadtests.certificate.speed import read_speed
from loadtests.client.chat import Limits
from loadtests.endpoint import Endpoint, parse_url
from loadtests.estimate import estimate, foreseen, require_means
from loadtests.observed import Observer
from loadtests.options import Options, is_loopback
from loadtests.probe import ask_once, look
from loadtests.prompt import Request
from loadtests.provenance import surroundings
from loadtests.records import Record, record_file
from loadtests.report import write_csv, write_report
from loadtests.report.folder import CSV, METRICS, REQUESTS, SUMMARY
from loadtests.result import StepResult, Summary, write_summary
from loadtests.scenario import Scenario, Served
from loadtests.scenarios import find_scenario
from loadtests.shapes import Shape, StepTiming
from loadtests.statistics.objectives import Objectives, read_objectives
from loadtests.statistics.summary import summarise, summarise_step
from loadtests.swarm.swarm import Progress, Swarm
from loadtests.verdict import INTERRUPTED
from loadtests.workloads import encoded

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that is decided before the load begins."""

    endpoint: Endpoint
    scenario: Scenario
    shape: Shape
    objectives: Objectives
    served: Served
    allowance: Allowance
    limits: Limits
    told: dict[str, Any]  # which run it is: the first thing in every file
    workers: int
    bind: str | None
    metrics: tuple[str, ...]


def prepare(options: Options, command: Sequence[str], say: Say) -> Run:
    """Look at the endpoint, ask it once, and say what is to come; raises LoadError."""
    options.check()
    scenario = options.scenario_of(find_scenario(options.scenario))
    shape = options.shape(scenario.shape)
    objectives = read_objectives(options.slo)
    endpoint, limits = parse_url(options.url, options.key()), Limits()
    metrics = options.metrics_urls(endpoint)
    served = look(endpoint, options.model, limits)
    # Another prompt than the run's first: what was asked before is in the endpoint's caches.
    dice = random.Random(f"trial {scenario.seed}")  # noqa: S311 - repeatable, not secret
    prompt = next(scenario.prompts(dice, served))
    request = Request(0, prompt, encoded(prompt, served.model_asked))
    served, trial = ask_once(endpoint, request, served, limits)
    allowance = options.allowance(endpoint, served.prices)
    allowance.take()
    allowance.settle(trial)
    say(
        f"{served.model_served} answers in {trial.done_seconds:.2f} s; "
        f"the round trip is {1000 * (served.round_trip_seconds or 0):.2f} ms."
    )
    guess = estimate(foreseen(shape), trial, allowance)
    say(guess.text(allowance) if shape.steps() else f"The first step: {guess.text(allowance)}")
    require_means(guess, allowance)
    told = {
        "scenario": scenario.name,
        "question": scenario.question,
        "seed": scenario.seed,
        "command": shlex.join(command),
        "url": endpoint.url,
        "model_asked": served.model_asked,
        "model_served": served.model_served,
        "vllm_version": served.vllm_version,
        "server": dict(served.build),
        "synthetic": options.synthetic,
        "objectives": objectives.name,
        "max_requests": allowance.max_requests,
        "max_usd": allowance.max_usd,
        "prices": asdict(allowance.prices),
        **surroundings(),
    }
    return Run(
        endpoint=endpoint,
        scenario=scenario,
        shape=shape,
        objectives=objectives,
        served=served,
        allowance=allowance,
        limits=limits,
        told=told,
        workers=options.workers,
        bind=options.bind,
        metrics=metrics,
    )


def play(run: Run, folder: Path, progress: Callable[[Progress], None]) -> Summary:
    """Put the load on, step by step, and write what came of it; raises OSError.

    Raises LoadError where it cannot begin; what fails later makes the run a partial one.
    """
    steps: list[StepResult] = []
    timings: list[StepTiming] = []
    records: list[Record] = []
    speed = read_speed()
    with ExitStack() as stack:
        file = stack.enter_context(record_file(folder / REQUESTS, run.told))

        def keep(record: Record) -> None:
            records.append(record)
            file.write(record)

        swarm = stack.enter_context(
            Swarm(
                run.endpoint,
                run.scenario,
                run.served,
                run.allowance,
                keep,
                limits=run.limits,
                workers=run.workers,
                bind=run.bind,
            )
        )
        stack.enter_context(Observer(run.metrics, folder / METRICS, swarm.began))
        while (step := run.shape.next(steps)) is not None:
            timing = swarm.play(step, progress)
            timings.append(timing)
            mine = [record for record in records if record.step == step.index]
            steps.append(summarise_step(timing, mine, run.objectives))
            if timing.interrupted or timing.stopped:
                break
        reports = swarm.reports()
    certificate = certify(
        reports,
        records,
        timings,
        events_per_core_second=speed,
        round_trip_seconds=run.served.round_trip_seconds,
        is_loopback=is_loopback(run.endpoint.host),
    )
    partial = why_partial(timings[-1])
    return summarise(run.told, certificate, run.objectives, steps, records, partial)


def why_partial(last: StepTiming) -> str | None:
    """Say why the run is not whole, from its last step; None where it is."""
    if last.interrupted:
        return INTERRUPTED
    return last.stopped


def leave(folder: Path, summary: Summary) -> Path:
    """Write summary, CSV and page; return the page's path. Raises OSError."""
    write_summary(folder / SUMMARY, summary)
    write_csv(folder / CSV, summary)
    return write_report(folder)

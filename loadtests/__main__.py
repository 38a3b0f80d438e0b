"""Command line: check the endpoint, run a scenario against it, write and print what it showed."""

import argparse
import json
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from loadtests import users
from loadtests.client import Limits
from loadtests.endpoint import parse_url
from loadtests.failure import LoadError
from loadtests.probe import Served, probe
from loadtests.provenance import surroundings
from loadtests.records import Record, record_file
from loadtests.report import as_json, table
from loadtests.scenario import Scenario
from loadtests.scenarios import mixed
from loadtests.summary import summarise
from loadtests.workloads import requests

RESULTS = Path(__file__).parent / "results"
MAX_USERS = 1000
MAX_DURATION_SECONDS = 3600.0
EXIT_FAILURES, EXIT_NO_LOAD, EXIT_INTERRUPTED = 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Return 0 where every request was answered, 1 where some failed, 2 where no load was run."""
    options = _parser().parse_args(arguments)
    try:
        return _measure(options)
    except LoadError as error:
        sys.stderr.write(f"No load was run: {error}\n")
    except OSError as error:
        sys.stderr.write(f"The results cannot be written: {error}. Give another folder by --out.\n")
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted before the load began.\n")
        return EXIT_INTERRUPTED
    return EXIT_NO_LOAD


def _measure(options: argparse.Namespace) -> int:
    scenario = _scenario(options)
    endpoint, limits = parse_url(options.url, _key(options.key_file)), Limits()
    served = probe(endpoint, options.model, limits)
    run = _run(scenario, endpoint.url, served)
    drawn = islice(requests(scenario.seed, scenario.mix, served.model_asked), scenario.max_requests)
    records: list[Record] = []
    path = _results_file(options.out, run)
    _say(f"{served.model_served} answers; {scenario.users} users ask for {options.duration:g} s.")
    with record_file(path, run) as file:

        def keep(line: Record) -> None:
            records.append(line)
            file.write(line)

        phase = users.run(scenario, users.Load(endpoint, drawn, keep, limits), _say)
    summary = summarise(records, phase)
    result = json.dumps({"run": run, "summary": as_json(summary)}, indent=2) + "\n"
    path.with_suffix(".summary.json").write_text(result, encoding="utf-8")
    if options.report:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(result, encoding="utf-8")
    sys.stdout.write(f"\n{table(summary, run)}records: {path}\n")
    if phase.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILURES if summary.failed else 0


def _scenario(options: argparse.Namespace) -> Scenario:
    """Return the scenario with the command line's changes; raises LoadError."""
    base = mixed.SCENARIO
    if not 1 <= options.users <= MAX_USERS:
        raise LoadError(f"--users is {options.users}: give 1 to {MAX_USERS}.")
    if not base.warmup_seconds < options.duration <= MAX_DURATION_SECONDS:
        raise LoadError(
            f"--duration is {options.duration:g}: give more than the {base.warmup_seconds:g} s "
            f"of warm-up and at most {MAX_DURATION_SECONDS:g} s."
        )
    return replace(base, users=options.users, duration_seconds=options.duration, seed=options.seed)


def _run(scenario: Scenario, url: str, served: Served) -> dict[str, Any]:
    """Say which run this is, for both files and the table."""
    return {
        "scenario": scenario.name,
        "seed": scenario.seed,
        "duration_seconds": scenario.duration_seconds,
        "warmup_seconds": scenario.warmup_seconds,
        "drain_seconds": scenario.drain_seconds,
        "users": scenario.users,
        "mix": {workload.__name__: weight for workload, weight in scenario.mix.items()},
        "url": url,
        "model_asked": served.model_asked,
        "model_served": served.model_served,
        "vllm_version": served.vllm_version,
        **surroundings(),
    }


def _key(path: Path | None) -> str | None:
    """Read the key from the first line of a file; raises LoadError."""
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"--key-file {path} cannot be read: {error}.") from None
    if not lines:
        raise LoadError(f"--key-file {path} is empty.")
    return lines[0]


def _results_file(out: Path, run: dict[str, Any]) -> Path:
    """Name the file by time, scenario and the model that answers."""
    model = "".join(c if c.isalnum() or c in ".-" else "-" for c in run["model_served"])
    moment = run["date"].replace(":", "").split("+")[0]
    return out / f"{moment}-{run['scenario']}-{model}.jsonl"


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _parser() -> argparse.ArgumentParser:
    base = mixed.SCENARIO
    parser = argparse.ArgumentParser(
        prog="python -m loadtests",
        description="Load a chat endpoint with text, pictures and long thoughts.",
    )
    parser.add_argument("url", help="base URL, such as http://127.0.0.1:8000")
    parser.add_argument("--key-file", type=Path, help="file with the API key")
    parser.add_argument("--model", help="model to ask for; default: the endpoint's first")
    parser.add_argument("--duration", type=float, default=base.duration_seconds, help="seconds")
    parser.add_argument("--users", type=int, default=base.users, help="requests in flight")
    parser.add_argument("--seed", type=int, default=base.seed)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the result files")
    parser.add_argument("--report", type=Path, help="file that the summary also goes to")
    return parser


if __name__ == "__main__":
    sys.exit(main())

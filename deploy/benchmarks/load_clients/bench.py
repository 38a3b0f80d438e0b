"""Runs a client against the engine, case by case, each of the two on a core of its own."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from deploy.benchmarks.load_clients import cases, truth
from deploy.benchmarks.load_clients.cases import Case
from deploy.benchmarks.load_clients.clients import ROOT, Client, Order, Report
from deploy.benchmarks.load_clients.meter import prefer
from deploy.benchmarks.load_clients.scripts import End, Script

LIMIT_SECONDS = 240.0
LOG_LINES = 30


class ClientFailed(Exception):
    """A client ended without a report; the message holds its last lines."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a case: what the client reported, what was played, and the CPU seconds."""

    report: Report
    played: list[truth.Played]
    cpu_seconds: float


class Bench:
    """The engine's process and where to reach it."""

    def __init__(self, port: int, client_core: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._core = client_core

    def begin(self, script: Script) -> None:
        """Have the engine play a script from now on, and forget what it played."""
        self._ask("/script", asdict(script))

    def played(self) -> list[truth.Played]:
        """Return what the engine says it played since."""
        played: list[truth.Played] = self._ask("/truth")
        return played

    def run(self, client: Client, case: Case) -> Run:
        """Run a client through a case; raises ClientFailed."""
        self.begin(case.script)
        with tempfile.TemporaryDirectory(prefix="load-client-") as folder:
            order = order_of(case, self.url, Path(folder))
            meter = [sys.executable, "-m", "deploy.benchmarks.load_clients.meter", str(self._core)]
            log = order.folder / "log"
            with log.open("wb") as errors:
                process = subprocess.Popen(  # noqa: S603 - from this package
                    [*meter, *client.command(order)],
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    cwd=ROOT,
                    env=_environment(),
                )
                try:
                    told, _ = process.communicate(timeout=LIMIT_SECONDS)
                except subprocess.TimeoutExpired:
                    process.terminate()
                    process.communicate()
                    raise ClientFailed(f"{client.name} took over {LIMIT_SECONDS:g} s") from None
            played = self.played()[client.probes :]
            try:
                report = client.read(order)
            except (OSError, ValueError, KeyError, LookupError) as error:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
                raise ClientFailed(f"{client.name} left no report: {error!r}\n{tail}") from error
            return Run(report, played, json.loads(told)["cpu_seconds"])

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}{path}", data, timeout=60) as page:  # noqa: S310
            return json.load(page)


@contextmanager
def engine() -> Iterator[Bench]:
    """Start the engine on the first core, for clients on the last one."""
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", f"{__package__}.engine"]
    with subprocess.Popen(  # noqa: S603 - from this package
        command, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True
    ) as process:
        try:
            os.sched_setaffinity(process.pid, {cores[0]})
            prefer(process.pid)
            port = process.stdout.readline() if process.stdout else b""
            yield Bench(int(port), cores[-1])
        finally:
            process.terminate()


def order_of(case: Case, url: str, folder: Path) -> Order:
    """Return what a client is asked to do in a case."""
    return Order(
        url=url,
        folder=folder,
        streams=case.streams,
        requests=case.requests,
        seconds=case.seconds,
        output_tokens=case.script.events,
        by_time=case.by_time,
    )


def times(bench: Bench, client: Client, repeats: int) -> dict[str, float | None]:
    """Return the errors of the times it reports, each the median of some runs."""
    runs = [bench.run(client, cases.PACED) for _ in range(repeats)]
    rows = [truth.accuracy(run.report, run.played, cases.PACED.streams) for run in runs]
    return {name: _median([row[name] for row in rows]) for name in rows[0]}


def events_per_core(bench: Bench, client: Client, repeats: int) -> float:
    """Return the events a second that it reads with one core: what a longer flood costs more."""
    costs = []
    for _ in range(repeats):
        few, many = bench.run(client, cases.FEW), bench.run(client, cases.MANY)
        more = truth.events(many.played) - truth.events(few.played)
        costs.append((many.cpu_seconds - few.cpu_seconds) / more)
    return 1 / median(costs)


def failures(bench: Bench, client: Client) -> dict[str, float]:
    """Return the share of failed requests that it tells, and the true one."""
    run = bench.run(client, cases.FAILING)
    ended = [one for one in run.played if not one["hung_up"] or one["end"] == End.CUT]
    failed = sum(one["end"] != End.WHOLE for one in ended)
    return {"told_error_rate": run.report.told_error_rate, "error_rate": failed / len(ended)}


def silence(bench: Bench, client: Client) -> dict[str, float]:
    """Return the share of requests without an answer that it calls failed; the truth is all."""
    run = bench.run(client, cases.SILENT)
    return {"told_no_answer_rate": run.report.told_error_rate}


def unfinished(bench: Bench, client: Client) -> dict[str, int]:
    """Return how many requests the engine got, and how many the report accounts for."""
    run = bench.run(client, cases.UNFINISHED)
    return {"requests": len(run.played), "told_requests": run.report.requests}


def command_line(client: Client) -> str:
    """Return the paced case's command as a reader can type it from the repository's root."""
    words = client.command(order_of(cases.PACED, "http://127.0.0.1:PORT", Path("/tmp")))  # noqa: S108
    line = shlex.join(words).replace(sys.executable, ".venv/bin/python").replace(f"{ROOT}/", "")
    return line.replace(f".venv/bin/python -m {__package__}.vllm_bench", "vllm bench serve")


def _environment() -> dict[str, str]:
    """Return an environment in which no client colours, animates or reports home."""
    quiet = {"VLLM_LOGGING_LEVEL": "ERROR", "TRANSFORMERS_VERBOSITY": "error", "NO_COLOR": "1"}
    return {**os.environ, **quiet, "HF_HUB_DISABLE_TELEMETRY": "1", "COLUMNS": "120"}


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None

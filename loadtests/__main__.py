"""The command line of the load tests."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from loadtests.failure import LoadError
from loadtests.options import Options, is_loopback
from loadtests.shapes import Arrivals, Search
from loadtests.verdict import Exit, exit_code, in_cluster

RESULTS = Path(__file__).parent / "results"
COMMAND = ["python", "-m", "loadtests"]

Folder = Annotated[Path, typer.Argument(help="Folder of a run, as `run` left it.")]

app = typer.Typer(
    help="Measure a running chat endpoint from outside, as its users see it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # `make load` hands its variables on as they are called there: RATE, MAX_USD.
    context_settings={"token_normalize_func": lambda name: name.lower().replace("_", "-")},
)


@app.command()
def run(  # noqa: PLR0913 - each is an option of the command line
    url: Annotated[str, typer.Argument(help="Base URL, such as http://127.0.0.1:8000")],
    *,
    scenario: Annotated[
        str, typer.Option(help="What is asked: a name, or a JSONL file.")
    ] = "mixed",
    rate: Annotated[
        str | None, typer.Option(help="Requests a second: one, steps 1,2,4, or a ramp 1:10.")
    ] = None,
    users: Annotated[str | None, typer.Option(help="Requests in flight: one, or 1,2,4.")] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds of each step.")] = None,
    search: Annotated[
        bool, typer.Option("--search", help="Look for the highest load that meets the objectives.")
    ] = False,
    saturate: Annotated[
        bool, typer.Option("--saturate", help="Double the load until it brings nothing more.")
    ] = False,
    arrivals: Annotated[Arrivals, typer.Option(help="How a rate's requests follow each other.")] = (
        Arrivals.POISSON
    ),
    drain: Annotated[
        float | None, typer.Option(help="Seconds to wait for what still runs; 120.")
    ] = None,
    slo: Annotated[str, typer.Option(help="Objectives: default, hosted, or a file.")] = "default",
    key_file: Annotated[Path | None, typer.Option(help="File with the API key.")] = None,
    model: Annotated[str | None, typer.Option(help="By default the endpoint's first.")] = None,
    seed: Annotated[int | None, typer.Option(help="Other requests, the same for a seed.")] = None,
    max_usd: Annotated[float | None, typer.Option(help="Most that the run may cost.")] = None,
    max_requests: Annotated[int | None, typer.Option(help="Most that the run may ask.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that load; 0 is this one.")] = 0,
    bind: Annotated[
        str | None, typer.Option(help="HOST:PORT where that many workers come from elsewhere.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Pages of metrics to watch, or none; here port 9000.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of all runs.")] = RESULTS,
    report: Annotated[Path | None, typer.Option(help="File for a copy of the summary.")] = None,
    thought_tokens: Annotated[int | None, typer.Option(help="Fixed length of thoughts.")] = None,
    answer_tokens: Annotated[int | None, typer.Option(help="Fixed length of answers.")] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Mark the answers as those of made-up weights.")
    ] = False,
) -> None:
    """Load an endpoint, judge what it showed, and leave a folder with the report.

    Exit code: 0 the objectives are met, 1 missed, 2 no load was run, 3 the measurement is INVALID,
    4 the run is partial, 5 too few requests to decide, 130 interrupted.
    """

    options = Options(**locals())  # each option here is a field there
    _end(lambda: _measure(options), "No load was run: ")


@app.command()
def report(folder: Folder) -> None:
    """Write a run's page anew and print its table."""
    from loadtests.report import table, write_report  # noqa: PLC0415 - each loads what it needs
    from loadtests.report.folder import SUMMARY  # noqa: PLC0415
    from loadtests.result import read_summary  # noqa: PLC0415

    def write() -> int:
        page = write_report(folder)  # which says what is wrong with a folder
        sys.stdout.write(table(read_summary(folder / SUMMARY)))
        _print(page)
        return Exit.MET

    _end(write)


@app.command()
def compare(
    before: Annotated[str, typer.Argument(help="Folder of a run, or several: A,B,C.")],
    after: Annotated[str, typer.Argument(help="Folder of the other run, or several.")],
) -> None:
    """Say what has changed from one side to the other, and what is noise."""
    from loadtests.statistics.compare import compare as compared  # noqa: PLC0415
    from loadtests.statistics.sides import read_side  # noqa: PLC0415

    def tell() -> int:
        sides = (read_side([Path(one) for one in side.split(",")]) for side in (before, after))
        _print(compared(*sides).text())
        return Exit.MET

    _end(tell)


@app.command()
def gate(
    folder: Folder,
    *,
    baseline: Annotated[str | None, typer.Option(help="Runs that were good: A,B,C.")] = None,
    max_regression: Annotated[float, typer.Option(help="How much worse is broken.")] = 0.05,
) -> None:
    """Exit with another code than 0 where an objective is missed or a bound is broken."""
    from loadtests.statistics.gate import gate as hold  # noqa: PLC0415
    from loadtests.statistics.sides import read_result, read_side  # noqa: PLC0415

    def judge() -> int:
        good = read_side([Path(one) for one in baseline.split(",")]) if baseline else []
        found = hold(read_result(folder), good, max_regression=max_regression)
        _print(found.text())
        return found.exit_code

    _end(judge)


@app.command()
def worker(
    master_host: Annotated[str, typer.Option(help="Where `run --bind` waits.")],
    master_port: Annotated[int, typer.Option(help="Its port.")],
) -> None:
    """Load for a master on this or another machine; the key comes by standard input."""
    from loadtests.swarm.swarm import work  # noqa: PLC0415 - importing Locust patches the process

    key = sys.stdin.readline().strip() or None

    def serve() -> int:
        work(master_host, master_port, key)
        return Exit.MET

    _end(serve)


@app.command()
def scenarios() -> None:
    """List what can be asked."""
    from loadtests.scenarios import scenario_table  # noqa: PLC0415

    _print(scenario_table())


def _measure(options: Options) -> int:
    """Run a load and print its end; the page's path is the last line."""
    # Importing Locust patches the whole process.
    from loadtests import run as running  # noqa: PLC0415
    from loadtests.report import progress_line, table  # noqa: PLC0415
    from loadtests.report.folder import new_folder  # noqa: PLC0415
    from loadtests.result import write_summary  # noqa: PLC0415

    prepared = running.prepare(options, COMMAND + sys.argv[1:], _say)
    folder = new_folder(options.out, prepared.told)
    try:
        summary = running.play(prepared, folder, lambda at: _say_over(progress_line(at)))
    except LoadError:
        shutil.rmtree(folder)  # nothing was measured
        raise
    page = running.leave(folder, summary)
    sys.stdout.write(f"\n{table(summary)}")
    if isinstance(prepared.shape, Search):
        _print(f"Found: {prepared.shape.bracket(summary.steps).sentence}")
    if summary.verdict.measurement == "INVALID" and not is_loopback(prepared.endpoint.host):
        _print(f"Run it beside the endpoint instead:\n  {in_cluster(options)}")
    _print(page)
    if options.report is not None:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        write_summary(options.report, summary)
    return exit_code(summary)


def _end(work: Callable[[], int], prefix: str = "") -> None:
    """Do it and end the program with its code; what the user can mend is one sentence."""
    try:
        code = work()
    except LoadError as error:
        sys.stderr.write(f"{prefix}{error}\n")
        code = Exit.NO_LOAD
    except OSError as error:
        sys.stderr.write(f"The results cannot be read or written: {error}.\n")
        code = Exit.NO_LOAD
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted: no report was written.\n")
        code = Exit.INTERRUPTED
    raise typer.Exit(code)


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _say_over(line: str) -> None:
    """Write a line over the last one where somebody looks on, else leave it out."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{line[:width]:<{width}}")


def _print(line: object) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    app()

"""The command line in processes of its own, which Locust may patch as it likes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loadtests.records import read_records
from loadtests.result import read_summary
from tests.loadtests.conftest import answer

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 120
ONCE = ("--users", "2", "--duration", "2", "--drain", "1", "--metrics", "none")
FILES = {"metrics.jsonl", "report.html", "requests.jsonl", "summary.csv", "summary.json"}

BAD_OPTIONS = {
    ("--users", "0"): "--users is '0'",
    ("--duration", "5"): "--duration is of a load you choose",
    ("--rate", "1", "--duration", "0.1"): "--duration is 0.1",
    ("--key-file", "/nowhere"): "--key-file /nowhere",
    ("--scenario", "mixt"): "the nearest is 'mixed'",
    ("--slo", "defaults"): "Did you mean default?",
    ("--thought-tokens", "5"): "go together",
    ("--max-requests", "0"): "above 0",
    ("--workers", "-1"): "--workers is -1",
    ("--drain", "5"): "--drain is of a load you choose",
    ("--metrics", "localhost"): "--metrics has 'localhost'",
}
BREAKING = """
from itertools import islice
from loadtests import scenarios
from loadtests.__main__ import app

usual = scenarios.SCENARIOS["mixed"]
few = lambda rng, served: islice(usual.prompts(rng, served), 200)
scenarios.SCENARIOS["mixed"] = scenarios.own_scenario.__globals__["Scenario"](
    "mixed", usual.question, few, usual.shape, usual.kinds
)
app()
"""
BAD_RUNS = """
import contextlib, io, json, sys
from loadtests.__main__ import app

def said(arguments):
    with contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            app(arguments)
        except SystemExit as end:
            return end.code, err.getvalue()

json.dump([said(arguments) for arguments in json.loads(sys.argv[1])], sys.stdout)
"""


def start(*arguments):
    """Start a command."""
    return subprocess.Popen(
        [sys.executable, "-m", "loadtests", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )


def run(*arguments):
    """Run to the end: exit code, what it printed, what it said on the side."""
    process = start(*arguments)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def ended(module_server, tmp_path_factory):
    """Return a whole run: its folder, exit code, what it printed, and the copy of its summary."""
    out = tmp_path_factory.mktemp("results")
    copy = out / "new" / "load.json"
    code, printed, err = run(
        "run", module_server.url, *ONCE, "--seed", 7, "--out", out, "--report", copy
    )
    assert "Traceback" not in err, err
    [folder] = out.glob("*-mixed")
    return folder, code, printed, copy


def test_a_run_leaves_everything_in_one_folder(ended, module_server):
    """Raw truth, summary, sheet and page; the page's path is the last line."""
    folder, _, printed, copy = ended
    assert {file.name for file in folder.iterdir()} | {"metrics.jsonl"} == FILES
    assert printed.splitlines()[-1] == str(folder / "report.html")
    assert read_summary(copy) == read_summary(folder / "summary.json")
    told, records = read_records(folder / "requests.jsonl")
    assert read_summary(copy).run == told
    assert sorted(r.number for r in records) == list(range(len(records)))
    assert len(module_server.sent.bodies) == len(records) + 1, "each once, and the trial"
    assert {r.outcome for r in records} == {"answered"}


def test_a_run_says_which_it_is(ended):
    """A number without these is not quoted."""
    told = read_summary(ended[0] / "summary.json").run
    assert (told["model_served"], told["vllm_version"], told["seed"]) == ("scripted", "0.0.1", 7)
    known = {"git_commit", "date", "scenario", "machine", "python", "locust", "server", "command"}
    assert known <= set(told)
    assert told["command"].startswith("python -m loadtests run http://127.0.0.1:")


def test_the_exit_code_is_the_verdicts(ended):
    """What the page says first is what a script sees."""
    folder, code, printed, _ = ended
    verdict = read_summary(folder / "summary.json").verdict
    assert verdict.sentence in printed
    expected = {"met": 0, "missed": 1, "undecided": 5}[verdict.objectives]
    assert code == (3 if verdict.measurement == "INVALID" else expected)


def test_a_page_can_be_written_anew(ended):
    """From the folder alone."""
    folder = ended[0]
    before = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    code, printed, err = run("report", folder)
    assert code == 0, err
    assert printed.splitlines()[-1] == str(folder / "report.html")
    assert (folder / "report.html").read_bytes() == before


def test_a_run_is_compared_and_held(ended):
    """With itself: nothing has changed, and no bound is broken."""
    folder, code, *_ = ended
    same, printed, err = run("compare", folder, folder)
    assert same == 0, err
    assert "worse" not in printed
    held, printed, err = run("gate", folder, "--baseline", folder)
    assert held == code, err
    assert "BROKEN" not in printed


def test_an_interrupt_ends_with_a_report(server, tmp_path):
    """Ctrl-C stops at once and keeps what was measured."""
    process = start("run", server.url, "--users", 2, "--duration", 50, "--out", tmp_path)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(server.sent.bodies) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 130, err
    [folder] = tmp_path.iterdir()
    assert read_summary(folder / "summary.json").verdict.partial == "interrupted"
    assert out.splitlines()[-1] == str(folder / "report.html")


def test_an_allowance_used_up_is_a_partial_run(server, tmp_path):
    """It ends before its time, and says at which limit."""

    def slow(stream):
        time.sleep(0.02)
        answer(stream)

    server.script = slow
    code, out, err = run(
        "run", server.url, "--users", 2, "--duration", 50, "--max-requests", 6, "--out", tmp_path
    )
    assert code == 4, err
    assert "6 requests were sent, as many as MAX_REQUESTS allows" in out
    assert "Run it beside the endpoint" not in out, "it was"
    assert len(server.sent.bodies) == 6, "the trial is one of them"
    assert list((tmp_path).glob("*/report.html")), "what was measured is there"


def test_a_load_that_breaks_down_is_a_partial_run(server, tmp_path):
    """A fault after the load began is named, and what was measured before it is kept."""
    worker = tmp_path / "no_more.py"
    worker.write_text(BREAKING)
    process = subprocess.run(
        [sys.executable, worker, "run", server.url, *ONCE, "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.returncode == 4, process.stderr
    assert "The run is partial: The load failed: The scenario has no more" in process.stdout
    assert "No load was run" not in process.stderr
    [folder] = (tmp_path / "out").iterdir()
    [step] = read_summary(folder / "summary.json").steps
    assert step.all.requests + step.settling_requests > 100, "of 200, some were drawn ahead"
    assert len(read_records(folder / "requests.jsonl")[1]) > 100
    assert process.stdout.splitlines()[-1] == str(folder / "report.html")


def test_a_load_that_cannot_begin_leaves_no_folder(server, tmp_path):
    """An address that is none is told before anything is measured."""
    code, _, err = run(
        "run", server.url, *ONCE, "--workers", 1, "--bind", "nowhere", "--out", tmp_path
    )
    assert code == 2
    assert "No load was run: --bind is 'nowhere'" in err
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_cannot_be_written_costs_no_report(server, tmp_path):
    """The page is there and printed; the code and a sentence tell of the copy."""
    (tmp_path / "taken").write_text("")
    copy = tmp_path / "taken" / "load.json"
    code, out, err = run("run", server.url, *ONCE, "--out", tmp_path / "out", "--report", copy)
    assert (code, "The results cannot be read or written" in err) == (2, True)
    assert Path(out.splitlines()[-1]).is_file()


def test_what_is_no_run_is_one_sentence(tmp_path):
    """Nobody asked for a load, so that none is said to be missing; a damaged file is named."""
    (tmp_path / "summary.json").write_text("{")
    for asked in (("report", tmp_path), ("compare", tmp_path, tmp_path), ("gate", tmp_path)):
        code, _, err = run(*asked)
        assert code == 2, err
        assert err.count("\n") == 1, err
        assert str(tmp_path) in err
        assert "No load was run" not in err


def test_nobody_there_is_one_sentence(unused_url, tmp_path):
    """A refused connection ends before the load, with what to do."""
    code, out, err = run("run", unused_url, "--out", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"No load was run: {unused_url}/v1 does not answer")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def refused():
    """Return what refuses each bad option: one process, as Locust takes a second to import."""
    asked = [["run", "http://127.0.0.1:9", *option] for option in BAD_OPTIONS]
    process = subprocess.run(
        [sys.executable, "-c", BAD_RUNS, json.dumps(asked)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return dict(zip(BAD_OPTIONS, json.loads(process.stdout), strict=True))


@pytest.mark.parametrize("option", BAD_OPTIONS, ids=" ".join)
def test_a_bad_option_is_one_sentence(refused, option):
    """An option out of range is named before anything is sent."""
    code, err = refused[option]
    assert code == 2
    assert BAD_OPTIONS[option] in err
    assert err.count("\n") == 1


def test_results_that_cannot_be_written_are_one_sentence(server, tmp_path):
    """A file where the folder should be ends with its name."""
    (tmp_path / "taken").write_text("")
    code, _, err = run("run", server.url, *ONCE, "--out", tmp_path / "taken")
    assert code == 2
    assert "The results cannot be read or written" in err
    assert "Traceback" not in err

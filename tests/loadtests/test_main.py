"""The command line in a process of its own, which Locust may patch as it likes."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from loadtests.records import read_records

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 120
SHORT_RUN = """
import sys
from dataclasses import replace
from loadtests import __main__ as command
from loadtests.scenarios import mixed

mixed.SCENARIO = replace(mixed.SCENARIO, warmup_seconds=0.2, drain_seconds={drain})
sys.exit(command.main(sys.argv[1:]))
"""

BAD_OPTIONS = {
    ("--users", "0"): "--users is 0",
    ("--duration", "0.1"): "--duration is 0.1",
    ("--duration", "nan"): "--duration is nan",
    ("--key-file", "/nowhere"): "--key-file /nowhere",
}
BAD_RUNS = """
import contextlib, io, json, sys
from loadtests.__main__ import main

def said(arguments):
    with contextlib.redirect_stderr(io.StringIO()) as err:
        return main(arguments), err.getvalue()

json.dump([said(arguments) for arguments in json.loads(sys.argv[1])], sys.stdout)
"""


def start(*arguments, drain=60):
    """Start a run whose warm-up and drain are short."""
    code = SHORT_RUN.format(drain=drain)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def run(*arguments, drain=60):
    """Run to the end: exit code, what it printed, what it said on the side."""
    process = start(*arguments, drain=drain)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    return process.returncode, out, err


def test_a_run_prints_its_table_and_writes_both_files(server, tmp_path):
    """Every request is answered, and the files say which run they are of."""
    report = tmp_path / "new" / "load.json"
    options = ("--duration", 1.5, "--users", 2, "--out", tmp_path, "--report", report)
    code, out, err = run(server.url, *options)
    assert (code, "Traceback" in err) == (0, False), err
    assert "scripted answered" in out
    assert "time to first answer token" in out
    (lines,) = tmp_path.glob("*.jsonl")
    told, records = read_records(lines)
    (summary_file,) = tmp_path.glob("*.summary.json")
    summary = json.loads(summary_file.read_text())
    assert report.read_text() == summary_file.read_text()
    assert summary["run"] == told
    assert (told["model_served"], told["vllm_version"]) == ("scripted", "0.0.1")
    known = ["git_commit", "date", "scenario", "seed", "duration_seconds", "users", "machine"]
    assert set(known) | {"python", "locust"} <= set(told)
    assert [r.number for r in sorted(records, key=lambda r: r.number)] == list(range(len(records)))
    assert len(server.sent.bodies) == len(records) + 1, "each request once, and the probe"
    assert {r.outcome for r in records} == {"answered"}
    assert {r.completion_tokens for r in records} == {5}


def test_patched_sockets_measure_as_well_as_plain_ones(server, tmp_path):
    """Under Locust users ask side by side, and tokens are as late as the server made them."""
    numbers, together = itertools.count(), threading.Barrier(4)

    def slow(stream):
        if 1 <= next(numbers) <= 4:  # the probe is the first
            together.wait(TIMEOUT_SECONDS)
        time.sleep(0.3)
        stream.head()
        stream.event(reasoning="hm")
        time.sleep(0.3)
        stream.event(content="19")
        stream.finish(completion_tokens=2)

    server.script = slow
    code, _, err = run(server.url, "--duration", 2, "--users", 4, "--out", tmp_path)
    assert code == 0, err
    _, records = read_records(next(tmp_path.glob("*.jsonl")))
    assert len(records) >= 4
    for line in records:
        assert line.first_token_seconds >= 0.3
        assert line.first_answer_seconds >= 0.6
    apart = [line.first_answer_seconds - line.first_token_seconds for line in records]
    assert max(apart) > 0.1, "a thought is seen before the answer is sent"


def test_failures_are_named_and_end_with_one(server, tmp_path):
    """A failed request is a row in the table and a non-zero exit."""
    good = server.script

    def sometimes(stream):
        asked = stream.body["messages"][0]["content"]
        time.sleep(0.05)
        if isinstance(asked, str) and len(server.sent.bodies) > 1:
            stream.json(500, {"error": {"message": "out of memory"}})
        else:
            good(stream)

    server.script = sometimes
    code, out, err = run(server.url, "--duration", 1.5, "--out", tmp_path)
    assert code == 1, err
    assert "http error 500 (text)" in out
    assert "never" in out


def test_requests_that_outlast_the_drain_are_reported(server, tmp_path):
    """Nothing in flight is dropped: it is awaited up to the bound, then counted as unfinished."""
    numbers, hanging = itertools.count(), []

    def hangs(stream):
        stream.head()
        stream.event(reasoning="hm")
        if (number := next(numbers)) > 2:  # after the probe, and a quick answer or two
            hanging.append(number)
            stream.until_client_leaves()
            return
        time.sleep(0.3)  # past the warm-up, whose requests the table leaves out
        stream.event(content="19")
        stream.finish(completion_tokens=2)

    server.script = hangs
    code, out, err = run(server.url, "--duration", 1.2, "--users", 2, "--out", tmp_path, drain=1)
    assert code == 1, err
    _, records = read_records(next(tmp_path.glob("*.jsonl")))
    late = [r for r in records if r.outcome == "unfinished"]
    assert 1 <= len(late) == len(hanging) <= 2
    assert all(r.first_token_seconds is not None for r in late)
    assert f"in flight at the end: {len(late)}" in out
    assert "unfinished" in out


def test_an_interrupt_ends_with_a_report(server, tmp_path):
    """Ctrl-C stops at once and keeps what was measured."""
    process = start(server.url, "--duration", 50, "--users", 2, "--out", tmp_path)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(server.sent.bodies) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 130, err
    assert "interrupted" in out


def test_nobody_there_is_one_sentence(unused_url, tmp_path):
    """A refused connection ends before the load, with what to do."""
    code, out, err = run(unused_url, "--out", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith(f"No load was run: {unused_url}/v1 does not answer")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def refused():
    """Return what refuses each bad option: one process, as Locust takes a second to import."""
    asked = [["http://127.0.0.1:9", *option] for option in BAD_OPTIONS]
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
    code, _, err = run(server.url, "--duration", 1, "--out", tmp_path / "taken")
    assert code == 2
    assert "The results cannot be written" in err
    assert "Traceback" not in err

"""A load test as a user runs it, on the real engine, and a plan made of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.vllm_upgrade.release import pinned
from loadtests.observed import Reading
from loadtests.outcome import Outcome
from loadtests.prompt import Pictures
from loadtests.records import Record, read_records
from loadtests.report.folder import METRICS, PAGE, REQUESTS, SUMMARY
from loadtests.result import Summary, read_summary
from tests.engine.conftest import ROOT, Endpoint

LOAD_SECONDS = 300
# A median needs few requests, and short steps have no more.
OBJECTIVES = """
about: What a short load can tell.
objectives:
  - {metric: ttfat, percentile: 50, at_most_seconds: 30, reason: an answer that nobody waits for}
"""
TRAFFIC = """
peak_requests_per_second: 4
mean_to_peak: 0.4
request: {text_tokens: 100, thinking_tokens: 20, answer_tokens: 10}
"""


@pytest.fixture(scope="module")
def folder(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what three steps of mixed traffic left; a busy machine may make them INVALID."""
    out = tmp_path_factory.mktemp("results")
    pages = f"{endpoint.admin_url}/metrics,{endpoint.admin_url}/engine/metrics"
    command = [sys.executable, "-m", "loadtests", "run", endpoint.url, "--metrics", pages]
    command += ["--users", "1,2,4", "--duration", "8", "--drain", "60", "--out", str(out)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=LOAD_SECONDS, check=False
    )
    assert done.returncode in {0, 1, 3, 5}, done.stderr
    [made] = out.iterdir()
    assert done.stdout.splitlines()[-1] == str(made / PAGE)
    return made


@pytest.fixture(scope="module")
def records(folder: Path) -> list[Record]:
    """Return its requests."""
    return read_records(folder / REQUESTS)[1]


@pytest.fixture(scope="module")
def summary(folder: Path) -> Summary:
    """Return what it came to."""
    return read_summary(folder / SUMMARY)


def test_every_request_is_answered_and_counted(records: list[Record]) -> None:
    """By tokens of the server, thoughts among them."""
    assert records
    assert {record.outcome for record in records} == {Outcome.ANSWERED}
    assert all(record.reasoning_tokens for record in records if record.kind == "count aloud")
    assert all((record.completion_tokens or 0) > 0 for record in records)
    wrong = [record.kind for record in records if record.right is False]
    assert len(wrong) <= len(records) / 10, wrong


def test_cold_pictures_are_cold_and_repeated_ones_are_cached(records: list[Record]) -> None:
    """The server's own token counts prove it."""
    cold = [record for record in records if record.pictures is Pictures.COLD]
    again = [record for record in records if record.pictures is Pictures.REPEATED]
    assert cold
    assert all((record.image_tokens or 0) > 0 for record in cold + again)
    assert all((record.cached_tokens or 0) < (record.image_tokens or 0) for record in cold)
    assert all((record.cached_tokens or 0) >= (record.image_tokens or 0) for record in again)


def test_a_thought_comes_before_its_answer(records: list[Record]) -> None:
    """And both after the request was sent."""
    for record in records:
        moments = (record.headers_seconds, record.first_token_seconds, record.last_token_seconds)
        assert all(moment is not None for moment in moments)
        assert list(moments) == sorted(moments)  # type: ignore[type-var] # none is None
    thoughts = [record for record in records if record.kind == "count aloud"]
    assert all(record.first_answer_seconds > record.first_token_seconds for record in thoughts)  # type: ignore[operator]


def test_the_run_names_what_it_measured(summary: Summary) -> None:
    """Model, versions and settings of the server, as /version tells them."""
    told = summary.run
    assert (told["model_served"], told["vllm_version"]) == ("tiny-qwen3-vl", pinned())
    assert told["server"]["profile"] == "cpu"
    assert len(told["server"]["settings"]) == 12
    assert [step.users for step in summary.steps] == [1, 2, 4]
    assert all(step.all.per_second.output_tokens > 0 for step in summary.steps)


def test_engine_and_gateway_are_watched_meanwhile(folder: Path) -> None:
    """On the time axis of the load."""
    lines = (folder / METRICS).read_bytes().splitlines()
    readings = [Reading(**json.loads(line)) for line in lines]
    assert max(reading.values["vllm:num_requests_running"] for reading in readings) > 0
    tokens = [reading.values["vllm:generation_tokens_total"] for reading in readings]
    assert tokens[-1] > tokens[0]


def test_a_plan_can_be_made_of_it(folder: Path, tmp_path: Path) -> None:
    """In GPU-seconds: nobody said what an hour costs."""
    traffic = tmp_path / "traffic.yaml"
    traffic.write_text(TRAFFIC)
    objectives = tmp_path / "objectives.yaml"
    objectives.write_text(OBJECTIVES)
    command = [sys.executable, "-m", "serving", "plan", str(traffic), "--json"]
    command += ["--curve", str(folder / SUMMARY), "--objectives", str(objectives)]
    command += ["--allow", "invalid", "--allow", "extrapolation"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=LOAD_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "gpu" in done.stdout.lower()
    json.loads(done.stdout)

"""The GPU's curve on the real engine: a trial on the CPU with a small network of the same form."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.benchmarks.gpu_curve import architecture
from deploy.benchmarks.gpu_curve.plan import PLAN, TRIAL_LENGTHS
from tests.engine.conftest import require_engine

ROOT = Path(__file__).parents[2]
STEPS = ("short-chat-1", "picture-720p-jpeg-cold-16")
PATIENCE_SECONDS = 900
# What transformers builds from a configuration, without memory for it.
COUNT = """
import json, sys, torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
for configuration in json.load(sys.stdin):
    with torch.device("meta"):
        model = Qwen3VLForConditionalGeneration(Qwen3VLConfig(**configuration))
    print(sum(parameter.numel() for parameter in model.parameters()))
"""


def test_transformers_builds_as_many_parameters() -> None:
    """The independent judge of the sum: the model's own code, on a device without memory."""
    require_engine()
    networks = (architecture.EIGHT_B, architecture.SMALL)
    counted = subprocess.run(
        [sys.executable, "-c", COUNT],
        input=json.dumps([architecture.configuration(each) for each in networks]),
        env={"PYTHONPATH": str(ROOT / "serving" / "engine" / "shims"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert counted.returncode == 0, counted.stderr
    assert [int(line) for line in counted.stdout.split()] == [
        architecture.parameters(each) for each in networks
    ]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Measure two steps with random weights; the program is killed within the second."""
    require_engine()
    folder = tmp_path_factory.mktemp("curve")
    killed = start(folder)
    began = folder / "results" / STEPS[1]
    try:
        until(lambda: began.exists() or killed.poll() is not None)
        assert killed.poll() is None, words(folder)
    finally:
        killed.kill()
        killed.wait()
    assert kept(folder) == {STEPS[0]}
    assert start(folder).wait(PATIENCE_SECONDS) == 0, words(folder)
    return folder


def test_a_killed_measurement_goes_on(state: Path) -> None:
    """The first step is not played again, and the file holds both."""
    assert kept(state) == set(STEPS)
    content = json.loads((state / "cpu-test.json").read_text())
    assert (content["gpu"], content["synthetic"]) == ("cpu-test", True)
    assert [each["run"]["step"] for each in content["summaries"]] == list(STEPS)
    assert len(content["missing"]) == len(PLAN) - len(STEPS)
    said = (state / "said").read_text()
    assert [line for line in said.splitlines() if line.startswith(f"{STEPS[0]}: begins")] == [
        f"{STEPS[0]}: begins, 0 of 2 are done."
    ]


@pytest.mark.parametrize("step", STEPS)
def test_random_weights_give_outputs_of_fixed_length(state: Path, step: str) -> None:
    """Thought and answer are there, each as long in every request, and so are both together."""
    answered = [each for each in records(state, step) if each["outcome"] == "answered"]
    assert answered
    whole = TRIAL_LENGTHS.thought_tokens + TRIAL_LENGTHS.answer_tokens
    assert {each["completion_tokens"] for each in answered} == {whole}
    [thought] = {each["reasoning_tokens"] for each in answered}
    # The text that ends a thought over budget is part of it.
    assert TRIAL_LENGTHS.thought_tokens <= thought <= TRIAL_LENGTHS.thought_tokens + 32
    assert all(each["first_answer_seconds"] > each["first_reasoning_seconds"] for each in answered)


def test_no_prompt_comes_from_the_cache_of_another_step(state: Path) -> None:
    """Each step asks its own questions, so that each pays for its prompts."""
    # The first prompt is asked once before the load, to see whether the endpoint answers.
    cached = [each["cached_tokens"] for each in records(state, STEPS[1]) if each["number"]]
    assert max(cached) <= 128  # at most the template's beginning


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Run the program over a folder; what it says is kept beside it."""
    arguments = ["--profile", "cpu", "--dummy", "--seconds", "15", "--steps", ",".join(STEPS)]
    with (folder / "said").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.benchmarks.gpu_curve", *arguments, "--state", folder],
            cwd=ROOT,
            env={**os.environ, "COMMIT": "of the test"},
            stderr=said,
        )


def kept(folder: Path) -> set[str]:
    """Name the steps that are measured."""
    return {path.stem for path in (folder / "summaries").glob("*.json")}


def records(folder: Path, step: str) -> list[dict[str, Any]]:
    """Read every request of a step."""
    [path] = (folder / "results" / step).glob("*/requests.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def words(folder: Path) -> str:
    """Return what the program and its endpoint said last."""
    return "\n".join(
        path.read_text(errors="replace")[-2000:]
        for path in (folder / "said", folder / "endpoint.log", *folder.glob("results/*/output.log"))
        if path.exists()
    )


def until(happened: Any) -> None:
    """Return when something has happened, or patience has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.2)

"""`serving plan`: from files to a table, JSON and a sheet; its labels, and what is refused."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from serving.__main__ import app
from serving.plan_command import plan
from tests.serving.planner.measured_steps import MODEL, USERS, closed, summary, write
from tests.serving.planner.simulated import Engine
from tests.serving.planner.traffic_file import traffic_file
from tests.serving.used import Run, ready

ESTIMATE = "ESTIMATE, NOT FOR BUDGETS"
OBJECTIVES = str(Path(__file__).resolve().parents[2] / "loadtests" / "slo" / "default.yaml")
POINTS = [closed(Engine(), users, 150) for users in USERS]
# Like what was measured: 500 tokens of text, thoughts of 100, answers of 50.
ALIKE = {"text_tokens": 500, "cached_share": 0, "pictures": 0, "thinking_budget": None}


@pytest.fixture(name="run")
def _run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Return what runs `serving plan` in a folder with a traffic and a curve."""
    monkeypatch.chdir(tmp_path)
    traffic_file(tmp_path, **ALIKE)
    write(tmp_path / "summary.json", summary(POINTS))
    with ready(plan) as command:
        yield lambda *words, **env: command("traffic.yaml", "--objectives", OBJECTIVES, *words)


def told(result: Result) -> dict[str, Any]:
    """Return the JSON of a run that went well."""
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


MEASURED = ("--curve", "summary.json")


def test_a_measured_curve_is_planned_from(run: Run) -> None:
    """No label; the sources are named, and the model's own error is told."""
    found = told(run(*MEASURED, "--gpu-hour-usd", "2.5", "--json"))
    assert found["labels"] == []
    assert found["inputs"]["model"] == MODEL
    assert found["capacity"]["replicas_needed"] >= 1
    assert found["capacity"]["gpus"] == found["capacity"]["replicas_needed"] + 1
    assert found["model"]["left_out_throughput_deviation"] < 0.15
    assert found["planned_cost"]["usd_per_day"] == found["capacity"]["gpus"] * 24 * 2.5
    assert {"planned_cost", "allocated_cost", "list_price", "break_even"} <= set(found)
    text = run(*MEASURED, "--gpu-hour-usd", "2.5").stdout
    assert "From summary.json, scenario mixed, commit abc123, date 2026-11-21T22:00" in text
    assert ESTIMATE not in text
    assert found["summary"]["text"] in text


def test_an_estimate_says_so_on_every_line(run: Run) -> None:
    """In the table, in each object of JSON and in each row of the sheet."""
    words = ("--gpu", "h200", "--gpu-hour-usd", "3", "--sheet", "plan.csv")
    lines = run(*words).stdout.splitlines()
    assert all(ESTIMATE in line for line in lines if line)
    found = told(run(*words, "--json"))
    sections = [value for value in found.values() if isinstance(value, dict)]
    assert len(sections) >= 9
    assert all(section["labels"] == [ESTIMATE] for section in sections)
    assert all(line["labels"] == [ESTIMATE] for line in found["lines"])
    with Path("plan.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(row["label"] == ESTIMATE for row in rows)


def test_the_sheet_has_every_input_and_formula(run: Run) -> None:
    """Measured steps come with the run they are of; no cell is a formula to a spreadsheet."""
    assert run(*MEASURED, "--sheet", "plan.csv").exit_code == 0
    with Path("plan.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [row for row in rows if row["section"] == "curve"]
    assert {row["source"].split(",")[0] for row in steps} == {"summary.json"}
    rate = next(row for row in steps if row["name"] == "users_8_requests_per_second")
    assert float(rate["value"]) == pytest.approx(POINTS[3].requests_per_second)
    given = {row["name"]: row for row in rows if row["section"] == "inputs"}
    assert given["text_tokens"]["source"] == "traffic.yaml"
    assert given["ttft_p95_at_most"]["source"] == OBJECTIVES
    computed = [row for row in rows if row["source"] == "computed"]
    assert computed
    assert all(row["formula"] for row in computed)
    assert not [cell for row in rows for cell in row.values() if cell[:1] in {"=", "+", "@"}]
    assert {"ttfat_p90_at_one", "ttfat_p90_slope"} <= {
        row["name"] for row in rows if row["section"] == "spread"
    }
    assert rows[-1]["section"] == "summary"


def test_the_first_token_can_be_recomputed_from_the_sheet(run: Run) -> None:
    """Alone: fixed + steps · step + prefill, by the sheet's own numbers."""
    assert run("--gpu", "h100", "--sheet", "plan.csv").exit_code == 0
    with Path("plan.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    value = {row["name"]: float(row["value"]) for row in rows if row["section"] == "model"}
    assumed = {row["name"]: row for row in rows if row["section"] == "assumed"}
    assert float(assumed["bandwidth"]["value"]) == 3.35e12
    assert "data sheet" in assumed["bandwidth"]["source"]
    prefill = value["request"] + 500 * value["prompt_token"]
    assert value["first_token_fixed"] == pytest.approx(0.05 + prefill)
    assert (value["first_token_steps"], value["first_token_prefills"]) == (1, 0)


def test_without_a_price_there_is_no_dollar(run: Run) -> None:
    """GPU-seconds everywhere, and the way to dollars."""
    text = run(*MEASURED).stdout
    assert "USD" not in text
    assert "gpu seconds per million thinking tokens" in text
    assert "Give --gpu-hour-usd" in text


def test_an_estimate_runs_no_more_than_it_is_told(run: Run) -> None:
    """A slug is as good a name of a model as its id; what fits no memory is not run either."""
    words = ("--gpu", "h100", "--model", "qwen/qwen3-vl-8b-instruct", "--json")
    usual, few, many = (
        told(run(*words, *more)) for more in ((), ("--max-running", "4"), ("--max-running", "4096"))
    )
    assert usual["inputs"]["model"] == "Qwen/Qwen3-VL-8B-Instruct"
    assert few["model"]["most_running"] == 4
    assert many["model"]["most_running"] == usual["model"]["most_running"]
    assert few["capacity"]["replicas_needed"] > usual["capacity"]["replicas_needed"]


def test_without_words_it_tells_how_to_begin() -> None:
    """The help, with a first command."""
    shown = CliRunner().invoke(app, ["plan"])
    assert "serving plan traffic.yaml --gpu h100" in " ".join(shown.output.split())


def test_a_baseline_is_found_by_its_gpu(run: Run) -> None:
    """Where there is one nothing is estimated; made-up weights are labelled."""
    Path("baselines").mkdir()
    document = {"schema": 1, "gpu": "h200", "synthetic": True, "summaries": [summary(POINTS)]}
    write(Path("baselines/h200.json"), document)
    words = ("--gpu", "h200", "--baselines", "baselines", "--json")
    assert told(run(*words))["labels"] == ["SYNTHETIC WEIGHTS: TIMES TO ANSWERS ARE NOT REAL"]
    assert told(run(*words[:2], *words[4:]))["labels"] == [ESTIMATE]


def bad(**verdict: Any) -> dict[str, Any]:
    """Return a summary with another verdict."""
    whole = {"measurement": "VALID", "partial": None} | verdict
    return summary(POINTS, verdict=whole, certificate={"reasons": ["it was late"]})


@pytest.mark.parametrize(
    ("document", "words", "kind", "label"),
    [
        pytest.param(
            bad(measurement="INVALID"), [], "invalid", "MEASUREMENT INVALID: it was late", id="bad"
        ),
        pytest.param(
            bad(partial="a worker was lost"),
            [],
            "partial",
            "MEASUREMENT PARTIAL: a worker was lost",
            id="partial",
        ),
        pytest.param(
            summary(POINTS),
            ["--model", "Qwen/Qwen3-VL-8B-Thinking"],
            "other-model",
            f"ANOTHER MODEL WAS MEASURED: {MODEL} was measured",
            id="model",
        ),
        pytest.param(
            summary(POINTS),
            ["--max-running", "64"],
            "extrapolation",
            "EXTRAPOLATED: --max-running is 64; at most 32 at once were measured",
            id="concurrency",
        ),
        pytest.param(
            summary([replace(p, work=replace(p.work, thinking_tokens=900)) for p in POINTS]),
            [],
            "extrapolation",
            "EXTRAPOLATED: requests have 150 output tokens; 9",
            id="size",
        ),
    ],
)
def test_doubtful_curves_are_refused_or_labelled(
    run: Run, document: Any, words: list[str], kind: str, label: str
) -> None:
    """The refusal names what allows it; what is allowed stands on every line."""
    write(Path("summary.json"), document)
    refused = run(*MEASURED, *words)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert f"--allow {kind}" in refused.stderr
    lines = run(*MEASURED, *words, "--allow", kind).stdout.splitlines()
    assert lines
    assert all(label in line for line in lines if line)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param([], "Give --curve FILE", id="nothing"),
        pytest.param(["--gpu", "h900"], "--gpu h900 is not known", id="gpu"),
        pytest.param([*MEASURED, "--gpu", "h200"], "--curve and --gpu both say", id="two"),
        pytest.param(["--curve", "absent.json"], "--curve absent.json cannot be read", id="curve"),
        pytest.param([*MEASURED, "--gpu-hour-usd", "0"], "--gpu-hour-usd 0 is not", id="price"),
        pytest.param([*MEASURED, "--gpu-hour-usd", "nan"], "--gpu-hour-usd nan", id="no price"),
        pytest.param([*MEASURED, "--utilisation", "1"], "--utilisation 1 is not", id="full"),
        pytest.param([*MEASURED, "--spare", "-1"], "--spare -1 is not from 0", id="spare"),
        pytest.param([*MEASURED, "--gpus", "9"], "--gpus 9 is not from 1 to 8", id="gpus"),
        pytest.param([*MEASURED, "--idle-hours", "24"], "--idle-hours 24 is not", id="idle"),
        pytest.param([*MEASURED, "--sheet", "no/plan.csv"], "--sheet no/plan.csv", id="sheet"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(run: Run, words: list[str], said: str) -> None:
    """It names the option and its limit; nothing is printed."""
    refused = run(*words)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_too_few_steps_are_no_curve(run: Run) -> None:
    """With how many there are, and how to measure."""
    write(Path("summary.json"), summary(POINTS[:2]))
    refused = run(*MEASURED)
    assert "has 2 usable steps of a closed loop" in refused.stderr
    assert "users 1, 2, 4, 8, 16 and 32" in refused.stderr


def test_curves_of_several_models_need_a_name(run: Run) -> None:
    """Both are named."""
    write(Path("other.json"), summary(POINTS, models={"other": 10}))
    refused = run(*MEASURED, "--curve", "other.json")
    assert f"several models: other, {MODEL}" in refused.stderr


def test_values_for_the_chart_are_written_beside_the_plan(run: Run, tmp_path: Path) -> None:
    """The same numbers, for the pool that is named; a file nobody can write is refused."""
    found = told(run(*MEASURED, "--json", "--values", "values.yaml", "--pool", "instruct"))
    written = yaml.safe_load((tmp_path / "values.yaml").read_text())
    assert written["pools"]["instruct"]["replicas"] == found["capacity"]["replicas"]
    refused = run(*MEASURED, "--values", "missing/values.yaml")
    assert refused.exit_code != 0
    assert "--values missing/values.yaml cannot be written" in refused.stderr

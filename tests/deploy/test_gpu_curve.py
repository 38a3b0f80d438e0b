"""Tests of the GPU's curve: which steps it has, and that it survives any sequence of ends."""

import dataclasses
import os
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from deploy.benchmarks.gpu_curve import baseline, machine
from deploy.benchmarks.gpu_curve.__main__ import Options, measure
from deploy.benchmarks.gpu_curve.curve import Curve, fault
from deploy.benchmarks.gpu_curve.ledger import Ledger, differences, forget
from deploy.benchmarks.gpu_curve.plan import (
    PLAN,
    Step,
    missing,
)
from deploy.benchmarks.gpu_curve.programs import Ended
from serving.engine.hardware import Gpu
from serving.failure import NotDone
from tests.deploy import curve_stand_in as stand_in

ROOT = Path(__file__).parents[2]
NAMES = [step.name for step in stand_in.STEPS]


class Killed(BaseException):
    """The end of the process, as the code inside cannot see it."""


FATES = ("done", "failed", "killed before", "killed in load", "killed while writing")


@given(st.lists(st.sampled_from(FATES), max_size=40))
def test_every_step_is_measured_once_whatever_ends_it(fates: list[str]):
    """Kills repeat the step they hit and no other; only two failures leave a step out."""
    coming, finished = list(fates), Counter[str]()
    failed = Counter[str]()

    class Fated(Curve):
        def _ready(self, deadline: float) -> Any:
            self.fate = coming.pop(0) if coming else "done"
            if self.fate == "killed before":
                raise Killed
            return None

        def _load(self, step: Step, endpoint: Any, deadline: float) -> Any:
            folder = self.ledger.begin(step)
            assert list(folder.iterdir()) == []
            (folder / "half").touch()
            if self.fate == "killed in load":
                raise Killed
            if self.fate == "failed":
                failed[step.name] += 1
                raise Ended("no reason")
            if self.fate == "killed while writing":
                path = self.ledger._summaries / f"{step.name}.unfinished"
                path.parent.mkdir(exist_ok=True)
                path.write_text('{"run": ')
                raise Killed
            finished[step.name] += 1
            return stand_in.summary()

    with tempfile.TemporaryDirectory() as folder:
        for _ in range(len(fates) + 1):
            ledger = Ledger.open(Path(folder), stand_in.IDENTITY)
            with suppress(Killed):
                Fated(
                    plan=stand_in.STEPS,
                    ledger=ledger,
                    environment={},
                    log=Path(folder) / "log",
                    say=lambda _: None,
                ).measure(one=False)
                break
        given_up = {name for name, times in failed.items() if times == 2}
        assert finished == Counter(set(NAMES) - given_up)
        assert ledger.done() == set(NAMES) - given_up
        assert missing(stand_in.STEPS, ledger.done()) == [n for n in NAMES if n in given_up]


@pytest.mark.parametrize("field", ["commit", "vllm", "gpu", "settings", "checkpoint", "synthetic"])
def test_another_machine_does_not_go_on(tmp_path: Path, field: str):
    """What changed is named, and starting anew forgets the steps alone."""
    Ledger.open(tmp_path, stand_in.IDENTITY).finish(PLAN[0], stand_in.summary())
    (tmp_path / "dummy").mkdir()
    other = replace(stand_in.IDENTITY, **{field: "another"})
    assert [line.split()[0] for line in differences(stand_in.IDENTITY, other)] == [field]
    with pytest.raises(NotDone, match=f"{field} was .*, is another.*--restart"):
        Ledger.open(tmp_path, other)
    forget(tmp_path)
    assert Ledger.open(tmp_path, other).done() == set()
    assert (tmp_path / "dummy").is_dir()


def test_a_broken_state_is_said(tmp_path: Path):
    """It is one sentence with a way out."""
    (tmp_path / "state.json").write_text('{"identity": {"commit": 3}}')
    with pytest.raises(NotDone, match=r"state\.json is no state of a curve.*--restart"):
        Ledger.open(tmp_path, stand_in.IDENTITY)


def test_results_that_measure_nothing_are_faults():
    """INVALID, partial and unanswered runs; missed objectives are none.

    A trial on a CPU, which engine and client share, may be INVALID: it measures no GPU.
    """
    assert fault(stand_in.summary()) is None
    assert fault(stand_in.summary(valid=False)) == "the measurement is INVALID: the client was late"
    assert fault(stand_in.summary(valid=False), is_trial=True) is None
    assert fault(stand_in.summary(partial="interrupted")) == "the run is partial: interrupted"
    assert fault(stand_in.summary(answered=0)) == "no request was answered"


def test_the_baseline_says_what_it_holds(tmp_path: Path):
    """Done steps in the plan's order, the others with why they are missing; marked throughout."""
    plan = (*stand_in.STEPS, Step("mixed", 4096))
    ledger = Ledger.open(tmp_path, stand_in.IDENTITY)
    for step in (plan[2], plan[0]):
        run = {"scenario": step.scenario, "step": step.name}
        ledger.finish(step, replace(stand_in.summary(), run=run))
    ledger.fail(plan[1], "first")
    ledger.fail(plan[1], "last")
    machine = {"power.limit": "700.00 W"}
    content = baseline.assemble(plan, ledger, machine, {"mixed-4096": "too many"})
    assert (content["schema"], content["gpu"]) == (1, "NVIDIA Stand-In 1 GB")
    assert content["synthetic"] is True
    assert content["missing"] == [NAMES[1], "mixed-4096"]
    assert content["reasons"] == {NAMES[1]: "last", "mixed-4096": "too many"}
    assert content["machine"] == machine
    assert content["measured"]["commit"] == "0" * 40
    assert [each.run["step"] for each in content["summaries"]] == [NAMES[0], NAMES[2]]
    assert all(each.run["synthetic"] for each in content["summaries"])


def test_the_planner_reads_a_baseline(tmp_path: Path):
    """A curve for each step, with its GPU, marked as synthetic."""
    from serving.planner.measured import read_curves  # noqa: PLC0415

    ledger = Ledger.open(tmp_path, stand_in.IDENTITY)
    ledger.finish(PLAN[0], stand_in.summary())
    path = tmp_path / "gpu.json"
    baseline.write(path, baseline.assemble(PLAN, ledger, {}, {}))
    [curve] = read_curves(path)
    assert (curve.gpu, curve.synthetic) == ("NVIDIA Stand-In 1 GB", True)


@pytest.mark.parametrize(
    ("gpu", "profile", "synthetic", "expected"),
    [
        ("NVIDIA H200", "h200", False, "loadtests/baselines/h200.json"),
        ("NVIDIA H100 80GB HBM3", "h100", True, "loadtests/baselines/h100-synthetic.json"),
        ("NVIDIA GH200 480GB", "h200", False, "loadtests/baselines/gh200-480gb.json"),
        ("NVIDIA A100-SXM4-80GB", "a100-80g", False, "loadtests/baselines/a100-80g.json"),
        ("NVIDIA A100-SXM4-40GB", "a100-80g", False, "loadtests/baselines/a100-sxm4-40gb.json"),
        ("cpu-test", "cpu", True, "elsewhere/cpu-test.json"),
    ],
)
def test_baselines_have_their_place(gpu: str, profile: str, synthetic: bool, expected: str):
    """Made-up answers never replace real ones, and a trial never stands beside them."""
    identity = replace(stand_in.IDENTITY, gpu=gpu, synthetic=synthetic, profile=profile)
    path = baseline.path_for(identity, ROOT / "elsewhere")
    assert path.relative_to(ROOT) == Path(expected)


def test_no_baseline_is_there_that_nobody_measured():
    """Each file says of which commit and driver it is, and none is a trial's."""
    for path in baseline.BASELINES.glob("*.json"):
        content = path.read_text()
        assert '"driver"' in content
        assert "cpu-test" not in content


def test_the_driver_is_asked_for_one_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With units; what it does not tell is left out, and without a driver there is nothing."""
    answer = "580.1, 143771 MiB, 700.00 W, [N/A], 3201 MHz"
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho "{answer}"\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    gpu = Gpu(0, "NVIDIA H200", 0, 0, (9, 0), "580.1", uuid="GPU-1")
    assert machine.constants(gpu) == {
        "driver_version": "580.1",
        "memory.total": "143771 MiB",
        "power.limit": "700.00 W",
        "clocks.max.memory": "3201 MHz",
    }
    assert "--id=GPU-1" in (tmp_path / "asked").read_text()
    program.write_text("#!/bin/sh\nexit 9\n")
    assert machine.constants(gpu) == machine.moment(gpu) == machine.constants(None) == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": "mixed-3"}, "mixed-3.*Did you mean mixed-"),
        ({"dummy": True, "model": "some/model"}, "--dummy makes a model of its own"),
        ({"profile": "auto"}, "There is no GPU to measure: this machine shows none from NVIDIA"),
        ({"profile": "h200", "dummy": True}, "There is no GPU to measure"),
    ],
)
def test_contradictions_are_said_before_anything_starts(
    tmp_path: Path, changes: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
):
    """One sentence, and nothing is written."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no driver's program, on any machine
    options = Options(
        model=None,
        dummy=False,
        profile="cpu",
        state=tmp_path / "state",
        steps=None,
        seconds=1,
        one=True,
        write=False,
        restart=False,
    )
    with pytest.raises(NotDone, match=said):
        measure(dataclasses.replace(options, **changes))
    assert not (tmp_path / "state").exists()


def test_an_engine_that_never_gets_ready_is_not_waited_for_endlessly(tmp_path: Path):
    """The waits are counted; what a start that is only slow compiled shortens the next."""

    class Waiting(Curve):
        def _ready(self, deadline: float) -> Any:
            raise TimeoutError

    curve = Waiting(
        plan=stand_in.STEPS,
        ledger=Ledger.open(tmp_path, stand_in.IDENTITY),
        environment={},
        log=tmp_path / "log",
        say=lambda _: None,
    )
    with pytest.raises(NotDone, match="not ready after 5 waits"):
        curve.measure(one=False)

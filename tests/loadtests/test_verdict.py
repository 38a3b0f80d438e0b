"""What a run's exit code says, and what is printed where it cannot be trusted."""

from pathlib import Path

import msgspec
import pytest

from loadtests.options import Options
from loadtests.result import Met
from loadtests.verdict import INTERRUPTED, Exit, exit_code, in_cluster
from tests.loadtests.samples import run_of


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        pytest.param({"objectives": Met.MET}, Exit.MET, id="met"),
        pytest.param({"objectives": Met.MISSED}, Exit.MISSED, id="missed"),
        pytest.param({"objectives": Met.UNDECIDED}, Exit.UNDECIDED, id="too few"),
        pytest.param({"measurement": "INVALID"}, Exit.INVALID, id="not to be trusted"),
        pytest.param({"partial": "a worker was lost"}, Exit.PARTIAL, id="partial"),
        pytest.param({"partial": INTERRUPTED}, Exit.INTERRUPTED, id="interrupted"),
        pytest.param(
            {"partial": "lost", "measurement": "INVALID", "objectives": Met.MISSED},
            Exit.PARTIAL,
            id="what is missing comes first",
        ),
        pytest.param(
            {"measurement": "INVALID", "objectives": Met.MISSED}, Exit.INVALID, id="then doubt"
        ),
    ],
)
def test_the_exit_code_says_what_is_wrong(verdict, code):
    """The measurement's faults come before what it says of the endpoint."""
    summary = run_of()
    usual = {"measurement": "VALID", "partial": None, "objectives": Met.MET}
    changed = msgspec.structs.replace(summary.verdict, **usual | verdict)
    assert exit_code(msgspec.structs.replace(summary, verdict=changed)) is code


def test_the_same_load_beside_the_endpoint_is_named():
    """With everything that was asked for, and nothing else."""
    options = Options(
        url="https://example.com", out=Path("x"), scenario="video", rate="2,4", duration=120.0
    )
    assert in_cluster(options) == (
        "helm upgrade RELEASE helm/qwen3-vl --reuse-values --set loadtest.enabled=true "
        r"--set loadtest.scenario=video --set 'loadtest.rate=2\,4' "
        "--set loadtest.durationSeconds=120"
    )

"""What the planner writes for the chart: keys that it has, and numbers as planned."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.plan_command import plan
from serving.planner.values import POOL_NAME
from serving.settings import OPTIONS
from tests.helm.rendering import CHART, ROOT, render
from tests.serving.used import ready

DAY = [1] * 6 + [10] * 12 + [4] * 6
TRAFFIC = {
    "peak_requests_per_second": 12,
    "request": {
        "text_tokens": 350,
        "pictures": 0.5,
        "tokens_per_picture": 920,
        "thinking_tokens": 700,
        "answer_tokens": 250,
    },
}
OBJECTIVES = ROOT / "loadtests" / "slo" / "default.yaml"
# The plan says nothing of volumes; several pods read one.
SHARED = {"pool": {"weights": {"claim": {"accessMode": "ReadWriteMany"}}}}


@pytest.fixture
def planned(tmp_path: Path) -> Any:
    """Return what plans a traffic with a shape, and gives the file of values."""

    def run(shape: dict[str, Any], *words: str) -> Path:
        traffic, written = tmp_path / "traffic.yaml", tmp_path / "values.yaml"
        traffic.write_text(yaml.safe_dump(TRAFFIC | shape))
        with ready(plan) as command:
            done = command(
                str(traffic), "--objectives", str(OBJECTIVES), "--values", str(written), *words
            )
        assert done.exit_code == 0, done.stderr
        return written

    return run


def leaves(tree: dict[str, Any], path: str = "") -> list[str]:
    """Name every leaf by its path."""
    return [
        leaf
        for name, value in tree.items()
        for leaf in (
            leaves(value, f"{path}.{name}") if isinstance(value, dict) else [f"{path}.{name}"]
        )
    ]


@pytest.mark.parametrize("shape", [{"mean_to_peak": 0.4}, {"hourly": DAY}])
def test_the_planner_writes_keys_that_the_chart_has(planned: Any, shape: dict[str, Any]) -> None:
    """Of the pool's values, or the server's settings of the same name."""
    [pool] = yaml.safe_load(planned(shape, "--gpu", "h200").read_text())["pools"].values()
    known = set(leaves(yaml.safe_load((CHART / "values.yaml").read_text())["pool"]))
    settings = {f".settings.{name}" for name in OPTIONS}
    assert set(leaves(pool)) <= known | settings


def test_a_pool_has_a_name_that_the_chart_takes() -> None:
    """What --pool lets through `helm` lets through, too."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    names = schema["properties"]["pools"]["propertyNames"]
    assert names["pattern"] == f"^{POOL_NAME.pattern}$"


@pytest.mark.parametrize("helm", ["3", "4"])
def test_a_steady_plan_is_rendered_as_planned(planned: Any, helm: str) -> None:
    """Replicas, and the settings that the engine reads, are the plan's."""
    written = planned({"mean_to_peak": 0.4}, "--gpu", "h200", "--gpus", "2", "--max-running", "48")
    [pool] = yaml.safe_load(written.read_text())["pools"].values()
    rendered = render(SHARED, written, helm=helm)
    assert rendered.one("Deployment")["spec"]["replicas"] == pool["replicas"]
    settings = yaml.safe_load(
        rendered.one("ConfigMap", "demo-qwen3-vl-thinking-settings")["data"]["settings.yaml"]
    )
    assert settings["engine"]["profile"] == "h200"
    assert settings["engine"]["tensor_parallel_size"] == 2
    assert settings["engine"]["max_num_seqs"] == 48
    assert not rendered.all("ScaledObject")


def test_a_plan_with_hours_scales_as_planned(planned: Any) -> None:
    """KEDA gets the plan's bounds and its targets."""
    written = planned({"hourly": DAY}, "--gpu", "h100", "--pool", "instruct")
    scaling = yaml.safe_load(written.read_text())["pools"]["instruct"]["scaling"]
    rendered = render({**SHARED, "pools": {"thinking": None}}, written)
    spec = rendered.one("ScaledObject")["spec"]
    assert spec["minReplicaCount"] == scaling["minReplicas"]
    assert spec["maxReplicaCount"] == scaling["maxReplicas"]
    assert spec["fallback"]["replicas"] == scaling["fallbackReplicas"]
    said = yaml.safe_dump(spec)
    for target in ("queuedRequests", "tokensInFlight", "timeToFirstAnswerTokenSeconds"):
        assert str(scaling[target]) in said

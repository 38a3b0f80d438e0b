"""Whatever the schema takes renders to sound objects, or is refused by sentences of the checks."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helm.any_values import any_values
from tests.helm.kinds import violations
from tests.helm.rendering import ALL_APIS, CHART, CI_FILES, HELMS, parse, run_helm

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
KUBE = "1.34"
# Kinds of Kubernetes itself; those of others have tests of their own.
BUILT_IN = ("v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "policy/v1")
# The scenarios switch on what the defaults leave off.
BELOW = [["--values", str(path)] for path in CI_FILES]
ASKED = ["--namespace", "models", "--kube-version", KUBE]
ASKED += [word for api in ALL_APIS for word in ("--api-versions", api)]


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(any_values(SCHEMA), st.sampled_from([[], *BELOW]), st.sampled_from(HELMS))
def test_values_render_or_are_refused_by_a_sentence(
    values: dict[str, Any], below: list[str], helm: str
) -> None:
    """No template stumbles: a value that it cannot bear is refused before, with its key."""
    words = ["template", "demo", str(CHART), *ASKED, *below, "--values", "-"]
    done = run_helm(helm, *words, values=values)
    if done.returncode == 0:
        things = [each for each in parse(done.stdout) if each["apiVersion"] in BUILT_IN]
        assert things
        assert [found for each in things for found in violations(each, KUBE)] == []
        return
    place, _, said = done.stderr.partition(": \n")
    assert "execution error at (qwen3-vl/templates/validation/checks.yaml" in place, done.stderr
    lines = [line for line in said.splitlines() if line and not line.startswith("Use --debug")]
    assert lines
    assert [line for line in lines if not line.endswith(".")] == []

"""values.yaml, the scenarios and the environments, held to the models and to the product."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from deploy.chart.comments import sentences
from deploy.chart.pool import OwnValues
from deploy.chart.values import Values
from serving.options import Settings
from tests.helm.rendering import CHART, CI_FILES, HELMS, ROOT, render

TEXT = (CHART / "values.yaml").read_text()
DEFAULTS: dict[str, Any] = yaml.safe_load(TEXT)
ENVIRONMENTS = sorted((ROOT / "deploy" / "environments").glob("*.yaml"))
SCENARIOS = {
    "eight-replicas",
    "offline",
    "one-gpu",
    "restricted-cluster",
    "thinking-with-instruct",
    "tiny-on-cpu",
}
# What a machine finds out for itself and a cluster must be told.
TOLD = {"engine.model", "engine.profile"}


def model_leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted path of every value that is no group."""
    for name, each in model.model_fields.items():
        path = f"{prefix}{each.alias or name}"
        annotation: Any = each.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from model_leaves(annotation, f"{path}.")
        else:
            yield path


LEAVES = set(model_leaves(Values))


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of every leaf; what is below one belongs to it."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        if path in LEAVES or not isinstance(value, dict):
            yield path, value
        else:
            yield from leaves(value, f"{path}.")


def test_the_models_take_the_defaults() -> None:
    """What the chart comes with is what it accepts."""
    Values.model_validate(DEFAULTS)


def test_values_yaml_has_every_leaf_and_no_other() -> None:
    """A value that is read stands there to be seen; the product's own settings may be left out."""
    written = {path for path, _ in leaves(DEFAULTS)}
    optional = {path for path in LEAVES if path.startswith("pool.settings.")} | {"global"}
    assert written <= LEAVES
    assert LEAVES - written <= optional
    assert len(LEAVES - optional) > 100


def test_every_leaf_has_its_sentence() -> None:
    """Above each key stands what it does, as a sentence."""
    said = sentences(TEXT)
    assert [path for path, _ in leaves(DEFAULTS) if not said.get(path, "").endswith(".")] == []


def test_a_sentence_belongs_to_one_key() -> None:
    """No comment is copied from another value."""
    said = [text for path, text in sentences(TEXT).items() if path in LEAVES]
    repeated = {each for each in said if said.count(each) > 1}
    assert repeated <= {
        "sha256:…; wins over the tag.",
        "When the image is pulled again.",
        "Memory, reserved and at most; empty adds up what the settings need (NOTES shows the sum).",
        "Labels by which the operator's Prometheus finds it.",
    }


def test_settings_that_are_written_are_the_product_s_defaults() -> None:
    """values.yaml shows what holds anyway, so that neither place can drift."""
    product = Settings().model_dump(mode="json")
    written = DEFAULTS["pool"]["settings"]
    differing = {
        f"{group}.{option}"
        for group, options in written.items()
        for option, value in options.items()
        if product[group][option] != value
    }
    assert differing == TOLD


def test_an_own_value_of_a_pool_is_checked_as_in_pool() -> None:
    """A pool may leave everything out, and misspell nothing."""
    OwnValues.model_validate({})
    OwnValues.model_validate({"settings": {"engine": {"max_num_seqs": 32}}})
    for wrong in (
        {"replica": 1},
        {"settings": {"engine": {"max_num_seqs": 0}}},
        {"settings": {"gateway": {"port": 80}}},
        {"weights": {"claim": {"size": "60 Gi"}}},
    ):
        with pytest.raises(ValidationError):
            OwnValues.model_validate(wrong)


def test_there_is_a_file_for_each_scenario_and_environment() -> None:
    """What the README promises to copy is there."""
    assert {path.stem for path in CI_FILES} == SCENARIOS
    assert {path.stem for path in ENVIRONMENTS} == {"dev", "staging", "production"}


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("file", [*CI_FILES, *ENVIRONMENTS], ids=lambda path: path.stem)
def test_a_scenario_renders(file: Path, helm: str) -> None:
    """Each file is installed as it is, with one Deployment a pool, and says what it is for."""
    values = yaml.safe_load(file.read_text())
    pools = {**DEFAULTS["pools"], **values.get("pools", {})}
    expected = sorted(name for name, own in pools.items() if own is not None)
    deployments = render(None, file, helm=helm).all("Deployment")
    labels = [each["metadata"]["labels"] for each in deployments]
    assert sorted(each["app.kubernetes.io/component"] for each in labels) == expected
    assert file.read_text().startswith("# ")


@pytest.mark.parametrize("file", [*CI_FILES, *ENVIRONMENTS], ids=lambda path: path.stem)
def test_a_scenario_holds_differences_only(file: Path) -> None:
    """No leaf repeats a default: whoever reads the file reads what is special about it."""
    defaults = dict(leaves(DEFAULTS))
    own = yaml.safe_load(file.read_text())
    pools = own.pop("pools", {})
    found = dict(leaves(own))
    for name, values in pools.items():
        found |= {f"{name}: {path}": value for path, value in leaves(values or {}, "pool.")}
    missing = object()
    assert [
        path
        for path, value in found.items()
        if defaults.get(path.rpartition(" ")[2], missing) == value
    ] == []

"""What the tests of the chart read is what Helm gives a person."""

import pytest

from tests.helm.rendering import CHART, HELMS, Json, notes, parse, refusal, render, run_helm

REPLICAS: Json = {"pool": {"replicas": 2, "weights": {"claim": {"accessMode": "ReadWriteMany"}}}}


@pytest.mark.parametrize("values", [{}, REPLICAS])
def test_notes_are_what_an_installation_prints(values: Json) -> None:
    """Rendered beside the objects, they are the same as those of `helm install`."""
    words = ("install", "demo", str(CHART), "--namespace", "models", "--dry-run=client")
    done = run_helm("4", *words, "--values", "-", values=values)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.partition("\nNOTES:\n")[2].strip()
    assert len(printed) > 100
    assert notes(values).strip() == printed


@pytest.mark.parametrize("helm", HELMS)
def test_both_helms_refuse_what_the_schema_does_not_allow(helm: str) -> None:
    """The value that is wrong is named; the rest of the sentence is Helm's own."""
    said = refusal({"offline": "perhaps"}, helm=helm)
    assert said.startswith("values don't meet the specifications of the schema")
    assert "offline" in said


def test_both_helms_refuse_with_the_charts_sentence() -> None:
    """Places in templates, which they write differently, are no part of it."""
    contradiction = {"store": {"existingSecret": "database"}}
    said = {refusal(contradiction, helm=helm) for helm in HELMS}
    assert len(said) == 1
    assert said.pop().startswith("store.existingSecret is set and networkPolicy.store names no")


def test_what_should_be_refused_and_is_not_is_a_failure() -> None:
    """A test that expects a sentence notices that there is none."""
    with pytest.raises(AssertionError, match="renders what it should refuse"):
        refusal()


def test_what_is_refused_is_said_in_the_failure() -> None:
    """A test that expects objects shows the sentence."""
    with pytest.raises(AssertionError, match="nonsense"):
        render({"nonsense": 1})


def test_a_key_that_is_there_twice_is_found() -> None:
    """The API server refuses it; a lenient reader would keep the last."""
    with pytest.raises(AssertionError, match=r"\['a'\] are there twice"):
        parse("a: 1\nb: 2\na: 3\n")

"""How a pod starts, is watched and ends: probes, drain and deadlines, and their arithmetic."""

import math

import pytest

from tests.helm.pods import containers_of, pod_of
from tests.helm.rendering import notes, render

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def values(**changes: object) -> dict[str, object]:
    """Return values that change what holds for every pool."""
    return {"pool": changes}


def drain(grace: float, seconds: float, shutdown: int) -> dict[str, object]:
    """Return values with other times of a pod's end."""
    gateway = {"drain_grace_seconds": grace, "drain_seconds": seconds}
    return values(settings={"gateway": gateway, "engine": {"shutdown_timeout": shutdown}})


@pytest.mark.parametrize("native", [True, False])
def test_each_probe_sits_on_its_container(native: bool) -> None:
    """A probe restarts the container it sits on: only the engine's fail for the engine."""
    pod = pod_of(render(values(gateway={"nativeSidecar": native})))
    found = {
        (name, probe): container[probe]["httpGet"]["path"]
        for name, container in containers_of(pod).items()
        for probe in PROBES
        if probe in container
    }
    assert found == {
        ("gateway", "startupProbe"): "/healthz",
        ("gateway", "readinessProbe"): "/readyz",
        ("gateway", "livenessProbe"): "/healthz",
        ("engine", "startupProbe"): "/startupz",
        ("engine", "livenessProbe"): "/livez",
    }


def test_probes_ask_the_gateway_by_number() -> None:
    """The engine's container has no port of its own, so that its probes give the number."""
    containers = containers_of(pod_of(render()))
    [admin] = [each for each in containers["gateway"]["ports"] if each["name"] == "admin"]
    for name in ("gateway", "engine"):
        for probe in PROBES:
            if probe in containers[name]:
                assert containers[name][probe]["httpGet"]["port"] == admin["containerPort"] == 9000


def test_hung_engine_is_restarted_within_two_minutes_and_at_once() -> None:
    """After the watchdog's verdict a minute of failed probes, then 10 seconds, no full drain."""
    engine = containers_of(pod_of(render()))["engine"]
    liveness = engine["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] == 60
    assert liveness["terminationGracePeriodSeconds"] == 10
    assert engine["startupProbe"]["terminationGracePeriodSeconds"] == 10


@pytest.mark.parametrize(("budget", "failures"), [(1800, 180), (95, 10), (3600, 360)])
def test_start_up_budget_makes_the_probe(budget: int, failures: int) -> None:
    """The start-up probe gives up when the budget is over, not before."""
    probe = containers_of(pod_of(render(values(startupBudgetSeconds=budget))))["engine"][
        "startupProbe"
    ]
    assert probe["failureThreshold"] == failures == math.ceil(budget / probe["periodSeconds"])


@pytest.mark.parametrize(
    ("grace", "seconds", "shutdown", "total"),
    [(15, 820, 10, 860), (0, 0, 0, 15), (5.5, 100.2, 30, 152)],
)
def test_end_is_the_sum_of_its_parts(
    grace: float, seconds: float, shutdown: int, total: int
) -> None:
    """terminationGracePeriodSeconds is grace + drain + the engine's own end + 15, rounded up."""
    asked = drain(grace, seconds, shutdown)
    assert pod_of(render(asked))["terminationGracePeriodSeconds"] == total
    assert f" = {total} s" in notes(asked)


def test_engine_is_told_to_stop_only_after_the_drain() -> None:
    """The engine's preStop waits for the gateway's drain with the pod's own configuration."""
    engine = containers_of(pod_of(render()))["engine"]
    command = engine["lifecycle"]["preStop"]["exec"]["command"]
    at = engine["command"].index("serving")
    assert command[: at + 1] == engine["command"][: at + 1]
    assert command[at + 1 :] == ["drain", *engine["command"][at + 2 :]]


def test_notes_warn_of_autoscalers_that_wait_for_less() -> None:
    """A pod that needs over ten minutes is told to who installs it."""
    assert "max-graceful-termination" in notes()
    assert "max-graceful-termination" not in notes(drain(15, 560, 10))


@pytest.mark.parametrize(
    ("source", "mode", "seconds"),
    [
        # start + reserve, what the old pod needs to go, what a download may take
        ("claim", "inPlace", 1800 + 60 + 860 + 3600),
        ("ephemeral", "surge", 1800 + 60 + 3600),
        ("image", "surge", 1800 + 60),
    ],
)
def test_rollout_fails_only_after_all_that_may_take_time(
    source: str, mode: str, seconds: int
) -> None:
    """progressDeadlineSeconds holds a drain, a download and a start, where they occur."""
    weights = {"source": source, "image": {"repository": "weights", "tag": "1"}}
    deployment = render(values(weights=weights, rollout={"mode": mode})).one("Deployment")
    assert deployment["spec"]["progressDeadlineSeconds"] == seconds


@pytest.mark.parametrize(("mode", "surge", "unavailable"), [("inPlace", 0, 1), ("surge", 1, 0)])
def test_rollout_takes_gpus_that_are_there(mode: str, surge: int, unavailable: int) -> None:
    """In place an old pod ends first; surge needs the GPUs of one pod more."""
    asked = values(rollout={"mode": mode}, weights={"source": "ephemeral"})
    update = render(asked).one("Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert update == {"maxSurge": surge, "maxUnavailable": unavailable}
    assert ("a rollout needs 1 GPU more" in notes(asked)) == (mode == "surge")


def test_autoscaler_and_chart_do_not_fight_over_replicas() -> None:
    """Where KEDA sets the number of pods the Deployment says none."""
    scaled = values(scaling={"enabled": True}, weights={"source": "ephemeral"})
    assert "replicas" not in render(scaled).one("Deployment")["spec"]
    assert (
        render(values(replicas=3, weights={"source": "ephemeral"})).one("Deployment")["spec"][
            "replicas"
        ]
        == 3
    )

"""The autoscaler: what it asks Prometheus on real gateways' metrics, and what follows from it."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests import promql
from tests.contracts import metric_list
from tests.helm.autoscaler import Pod, Story, desired, triggers
from tests.helm.rendering import Json, render

NAME = "demo-qwen3-vl-thinking"
# For as long a pod must be ready to count; p90 looks back half of it.
SETTLED_MINUTES = 20


# Several pods need weights that all of them can read.
SHARED = {"claim": {"accessMode": "ReadWriteMany"}}


def scaled(**scaling: Any) -> Json:
    """Return the pool's ScaledObject, with the chart's thresholds where none are given."""
    values = {"pool": {"scaling": {"enabled": True, **scaling}, "weights": SHARED}}
    return render(values).one("ScaledObject", NAME)


@pytest.fixture(scope="module")
def default() -> Json:
    """The ScaledObject with the chart's thresholds: 16 requests, 200,000 tokens, 60 seconds."""
    return scaled()


def settle(story: Story, pods: dict[str, Pod], minutes: int = SETTLED_MINUTES + 1) -> None:
    """Let Prometheus read pods that do not change, for longer than the queries look back."""
    for _ in range(minutes):
        story.look(pods)


def answering(story: Story, pods: dict[str, Pod], seconds: float) -> None:
    """Let each pod begin ten answers a minute, for longer than the queries look back."""
    for _ in range(SETTLED_MINUTES + 1):
        for pod in pods.values():
            pod.answer(seconds, 10)
        story.look(pods)


def test_queue_is_summed_over_the_pool_alone(default: Json, tmp_path: Path) -> None:
    """Requests that wait in other pools are not this one's."""
    pods = {"a": Pod(), "b": Pod()}
    pods["a"].be(queued=5)
    pods["b"].be(queued=7)
    other = Pod()
    other.be(queued=1000)
    story, strangers = Story(), Story()
    story.look(pods)
    strangers.look({"c": other}, job="demo-qwen3-vl-instruct")
    story.series |= strangers.series
    assert story.ask(default, tmp_path)["queue"] == 12


def test_waiting_requests_count_as_tokens(default: Json, tmp_path: Path) -> None:
    """Who waits counts as much as the mean of those at the engines, 6,000 tokens here."""
    pods = {"a": Pod(), "b": Pod()}
    pods["a"].be(tokens=200_000, sequences=30, queued=10)
    pods["b"].be(tokens=100_000, sequences=20)
    story = Story()
    story.look(pods)
    assert story.ask(default, tmp_path)["tokens"] == pytest.approx(300_000 + 10 * 6_000)


def test_idle_pool_wants_the_fewest_pods(default: Json, tmp_path: Path) -> None:
    """Neither a histogram without a series nor one without news holds pods back."""
    pods = {"a": Pod(ready=True), "b": Pod(ready=True)}
    story = Story()
    settle(story, pods)
    assert story.ask(default, tmp_path) == {"queue": 0, "tokens": 0, "latency": 0}
    answering(story, pods, 300)
    settle(story, pods)
    answers = story.ask(default, tmp_path)
    assert answers == {"queue": 0, "tokens": 0, "latency": 0}
    assert desired(default, answers, current=4) == 1


# Buckets end at 45, 60, 90, 120 and 240 s: of answers in one, p90 is nine tenths through it.
@pytest.mark.parametrize(
    ("seconds", "pods"),
    [(50, 0), (70, 2 * (60 + 0.9 * 30) / 60), (100, 2 * (90 + 0.9 * 30) / 60), (200, 4)],
    ids=["in time", "late", "later", "doubled at most"],
)
def test_slow_answers_ask_for_more_pods(
    seconds: float, pods: float, default: Json, tmp_path: Path
) -> None:
    """Two loaded pods whose p90 is above 60 s are multiplied by it, and doubled at most."""
    loaded = {"a": Pod(), "b": Pod()}
    for pod in loaded.values():
        pod.be(tokens=100_000, sequences=20)
    story = Story()
    answering(story, loaded, seconds)
    assert story.ask(default, tmp_path)["latency"] == pytest.approx(pods)


def test_long_thoughts_of_few_ask_for_no_pods(default: Json, tmp_path: Path) -> None:
    """Pods with less than a quarter of their tokens think as fast as they can."""
    pods = {"a": Pod(), "b": Pod()}
    story = Story()
    for tokens, vote in ((49_000, 0), (51_000, 4)):
        for pod in pods.values():
            pod.be(tokens=tokens, sequences=4)
        answering(story, pods, 200)
        assert story.ask(default, tmp_path)["latency"] == pytest.approx(vote)


def test_pods_that_start_or_left_never_multiply(default: Json, tmp_path: Path) -> None:
    """Only who was ready for the whole window counts, and is still there."""
    pods = {"old": Pod(), "gone": Pod(ready=True), "new": Pod()}
    pods["old"].be(tokens=200_000, sequences=40)
    story = Story()
    answering(story, {"old": pods["old"], "gone": pods["gone"]}, 200)
    pods["new"].be(ready=False)
    del pods["gone"]
    story.look(pods)
    assert story.ask(default, tmp_path)["latency"] == 2
    pods["new"].be(ready=True)
    pods["old"].answer(200, 10)
    story.look(pods)
    assert story.ask(default, tmp_path)["latency"] == 2


def test_pool_that_nobody_scrapes_keeps_its_pods(default: Json, tmp_path: Path) -> None:
    """Where Prometheus has no series KEDA counts a failure, and keeps what runs or its fallback."""
    story = Story()
    story.look({"a": Pod(ready=True)}, job="another")
    answers = story.ask(default, tmp_path)
    assert answers == {"queue": None, "tokens": None, "latency": None}
    assert desired(default, answers, current=5) == 5
    assert desired(default, answers, current=1) == 2
    assert default["spec"]["fallback"] == {
        "failureThreshold": 20, "replicas": 2, "behavior": "currentReplicasIfHigher",
    }  # fmt: skip
    assert {each["metadata"]["ignoreNullValues"] for each in triggers(default)} == {"false"}


def test_start_of_twenty_minutes_does_not_run_away(default: Json, tmp_path: Path) -> None:
    """A standing queue and slow answers want three pods at every look, until they help and after.

    Of one pod: ceil(40 / 16) = 3 for the queue, ceil(180,000 x (1 + 40 / 60) / 200,000) = 2 for the
    tokens, and ceil(1 x 117 / 60) = 2 for a p90 of 117 s. None of these knows how many start.
    """
    pods = {"pod-0": Pod()}
    pods["pod-0"].be(tokens=180_000, sequences=60, queued=40)
    story = Story()
    answering(story, pods, 100)
    wanted = []
    for minute in range(50):
        for name, pod in pods.items():
            _live(pod, minute, ready=name == "pod-0" or minute > 20)
        story.look(pods)
        if minute % 2:
            continue
        wanted.append(desired(default, story.ask(default, tmp_path), current=len(pods)))
        for number in range(len(pods), wanted[-1]):  # Kubernetes takes away none for 30 minutes
            pods[f"pod-{number}"] = Pod()
    assert wanted[:10] == [3] * 10
    assert max(wanted) == 3
    assert set(wanted[-5:]) == {2}  # what their tokens need


def _live(pod: Pod, minute: int, *, ready: bool) -> None:
    """Let a pod have all the load, or from minute 20 on a third of it.

    For eight minutes more the answers that begin are those of thoughts from before.
    """
    alone = minute <= 20
    if not ready:
        pod.be(ready=False)
    elif alone:
        pod.be(tokens=180_000, sequences=60, queued=40)
    else:
        pod.be(tokens=100_000, sequences=33)
    if ready:
        pod.answer(100 if minute <= 28 else 30, 10)


def test_thresholds_are_the_values(tmp_path: Path) -> None:
    """Each value moves its own trigger, and nothing else stands in a query."""
    changed = scaled(queuedRequests=4, tokensInFlight=1000, timeToFirstAnswerTokenSeconds=12.5)
    assert [each["metadata"]["threshold"] for each in triggers(changed)] == ["4", "1000", "1"]
    pods = {"a": Pod()}
    pods["a"].be(tokens=300, sequences=3)
    story = Story()
    answering(story, pods, 14)  # in the bucket from 8 to 15: p90 is 8 + 0.9 x 7
    assert story.ask(changed, tmp_path)["latency"] == pytest.approx(14.3 / 12.5)


def test_scaling_is_fast_upwards_and_slow_downwards() -> None:
    """All missing pods come at once; one goes at a time, after a while and after its drain."""
    spec = scaled(minReplicas=2, maxReplicas=6, scaleDownSeconds=900)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 6)
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert behavior["scaleUp"]["policies"] == [{"type": "Pods", "value": 6, "periodSeconds": 15}]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 900
    [policy] = behavior["scaleDown"]["policies"]
    assert policy == {"type": "Pods", "value": 1, "periodSeconds": 15 + 820 + 10 + 15}


def test_prometheus_is_asked_as_often_as_the_value_says() -> None:
    """Without KEDA's cache each look of the HorizontalPodAutoscaler would ask, every 15 seconds."""
    changed = scaled(pollingSeconds=30)
    assert changed["spec"]["pollingInterval"] == 30
    assert all(each["useCachedMetrics"] for each in triggers(changed))


def test_scale_down_period_is_one_that_kubernetes_takes() -> None:
    """A policy's period is half an hour at most, however long a drain lasts."""
    scaling = {"enabled": True}
    settings = {"gateway": {"drain_seconds": 7200}}
    rendered = render({"pool": {"scaling": scaling, "settings": settings, "weights": SHARED}})
    spec = rendered.one("ScaledObject")["spec"]
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"]["policies"][0]["periodSeconds"] == 1800


def test_each_pool_scales_its_own_deployment() -> None:
    """A pool's object names its Deployment, which has no number of its own, and its own series."""
    pools = {"thinking": {}, "instruct": {"scaling": {"enabled": False}}, "small": {}}
    rendered = render({"pools": pools, "pool": {"scaling": {"enabled": True}, "weights": SHARED}})
    found = {each["metadata"]["name"]: each for each in rendered.all("ScaledObject")}
    assert set(found) == {"demo-qwen3-vl-thinking", "demo-qwen3-vl-small"}
    for name, each in found.items():
        assert each["spec"]["scaleTargetRef"]["name"] == name
        assert "replicas" not in rendered.one("Deployment", name)["spec"]
        for trigger in triggers(each):
            jobs = re.findall(r'job="([^"]+)"', trigger["metadata"]["query"])
            assert set(jobs) == {name}
    assert rendered.one("Deployment", "demo-qwen3-vl-instruct")["spec"]["replicas"] == 1


def test_queries_ask_for_what_gateways_export(default: Json) -> None:
    """A renamed metric would be no series for ever: no pod more, whatever waits."""
    metrics = {
        name: metric
        for metric in metric_list.read(metric_list.GATEWAY_LIST)
        for name in metric.samples
    }
    for trigger in triggers(default):
        assert trigger["type"] == "prometheus"
        assert trigger["metricType"] == "AverageValue"  # KEDA falls back with no other
        for selector in promql.selectors(trigger["metadata"]["query"]):
            name, _, labels = selector.partition("{")
            assert name in metrics
            assert labels == f'namespace="models",job="{NAME}"}}'


def test_job_is_the_one_that_the_pod_monitor_names() -> None:
    """Queries find the series only under the job by which they are scraped."""
    values = {
        "pool": {"scaling": {"enabled": True}, "weights": SHARED},
        "monitoring": {"podMonitor": {"enabled": True}},
    }
    rendered = render(values)
    endpoints = rendered.one("PodMonitor")["spec"]["podMetricsEndpoints"]
    [endpoint] = [each for each in endpoints if each["path"] == "/metrics"]
    jobs = [each["replacement"] for each in endpoint["relabelings"] if each["targetLabel"] == "job"]
    assert jobs == [NAME]

"""The lists of metrics: written anew they are the same, and closed labels stay closed."""

import importlib.util
import itertools

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from serving.gateway.drain import Phase
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.metrics.requests import FINISH_REASONS
from serving.gateway.record import OUTCOMES, Record
from serving.gateway.timeline import Stage
from tests.contracts import metric_list
from tests.contracts.metric_list import GATEWAY_LIST, VLLM_LIST

needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None,
    reason="vLLM is not installed; enable: make test",
)


def test_the_gateways_list_is_fresh() -> None:
    """Whoever changes a metric, or a closed label's values, runs `make contracts`."""
    assert GATEWAY_LIST.read_text() == metric_list.write(metric_list.gateway_metrics())


@needs_vllm
def test_vllms_list_is_fresh() -> None:
    """Another vLLM has another list, which alerts and dashboards are held to."""
    assert VLLM_LIST.read_text() == metric_list.write(metric_list.vllm_metrics())


def test_every_line_is_read_as_it_was_written() -> None:
    """Who checks names against the lists sees what was listed."""
    for path in (GATEWAY_LIST, VLLM_LIST):
        assert metric_list.write(metric_list.read(path)) == path.read_text()


def test_every_closed_label_is_a_metrics() -> None:
    """Values of a label that is gone would close nothing."""
    listed = {metric.name: metric for metric in metric_list.read(GATEWAY_LIST)}
    for name, label in metric_list.CLOSED:
        assert listed[name].labels[label]


def test_closed_labels_take_no_other_value() -> None:
    """Whatever becomes of requests, each label's value is listed."""
    metrics = GatewayMetrics()
    reasons = (None, *FINISH_REASONS, "a reason of the next version")
    for outcome, reason in itertools.product(OUTCOMES, reasons):
        metrics.requests.enter(
            Record(
                id="a", time=0, route="responses", key="alice", generates=True, known=True,
                admitted=True, outcome=outcome, finish_reason=reason, first_token_seconds=0.1,
                first_answer_seconds=0.2, stages=dict.fromkeys(Stage, 0.1), prompt_tokens=9,
                cached_tokens=1, image_tokens=2, video_tokens=3, reasoning_tokens=4,
                answer_tokens=5,
            )
        )  # fmt: skip
    for phase in Phase:
        metrics.state.set_phase(phase)
    seen = 0
    listed = {metric.name: metric for metric in metric_list.read(GATEWAY_LIST)}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        metric = listed.get(metric_list.exposed(family.name, family.type))
        if metric is None:  # the moments in which metrics were made
            assert family.name.endswith("_created")
            continue
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label != "le" and metric.labels[label]:
                    assert value in metric.labels[label]
                    seen += 1
    assert seen > len(OUTCOMES) * len(FINISH_REASONS)

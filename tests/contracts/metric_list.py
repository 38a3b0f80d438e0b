"""Program: writes the lists of all metrics anew, the gateway's own and those of the pinned vLLM.

A line is a metric: its name as PromQL has it, without a histogram's `_bucket`, `_sum` and `_count`,
its type, and the gateway's own with their labels; a closed label says `=` and all of its values.
"""

import ast
import importlib.util
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

sys.path.append(str(Path(__file__).parents[2]))

from deploy.vllm_upgrade import release
from serving.catalogue import entry_for
from serving.gateway.build import Build
from serving.gateway.drain import Phase
from serving.gateway.metrics import GatewayMetrics
from serving.gateway.metrics.requests import FINISH_REASONS, NEWS
from serving.gateway.record import OUTCOMES, Record
from serving.gateway.routes import PAGES, ROUTES
from serving.gateway.timeline import Stage
from serving.options import Settings

DATA: Final = Path(__file__).parent / "data"
GATEWAY_LIST: Final = DATA / "gateway_metrics.txt"
VLLM_LIST: Final = release.metric_list(release.pinned())
TYPES: Final = ("counter", "gauge", "histogram")
SAMPLES_OF_A_HISTOGRAM: Final = ("_bucket", "_sum", "_count")

TOKENS: Final = Record(id="", time=0).tokens
MEDIA: Final = ("image", "video")
ROUTE: Final = ("other", *(route.name for route in (ROUTES | PAGES).values()))
GENERATING: Final = tuple(route.name for route in ROUTES.values() if route.generates)
# Labels whose values are all known; the others grow with keys, books and error codes.
CLOSED: Final[dict[tuple[str, str], Collection[str]]] = {
    ("gateway_requests_total", "outcome"): tuple(OUTCOMES),
    ("gateway_requests_total", "finish_reason"): (*FINISH_REASONS, NEWS),
    ("gateway_requests_total", "route"): ROUTE,
    ("gateway_request_duration_seconds", "route"): ROUTE,
    ("gateway_time_to_first_token_seconds", "route"): GENERATING,
    ("gateway_time_to_first_answer_token_seconds", "route"): GENERATING,
    ("gateway_stage_seconds", "stage"): Stage,
    ("gateway_tokens_total", "kind"): TOKENS,
    ("gateway_key_tokens_total", "kind"): TOKENS,
    ("gateway_key_requests_total", "verdict"): set(OUTCOMES.values()),
    ("gateway_media_items_total", "kind"): MEDIA,
    ("gateway_media_items_total", "source"): ("inline", "url"),
    ("gateway_media_items_total", "outcome"): ("ok", "refused"),
    ("gateway_media_bytes_total", "kind"): MEDIA,
    ("gateway_media_fetch_seconds", "kind"): MEDIA,
    ("gateway_media_check_seconds", "kind"): MEDIA,
    ("gateway_drain_phase", "phase"): Phase,
    ("gateway_key_source_stale", "source"): ("file", "store"),
    ("gateway_startup_seconds", "phase"): ("listening", "ready"),
}


class Metric(NamedTuple):
    """One metric; of a closed label all values, of an open one none."""

    name: str
    type: str
    labels: dict[str, tuple[str, ...]]

    @classmethod
    def read(cls, line: str) -> Self:
        """Return what a line of a list says."""
        name, kind, *labels = line.split()
        parts = (label.partition("=") for label in labels)
        return cls(
            name, kind, {key: tuple(v for v in said.split("|") if v) for key, _, said in parts}
        )

    @property
    def line(self) -> str:
        """Write it as a list has it."""
        labels = (f"{k}={'|'.join(v)}" if v else k for k, v in self.labels.items())
        return " ".join((self.name, self.type, *labels))

    @property
    def samples(self) -> tuple[str, ...]:
        """Return the names that PromQL may ask for."""
        if self.type != "histogram":
            return (self.name,)
        return tuple(self.name + suffix for suffix in SAMPLES_OF_A_HISTOGRAM)


def read(path: Path) -> list[Metric]:
    """Return the metrics of a list."""
    return [Metric.read(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(metrics: Collection[Metric]) -> str:
    """Return the text of a list."""
    return "".join(f"{metric.line}\n" for metric in sorted(metrics))


def gateway_metrics() -> list[Metric]:
    """Return every metric of the gateway's own registry."""
    metrics = GatewayMetrics()
    metrics.state.tell_build(Build.of(Settings(), entry_for("tiny")))
    registry = metrics.registry
    return [
        Metric(name, kind, {label: closed_values(name, label) for label in labels})
        for name, kind, labels in _registered(registry)
    ]


def closed_values(name: str, label: str) -> tuple[str, ...]:
    """Return a closed label's values, none of an open one's."""
    return tuple(sorted(set(map(str, CLOSED.get((name, label), ())))))


def _registered(registry: CollectorRegistry) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Name each metric with its type and labels, also where no value is there yet."""
    for collector in registry._collector_to_names:
        names = collector._labelnames if isinstance(collector, MetricWrapperBase) else ()
        for family in collector.collect():
            if family.type == "info":  # what an info says are labels of a gauge
                names = tuple(family.samples[0].labels)
            yield exposed(family.name, family.type), _type(family.type), tuple(names)


def exposed(name: str, kind: str) -> str:
    """Return a metric's name as it is scraped."""
    suffix = {"counter": "_total", "info": "_info"}.get(kind, "")
    return name.removesuffix(suffix) + suffix


def _type(kind: str) -> str:
    return "gauge" if kind == "info" else kind


def vllm_metrics() -> list[Metric]:
    """Return every metric that vLLM's sources name where they make it; none is imported.

    Those of some KV connectors come from tables of names, and are not among them.
    """
    spec = importlib.util.find_spec("vllm")
    assert spec is not None and spec.origin is not None, "vLLM is not installed"
    found = {}
    for path in Path(spec.origin).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "vllm:" in text:
            found |= {metric.name: metric for metric in declared(ast.parse(text))}
    return list(found.values())


def declared(source: ast.Module) -> Iterator[Metric]:
    """Find each metric that a module makes, by its literal name."""
    constants = {
        target.id: node.value.value
        for node in ast.walk(source)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(source):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).lower()
        kind = next((kind for kind in TYPES if kind in called), None)
        given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "name")]
        for name in given:
            said = constants.get(name.id) if isinstance(name, ast.Name) else _literal(name)
            if kind and isinstance(said, str) and said.startswith("vllm:"):
                yield Metric(exposed(said, kind), kind, {})


def _literal(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None


if __name__ == "__main__":
    GATEWAY_LIST.write_text(write(gateway_metrics()), encoding="utf-8")
    VLLM_LIST.write_text(write(vllm_metrics()), encoding="utf-8")

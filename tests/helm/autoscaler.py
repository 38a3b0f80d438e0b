"""What KEDA and Kubernetes make of a ScaledObject: its queries on a story, and their formula."""

import json
import math
import re
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from serving.gateway.metrics import GatewayMetrics
from tests import promql
from tests.helm.promtool import WAIT_SECONDS, find_promtool
from tests.helm.rendering import Json

# A HorizontalPodAutoscaler leaves be what is as near as this.
TOLERANCE: Final = 0.1
FAILED: Final = re.compile(r'expr: "(.*)", time: .*\n +exp: .*\n +got: (.*)\n')
ONE_SERIES: Final = re.compile(r"\{\} (\S+)")

Values = dict[str, float | None]


class Pod:
    """A pod's gateway, with the metrics that the real one exports."""

    def __init__(self, *, ready: bool = False) -> None:
        self._metrics = GatewayMetrics()
        self.be(ready=ready)

    def be(
        self, *, ready: bool = True, tokens: int = 0, sequences: int = 0, queued: int = 0
    ) -> None:
        """Change what its gauges say."""
        admission = self._metrics.admission
        self._metrics.engine.ready.set(ready)
        admission.tokens_at_engine.set(tokens)
        admission.at_engine.set(sequences)
        admission.queued.set(queued)

    def answer(self, seconds: float, count: int = 1) -> None:
        """Finish requests whose answer began after this time."""
        for _ in range(count):
            self._metrics.requests.first_answer_token.labels("chat_completions").observe(seconds)

    def scrape(self) -> dict[str, float]:
        """Return its samples by name and labels, as its page has them."""
        return {
            _selector(sample.name, sample.labels): sample.value
            for family in self._metrics.registry.collect()
            for sample in family.samples
            if not sample.name.endswith("_created")
        }


@dataclass
class Story:
    """What Prometheus has read, minute by minute, of pods that come and go."""

    minutes: int = 0
    series: dict[str, list[str]] = field(default_factory=dict)

    def look(self, pods: Mapping[str, Pod], job: str = "demo-qwen3-vl-thinking") -> None:
        """Scrape pods once; those that are no longer there are stale."""
        said = {
            _with_labels(selector, namespace="models", job=job, pod=name): value
            for name, pod in pods.items()
            for selector, value in pod.scrape().items()
        }
        for selector in said.keys() | self.series.keys():
            values = self.series.setdefault(selector, ["_"] * self.minutes)
            values.append(repr(said[selector]) if selector in said else "stale")
        self.minutes += 1

    def ask(self, scaled_object: Json, scratch: Path) -> Values:
        """Return what each trigger's query says at the last minute; None where it has no series.

        Fails where KEDA would not take the answer: several series, labels, or no number.
        """
        queries = {each["name"]: each["metadata"]["query"] for each in triggers(scaled_object)}
        output = self._evaluate(queries.values(), scratch)
        got = {json.loads(f'"{query}"'): text for query, text in FAILED.findall(output)}
        answers: Values = {}
        for name, query in queries.items():
            if query not in got:
                answers[name] = None
                continue
            match = ONE_SERIES.fullmatch(got[query])
            assert match, f"{name}: {got[query]}"
            answers[name] = float(match[1])
            assert math.isfinite(float(match[1])), f"{name}: {got[query]}"
        return answers

    def _evaluate(self, queries: Collection[str], scratch: Path) -> str:
        """Expect nothing of queries, so that promtool tells what it got."""
        last = f"{self.minutes - 1}m"
        asked = [{"expr": query, "eval_time": last, "exp_samples": []} for query in queries]
        names = set().union(*map(promql.names, queries))
        series = [
            {"series": selector, "values": " ".join(values)}
            for selector, values in self.series.items()
            if selector.partition("{")[0] in names
        ]
        test = {"interval": "1m", "input_series": series, "promql_expr_test": asked}
        path = scratch / "story.yaml"
        path.write_text(json.dumps({"evaluation_interval": "1m", "tests": [test]}))
        done = subprocess.run(
            (find_promtool(), "test", "rules", str(path)),
            capture_output=True, text=True, check=False, timeout=WAIT_SECONDS,
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert "got:" in output or "SUCCESS" in output, output
        return output


def triggers(scaled_object: Json) -> list[Json]:
    """Return the triggers of a ScaledObject."""
    found: list[Json] = scaled_object["spec"]["triggers"]
    return found


def desired(scaled_object: Json, answers: Values, current: int) -> int:
    """Return the replicas that Kubernetes wants, of `current`, which count those that start.

    A metric of type AverageValue wants ceil(value / threshold), the largest wins. For a query that
    failed often KEDA answers as many as there are, or its fallback if that is more.
    """
    spec = scaled_object["spec"]
    wishes = [max(current, spec["fallback"]["replicas"])] if None in answers.values() else []
    for trigger in triggers(scaled_object):
        value, threshold = answers[trigger["name"]], float(trigger["metadata"]["threshold"])
        if value is not None:
            near = abs(value / (threshold * current) - 1) <= TOLERANCE
            wishes.append(current if near else math.ceil(value / threshold))
    return int(max(spec["minReplicaCount"], min(spec["maxReplicaCount"], max(wishes))))


def _selector(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items()) + "}"


def _with_labels(selector: str, **labels: str) -> str:
    name, _, own = selector.removesuffix("}").partition("{")
    added = ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items())
    return f"{name}{{{','.join(filter(None, (own, added)))}}}"

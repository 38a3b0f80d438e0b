"""The service's metrics while the load ran, on the time axis of the latency."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from loadtests.observed import Reading
from loadtests.report.axis import even
from loadtests.report.figures import count, rate
from loadtests.report.folder import Run
from loadtests.report.marks import Line
from loadtests.report.plot import Plot, Point
from loadtests.report.timeline import bands, time_axis

BARE_FOOT: Final = 6  # px below a panel without words


@dataclass(frozen=True, slots=True)
class Course:
    """A value over time made of one metric; of a counter its growth a second."""

    name: str
    metric: str
    growth: bool = False
    over: str | None = None  # the metric whose growth this one's is a part of
    scale: float = 1.0

    def points(self, readings: Sequence[Reading]) -> list[Point | None]:
        """Return it at each moment; None where it was not told."""
        if not (self.growth or self.over):
            told = ((each.at, each.values.get(self.metric)) for each in readings)
            return [None if v is None else (at, self.scale * v) for at, v in told]
        pairs = pairwise(readings)
        return [self._grown(before, after) for before, after in pairs]

    def _grown(self, before: Reading, after: Reading) -> Point | None:
        grown = _growth(self.metric, before, after)
        whole = _growth(self.over, before, after) if self.over else after.at - before.at
        if grown is None or not whole or whole < 0:
            return None
        return after.at, self.scale * grown / whole


@dataclass(frozen=True, slots=True)
class Panel:
    """Courses with one scale."""

    id: str
    title: str
    unit: str
    courses: tuple[Course, ...]
    say: Callable[[float], str] = rate
    whole: bool = False  # what is counted has no halves


PANELS: Final = (
    Panel(
        "engine-requests",
        "Requests in the engine",
        "requests",
        (
            Course("running", "vllm:num_requests_running"),
            Course("waiting", "vllm:num_requests_waiting"),
        ),
        count,
        whole=True,
    ),
    Panel(
        "gateway-requests",
        "Requests in the gateway",
        "requests",
        (
            Course("running", "gateway_requests_running"),
            Course("queued", "gateway_requests_queued"),
        ),
        count,
        whole=True,
    ),
    Panel(
        "tokens",
        "Tokens of the engine",
        "tokens/s",
        (
            Course("output", "vllm:generation_tokens_total", growth=True),
            Course("prompt", "vllm:prompt_tokens_total", growth=True),
        ),
        count,
    ),
    Panel(
        "caches",
        "KV cache in use, and hits of the caches",
        "%",
        (
            Course("KV in use", "vllm:kv_cache_usage_perc", scale=100),
            Course(
                "prefix hits",
                "vllm:prefix_cache_hits_total",
                over="vllm:prefix_cache_queries_total",
                scale=100,
            ),
            Course(
                "picture hits",
                "vllm:mm_cache_hits_total",
                over="vllm:mm_cache_queries_total",
                scale=100,
            ),
        ),
        lambda value: f"{value:g} %",
    ),
    Panel(
        "refused",
        "Preempted and refused requests",
        "a second",
        (
            Course("preempted", "vllm:num_preemptions_total", growth=True),
            Course("refused", "gateway_refusals_total", growth=True),
        ),
        lambda value: f"{value:g}",
    ),
    Panel(
        "processor",
        "Processor time of the processes that tell it",
        "cores",
        (Course("cores", "process_cpu_seconds_total", growth=True),),
        lambda value: f"{value:g}",
    ),
    Panel(
        "memory",
        "Memory of the processes that tell it",
        "GiB",
        (Course("GiB", "process_resident_memory_bytes", scale=2**-30),),
        lambda value: f"{value:g}",
    ),
)
LOOKS: Final = (3, 4, 5)


def observed(run: Run) -> list[Plot]:
    """Draw every panel that was told anything, to stand below the latency; the last has ticks."""
    drawn = (_observed(panel, run) for panel in PANELS)
    found = [plot for plot in drawn if plot is not None]
    return [replace(plot, foot=BARE_FOOT) for plot in found[:-1]] + found[-1:]


def _observed(panel: Panel, run: Run) -> Plot | None:
    axis, readings = time_axis(run), [r for r in run.readings if r.at >= 0]
    lines, values, said = [], [], []
    for course, look in zip(panel.courses, LOOKS, strict=False):
        points = [p if p and p[0] <= axis.high else None for p in course.points(readings)]
        found = [value for _, value in filter(None, points)]
        if found:
            lines.append(Line(course.name, look, points, label=course.name))
            values += found
            mean = sum(found) / len(found)
            said.append(f"{course.name}: {rate(mean)} on average, {rate(max(found))} at most")
    if not values:
        return None
    return Plot(
        id=panel.id,
        title=panel.title,
        told=f"In {panel.unit}. {'; '.join(said)}.",
        x=axis,
        y=even(values, unit=panel.unit, say=panel.say, whole=panel.whole),
        marks=(*bands(run), *lines),
        height=64,
        top=10,
    )


def _growth(metric: str, before: Reading, after: Reading) -> float | None:
    """Return how much a counter grew; None where it is not known, or began anew."""
    one, other = before.values.get(metric), after.values.get(metric)
    if one is None or other is None or other < one:
        return None
    return other - one

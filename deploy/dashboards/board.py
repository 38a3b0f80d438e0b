"""A dashboard as plain data: what each panel asks, and what to do when it looks bad."""

from dataclasses import dataclass
from typing import Final, Literal

from deploy.dashboards.promql import quantile

Kind = Literal["timeseries", "stat", "bargauge", "table"]
# From which value on which colour holds; the first holds from below.
Steps = tuple[tuple[float | None, str], ...]
TAG: Final = "qwen3-vl-serving"


def bad_from(warning: float, critical: float) -> Steps:
    """Return the colours of a figure that should be small."""
    return ((None, "green"), (warning, "orange"), (critical, "red"))


def good_from(fair: float, good: float) -> Steps:
    """Return the colours of a figure that should be large."""
    return ((None, "red"), (fair, "orange"), (good, "green"))


@dataclass(frozen=True, slots=True)
class Query:
    """One expression and the name of its series; `{{label}}` puts a label's value in."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: what it asks, what to do when it looks bad, and what is drawn.

    `unit` is Grafana's name of it; a board is 24 columns wide, a row of it 30 pixels high.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str
    kind: Kind = "timeseries"
    thresholds: Steps = ((None, "green"),)
    stacked: bool = False
    maximum: float | None = None
    width: int = 8
    height: int = 7

    @property
    def instant(self) -> bool:
        """Tell whether one value is shown, not its course."""
        return self.kind != "timeseries"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a board, filled with the values of a metric's label."""

    name: str
    label: str
    metric: str


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard; by its `uid` Grafana replaces an older version.

    The time in which an overlay has a series is shaded in all panels.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    overlays: tuple[Query, ...] = ()


INSTANCES: Final = (
    Variable("namespace", "Namespace", "gateway_build_info"),
    Variable("pod", "Pod", "gateway_build_info"),
    Variable("instance", "Instance", "gateway_build_info"),
)


def figure(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str,
    thresholds: Steps = ((None, "green"),),
) -> Panel:
    """Return a panel of one figure."""
    return Panel(title, description, (query,), unit, "stat", thresholds, width=4, height=4)


def percentiles(histogram: str) -> tuple[Query, ...]:
    """Ask for the middle, the slow and the slowest of a histogram."""
    return tuple(Query(quantile(share / 100, histogram), f"p{share}") for share in (50, 95, 99))

"""What watches the pools."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import Field

from deploy.chart.group import Group, Labels, Url, UrlOrNone

ALERTS: Final = Path(__file__).parents[2] / "helm" / "qwen3-vl" / "alerts"


def alerts() -> list[str]:
    """Return the names of the chart's alerts."""
    files: list[dict[str, Any]] = [yaml.safe_load(path.read_text()) for path in ALERTS.iterdir()]
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return sorted(rule["alert"] for rule in rules if "alert" in rule)


class PodMonitor(Group):
    """Scrapes of gateway and engine."""

    enabled: bool
    interval_seconds: Annotated[int, Field(ge=1, le=300)]
    labels: Labels


class Rules(Group):
    """Alerts."""

    enabled: bool
    labels: Labels
    runbook_base_url: UrlOrNone
    disabled: list[Literal[tuple(alerts())]]  # type: ignore[valid-type]  # read from the files


class Dashboards(Group):
    """Grafana's pictures."""

    enabled: bool
    labels: Labels


class Prometheus(Group):
    """Whom the autoscaler asks."""

    url: Url


class Monitoring(Group):
    """Monitors, alerts, dashboards."""

    pod_monitor: PodMonitor
    rules: Rules
    dashboards: Dashboards
    prometheus: Prometheus

"""On which nodes pods run, how many, and how they are replaced."""

from typing import Annotated, Literal

from pydantic import Field

from deploy.chart.group import Group, KeyOrNone, Labels, NameOrNone, Open

Positive = Annotated[int, Field(ge=1)]


class Scheduling(Group):
    """What nodes must be and bear."""

    node_selector: Labels
    tolerations: list[Open]
    affinity: Open
    runtime_class_name: NameOrNone
    priority_class_name: NameOrNone
    spread_over: KeyOrNone
    when_unspreadable: Literal["ScheduleAnyway", "DoNotSchedule"]


class Rollout(Group):
    """Which pod goes first."""

    mode: Literal["inPlace", "surge"]


class DisruptionBudget(Group):
    """How many pods a node's drain may take."""

    enabled: bool


class Scaling(Group):
    """What the autoscaler looks at."""

    enabled: bool
    min_replicas: Positive
    max_replicas: Positive
    queued_requests: Positive
    tokens_in_flight: Positive
    time_to_first_answer_token_seconds: Annotated[float, Field(gt=0)]
    # An hour is what a HorizontalPodAutoscaler takes at most.
    scale_down_seconds: Annotated[int, Field(ge=0, le=3600)]
    polling_seconds: Annotated[int, Field(ge=1, le=600)]
    fallback_replicas: Positive

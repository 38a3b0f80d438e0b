"""One pool: pods of one model, and what stands before them."""

import copy
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from deploy.chart.containers import Engine, Gateway
from deploy.chart.group import Annotations, Group, Port
from deploy.chart.scheduling import DisruptionBudget, Rollout, Scaling, Scheduling
from deploy.chart.settings import Settings
from deploy.chart.traffic import InferencePool, Ingress, Route
from deploy.chart.weights import Cache, Weights


class Pool(Group):
    """What holds for every pool that does not say otherwise."""

    replicas: Annotated[int, Field(ge=0, le=1000)]
    startup_budget_seconds: Annotated[int, Field(ge=60, le=86_400)]
    settings: Settings
    engine: Engine
    gateway: Gateway
    weights: Weights
    cache: Cache
    rollout: Rollout
    pod_annotations: Annotations
    service_port: Port
    pod_disruption_budget: DisruptionBudget
    scheduling: Scheduling
    scaling: Scaling
    route: Route
    inference_pool: InferencePool
    ingress: Ingress


def differences(group: type[BaseModel]) -> Any:
    """Return the same group with every key optional, at all depths; none of them takes null."""
    fields: dict[str, Any] = {}
    for name, field in group.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = differences(annotation)
        optional: FieldInfo = copy.copy(field)
        optional.default = None
        fields[name] = (annotation, optional)
    return create_model(group.__name__, __base__=group, __doc__=group.__doc__, **fields)


OwnValues = differences(Pool)

"""The two containers of a pod."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from deploy.chart.group import Cores, Group, KeyOrNone, Size, SizeOrNone
from deploy.chart.image import Image


class Variable(BaseModel):
    """An environment variable; what it is read from is Kubernetes' to check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
    value: str = ""
    valueFrom: dict[str, Any] = {}


class Resources(Group):
    """What a container reserves."""

    cpu: Cores
    memory: SizeOrNone
    ephemeral_storage: Size


class Engine(Group):
    """The container of vLLM's own image."""

    image: Image
    gpu_resource: KeyOrNone
    resources: Resources
    shm_size: SizeOrNone
    read_only_root_filesystem: bool
    extra_env: list[Variable]


class Gateway(Group):
    """The container of this project's image."""

    native_sidecar: bool
    resources: Resources
    extra_env: list[Variable]

"""Where a pool's weights lie, and what is kept beside them."""

from typing import Annotated, Literal

from pydantic import Field

from deploy.chart.group import Group, NameOrNone, Size
from deploy.chart.image import WeightsImage


class Claim(Group):
    """A volume for weights and compiled kernels, made or found."""

    existing: NameOrNone
    size: Size
    storage_class: NameOrNone
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]


class Weights(Group):
    """How a pool gets its weights."""

    source: Literal["claim", "image", "ephemeral", "builtin"]
    claim: Claim
    download_job: bool
    image: WeightsImage
    ephemeral_size: Size
    download_budget_seconds: Annotated[int, Field(ge=60, le=172_800)]


class Cache(Group):
    """vLLM's compiled kernels."""

    persistent: bool

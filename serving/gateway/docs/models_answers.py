"""What the list of models answers with: types for the document alone."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Decimal = Annotated[str, Meta(pattern="^[0-9]+([.][0-9]+)?$", description="USD for one token")]


class Model(msgspec.Struct):
    """The model that is served."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    max_model_len: (
        Annotated[int, Meta(description="The context, prompt and output, in tokens")] | UnsetType
    ) = UNSET


class ModelList(msgspec.Struct):
    """The models that are served: one."""

    object: Literal["list"]
    data: list[Model]


class Architecture(msgspec.Struct):
    """What goes in and comes out."""

    modality: str
    input_modalities: list[Literal["text", "image", "video"]]
    output_modalities: list[Literal["text"]]
    tokenizer: str
    instruct_type: str


class Pricing(msgspec.Struct):
    """Offered prices, and the discount that is in them."""

    prompt: Decimal
    completion: Decimal
    request: Decimal
    image: Decimal
    discount: Annotated[float, Meta(ge=0, le=1)]


class TopProvider(msgspec.Struct):
    """The limits of this server."""

    context_length: int | None
    max_completion_tokens: int
    is_moderated: bool


class ModelReasoning(msgspec.Struct):
    """How the model thinks."""

    mandatory: bool
    default_enabled: bool
    default_effort: str
    supported_efforts: list[str]
    supports_max_tokens: bool


class OpenRouterModel(msgspec.Struct):
    """The model that is served."""

    id: str
    canonical_slug: str
    name: str
    created: int
    hugging_face_id: str | None
    context_length: int | None
    architecture: Architecture
    pricing: Pricing
    top_provider: TopProvider
    per_request_limits: None
    supported_parameters: list[str]
    default_parameters: dict[str, float]
    supported_voices: None
    links: dict[str, str]
    reasoning: ModelReasoning | UnsetType = UNSET


class OpenRouterModelList(msgspec.Struct):
    """The models that are served: one."""

    data: list[OpenRouterModel]
    total_count: int
    links: dict[str, Any]


class OpenRouterModelAnswer(msgspec.Struct):
    """The model that is served."""

    data: OpenRouterModel

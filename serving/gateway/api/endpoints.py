"""GET /api/v1/models/{author}/{slug}/endpoints: the one endpoint there is, and how it does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from serving.gateway.api.chat_view import PROVIDER
from serving.gateway.api.models import (
    ARCHITECTURE,
    max_completion_tokens,
    pricing,
    supported_parameters,
)
from serving.gateway.errors import StoreUnavailable
from serving.gateway.exchange import Exchange
from serving.gateway.performance import (
    DAY_SECONDS,
    HALF_HOUR_SECONDS,
    LEAST_FOR_PERCENTILES,
    LEAST_FOR_UPTIME,
    LEAST_REQUESTS,
    MINUTE_SECONDS,
    Figures,
    Percentiles,
    figures,
)
from serving.gateway.served import ServedModel

if TYPE_CHECKING:
    from serving.store.usage import UsageStore

# Enough for p99 to hold, few enough to be read beside requests.
SAMPLED_REQUESTS: Final = 4000
SERVES: Final = 0
NOT_READY: Final = -1

Uptime = Annotated[
    float | None,
    Meta(
        description="Percent of requests that went well, without those that were refused (4xx, "
        f"429) or cancelled; null for fewer than {LEAST_FOR_UPTIME}"
    ),
]
Latency = Annotated[
    Percentiles | None,
    Meta(
        description="Time to a stream's first token in ms; null for fewer than "
        f"{LEAST_FOR_PERCENTILES} streams, and p99 is sure from {LEAST_REQUESTS[99]} on"
    ),
]
Throughput = Annotated[
    Percentiles | None,
    Meta(
        description="Output tokens a second over the whole time of a request; null for fewer "
        f"than {LEAST_FOR_PERCENTILES}, and p99 is sure from {LEAST_REQUESTS[99]} on"
    ),
]


class ToolChoices(msgspec.Struct):
    """Which values of tool_choice work."""

    none: bool = True
    auto: bool = True
    required: bool = True
    function: bool = True


class ListedEndpoint(msgspec.Struct, kw_only=True):
    """An endpoint of the model: this server."""

    name: str
    model_id: Annotated[str, Meta(description="OpenRouter's slug of the model")]
    model_name: str
    provider_name: str = PROVIDER
    tag: str = PROVIDER
    context_length: Annotated[int, Meta(description="In tokens; 0 until the engine has told")]
    max_completion_tokens: int
    max_prompt_tokens: None = None
    quantization: str
    pricing: dict[str, Any]
    supported_parameters: list[str]
    supports_implicit_caching: bool = True
    supports_tool_choice: ToolChoices
    supports_diarization: bool = False
    native_tools: dict[str, Any]
    service_tier: None = None
    status: Annotated[int, Meta(description="0: it serves; -1: the engine is not ready")]
    uptime_last_5m: Uptime
    uptime_last_30m: Uptime
    uptime_last_1d: Uptime
    latency_last_30m: Latency
    throughput_last_30m: Throughput


class ModelEndpoints(msgspec.Struct, kw_only=True):
    """A model and where it is served."""

    id: str
    name: str
    created: int
    description: str
    architecture: dict[str, Any]
    endpoints: list[ListedEndpoint]


class EndpointsAnswer(msgspec.Struct):
    """The model's one endpoint, with its uptime, latency and throughput."""

    data: ModelEndpoints


async def show_endpoints(served: ServedModel, exchange: Exchange, name: str) -> None:
    """Answer with the endpoint of the model, asked for by any of its names; raises NotFound."""
    served.check_name(name)
    listed = ModelEndpoints(
        id=served.entry.id,
        name=_short_name(served),
        created=served.created,
        description="",
        architecture=ARCHITECTURE,
        endpoints=[await _endpoint(served)],
    )
    await exchange.answer(200, msgspec.json.encode(EndpointsAnswer(listed)))


async def _endpoint(served: ServedModel) -> ListedEndpoint:
    seen = await served.recent.get("figures", lambda: _figures(served))
    return ListedEndpoint(
        name=f"{PROVIDER} | {served.entry.id}",
        model_id=served.entry.slug,
        model_name=_short_name(served),
        context_length=served.watch.max_model_len or 0,
        max_completion_tokens=max_completion_tokens(served),
        quantization="fp8" if served.entry.id.endswith("-FP8") else "unknown",
        pricing=pricing(served),
        supported_parameters=supported_parameters(served),
        supports_tool_choice=ToolChoices(),
        native_tools={},
        status=SERVES if served.watch.unready() is None else NOT_READY,
        uptime_last_5m=seen.uptime_5m,
        uptime_last_30m=seen.uptime_30m,
        uptime_last_1d=seen.uptime_1d,
        latency_last_30m=seen.latency,
        throughput_last_30m=seen.throughput,
    )


async def _figures(served: ServedModel) -> Figures:
    """Read what the ledger has of the model; the rest of the answer does not hang on it."""
    now, model = time.time(), served.entry.id
    # Requests of gateways whose clocks are ahead count, too.
    until = now + HALF_HOUR_SECONDS

    def work(store: UsageStore) -> Figures:
        records = store.sample(now - HALF_HOUR_SECONDS, until, SAMPLED_REQUESTS)
        minutes = store.minutes(now - DAY_SECONDS - MINUTE_SECONDS, until)
        return figures(
            [record for record in records if record.model == model],
            [minute for minute in minutes if minute.model == model],
            now,
        )

    try:
        return await served.ledger.read(work) if served.ledger else Figures()
    except StoreUnavailable:
        return Figures()


def _short_name(served: ServedModel) -> str:
    return served.entry.id.rpartition("/")[2]

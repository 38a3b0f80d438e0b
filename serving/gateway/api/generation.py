"""GET /api/v1/generation?id=: what became of a request, for the key that made it."""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from serving.gateway.answer_id import generation_id, request_ids
from serving.gateway.api.chat_view import PROVIDER
from serving.gateway.errors import BadRequest, NotFound
from serving.gateway.exchange import Exchange
from serving.gateway.ledger import Ledger
from serving.gateway.record import Record
from serving.gateway.served import ServedModel
from serving.gateway.timeline import Stage
from serving.gateway.view import FINISH_REASONS

MAX_ID_CHARACTERS: Final = 128


class Generation(msgspec.Struct, kw_only=True):
    """One request that came to the engine; what this server has not, such as presets, is null."""

    id: str
    request_id: Annotated[str, Meta(description="Its X-Request-Id, as `serving request` takes it")]
    upstream_id: None = None
    created_at: Annotated[str, Meta(description="ISO 8601")]
    model: str
    provider_name: str = PROVIDER
    api_type: str = "completions"
    data_region: str = "global"
    router: None = None
    service_tier: None = None
    preset_id: None = None
    session_id: None = None
    workspace_id: None = None
    app_id: None = None
    origin: Annotated[str, Meta(description="The app's address as it gave it, or nothing")]
    http_referer: str | None
    user_agent: None = None
    external_user: str | None
    streamed: bool
    cancelled: Annotated[bool, Meta(description="Whether the client left before the end")]
    finish_reason: str | None
    native_finish_reason: Annotated[str | None, Meta(description="In the engine's own words")]
    latency: Annotated[float, Meta(description="From the headers to the end, in ms")]
    generation_time: Annotated[float, Meta(description="First token to last, in ms")]
    moderation_latency: None = None
    tokens_prompt: int
    tokens_completion: int
    native_tokens_prompt: int
    native_tokens_completion: int
    native_tokens_reasoning: int
    native_tokens_cached: int
    native_tokens_completion_images: None = None
    num_media_prompt: Annotated[int, Meta(description="Pictures and videos")]
    num_media_completion: int = 0
    num_input_audio_prompt: int = 0
    num_search_results: None = None
    num_fetches: None = None
    web_search_engine: None = None
    total_cost: Annotated[float, Meta(description="In USD")]
    usage: Annotated[float, Meta(description="In USD, the same")]
    upstream_inference_cost: None = None
    cache_discount: None = None
    response_cache_source_id: None = None
    is_byok: bool = False
    provider_responses: None = None


class GenerationAnswer(msgspec.Struct):
    """What became of a request of this key."""

    data: Generation


async def show_generation(served: ServedModel, exchange: Exchange) -> None:
    """Answer with a request of the asking key; raises BadRequest, NotFound or StoreUnavailable."""
    text = _asked_id(exchange)
    ledger = served.require_ledger()
    record = await _find(ledger, text, exchange.key.id)
    if record is None:
        # The same for other keys' requests: nobody learns what is there.
        raise NotFound(
            f"No generation '{text}' of this key. Refused requests have none, and after a time "
            "they are deleted.",
            code="generation_not_found",
            param="id",
        )
    await exchange.answer(200, msgspec.json.encode(GenerationAnswer(_generation(record))))


def _asked_id(exchange: Exchange) -> str:
    """Return the id that is asked for; raises BadRequest."""
    text = exchange.query.get("id")
    if text is None:
        raise BadRequest(
            "The query parameter 'id' is missing: the id of an answer, such as gen-….",
            code="missing_parameter",
            param="id",
        )
    if len(text) > MAX_ID_CHARACTERS:
        raise BadRequest(
            f"The query parameter 'id' takes at most {MAX_ID_CHARACTERS} characters.",
            code="invalid_value",
            param="id",
        )
    return text


async def _find(ledger: Ledger, text: str, key_id: str) -> Record | None:
    """Find a request; one that has just ended may still be on its way to the store."""
    ids = request_ids(text)
    record = await ledger.read(lambda store: store.find(ids, key_id))
    if record is None:
        await ledger.flushed()
        record = await ledger.read(lambda store: store.find(ids, key_id))
    return record


def _generation(record: Record) -> Generation:
    stages, reason = record.stages, record.finish_reason
    generated = stages.get(Stage.THINKING, 0.0) + stages.get(Stage.ANSWER, 0.0)
    return Generation(
        id=generation_id(record.id),
        request_id=record.id,
        created_at=datetime.fromtimestamp(record.time, UTC).isoformat(),
        model=record.model,
        origin=record.referer,
        http_referer=record.referer or None,
        external_user=record.user or None,
        streamed=record.streamed,
        cancelled=record.verdict == "cancelled",
        finish_reason=None if reason is None else FINISH_REASONS.get(reason, reason),
        native_finish_reason=reason,
        latency=_ms(record.duration_seconds),
        generation_time=_ms(generated),
        tokens_prompt=record.prompt_tokens,
        tokens_completion=record.output_tokens,
        native_tokens_prompt=record.prompt_tokens,
        native_tokens_completion=record.output_tokens,
        native_tokens_reasoning=record.reasoning_tokens,
        native_tokens_cached=record.cached_tokens,
        num_media_prompt=record.images + record.videos,
        total_cost=record.cost,
        usage=record.cost,
    )


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)

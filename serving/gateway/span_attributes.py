"""What a request's span says, by OpenTelemetry's conventions for generative AI. Pure.

Source of the names: https://github.com/open-telemetry/semantic-conventions-genai; what has none
there is named `gateway.…`. Told are counts, times and the operator's own names; no text of a
client's, neither of prompts and answers nor of headers, but the request's id, which it may choose.
"""

from collections.abc import Mapping
from typing import Final

from serving.gateway.record import Record
from serving.options import Settings

Value = str | int | float | bool | tuple[str, ...]
Attributes = Mapping[str, Value]

# By OpenTelemetry's own list: what is no conversation is a completion of text.
OPERATIONS: Final = {"completions": "text_completion"}
CHAT: Final = "chat"
TCP: Final = "tcp://"


def operation(record: Record) -> str:
    """Return what was asked for, in OpenTelemetry's words."""
    return OPERATIONS.get(record.route, CHAT)


def span_name(record: Record) -> str:
    """Return the name of a request's span."""
    return f"{operation(record)} {record.model}".rstrip()


def request_attributes(record: Record) -> Attributes:
    """Return what is said of a request, without what is not known of it."""
    told = {
        "gen_ai.operation.name": operation(record),
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": record.model or None,
        "gen_ai.request.max_tokens": record.max_tokens,
        "gen_ai.request.stream": record.streamed,
        "gen_ai.request.choice.count": record.choices if record.choices > 1 else None,
        "http.response.status_code": record.status or None,
        "error.type": _error_type(record),
        "gateway.request.id": record.id,
        "gateway.route": record.route,
        "gateway.dialect": record.dialect,
        "gateway.key": record.key or None,
        "gateway.outcome": record.outcome,
        "gateway.thinking_token_budget": record.thinking_token_budget,
        **(_answer(record) if record.admitted else {}),
    }
    return {name: value for name, value in told.items() if value is not None}


def gateway_place(settings: Settings) -> Attributes:
    """Return where the gateway listens."""
    return {"server.address": settings.gateway.host, "server.port": settings.gateway.port}


def engine_place(settings: Settings) -> Attributes:
    """Return where the engine listens, by its socket's path or by host and port."""
    listen = settings.engine.listen
    if not listen.startswith(TCP):
        return {"server.address": listen, "network.transport": "unix"}
    host, _, port = listen.removeprefix(TCP).rpartition(":")
    return {"server.address": host, "server.port": int(port), "network.transport": "tcp"}


def _answer(record: Record) -> Mapping[str, Value | None]:
    reason = record.finish_reason
    return {
        "gen_ai.response.model": record.model,
        "gen_ai.response.finish_reasons": None if reason is None else (reason,),
        "gen_ai.response.time_to_first_chunk": record.first_token_seconds,
        "gen_ai.usage.input_tokens": record.prompt_tokens,
        "gen_ai.usage.output_tokens": record.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": record.reasoning_tokens,
        "gen_ai.usage.image.input_tokens": record.image_tokens,
        "gen_ai.usage.video.input_tokens": record.video_tokens,
        "gateway.usage.estimated": record.estimated,
        "gateway.cost_usd": record.cost,
        "gateway.budget_hit": record.budget_hit,
        "gateway.truncated_in_thinking": record.truncated_in_thinking,
        "gateway.running_sequences": record.running_sequences,
        "gateway.kv_cache_usage": record.kv_cache_usage,
    }


def _error_type(record: Record) -> str | None:
    """Return the code of what the client was told; who had gone was told nothing."""
    return None if record.verdict == "ok" else record.error or record.outcome

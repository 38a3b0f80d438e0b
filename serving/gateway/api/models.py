"""GET /models and /models/{id}: what is really served, under its own name."""

import sys
from typing import Any, Final

import msgspec

from serving.gateway.budget import SHARES
from serving.gateway.exchange import Exchange
from serving.gateway.served import ServedModel

PARAMETERS: Final = (
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "min_p",
    "parallel_tool_calls",
    "presence_penalty",
    "repetition_penalty",
    "response_format",
    "seed",
    "stop",
    "structured_outputs",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
)
THINKING_PARAMETERS: Final = ("include_reasoning", "reasoning", "reasoning_effort")
ARCHITECTURE: Final = {
    "modality": "text+image+video->text",
    "input_modalities": ["text", "image", "video"],
    "output_modalities": ["text"],
    "tokenizer": "Qwen3",
    "instruct_type": "qwen3",
}
DEFAULTS: Final = (
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
)


async def list_models(served: ServedModel, exchange: Exchange) -> None:
    """Answer with the one model there is."""
    if exchange.dialect.is_openrouter:
        listed: dict[str, Any] = {
            "data": [_openrouter_card(served)],
            "total_count": 1,
            "links": {"next": None},
        }
    else:
        listed = {"object": "list", "data": [_openai_card(served)]}
    await exchange.answer(200, msgspec.json.encode(listed))


async def show_model(served: ServedModel, exchange: Exchange, name: str) -> None:
    """Answer with the model, asked for by any of its names; raises NotFound."""
    served.check_name(name)
    openrouter = exchange.dialect.is_openrouter
    card = {"data": _openrouter_card(served)} if openrouter else _openai_card(served)
    await exchange.answer(200, msgspec.json.encode(card))


def _openai_card(served: ServedModel) -> dict[str, Any]:
    card: dict[str, Any] = {
        "id": served.entry.id,
        "object": "model",
        "created": served.created,
        "owned_by": served.entry.id.partition("/")[0],
    }
    if served.watch.max_model_len is not None:
        card["max_model_len"] = served.watch.max_model_len
    return card


def _openrouter_card(served: ServedModel) -> dict[str, Any]:
    entry, context = served.entry, served.watch.max_model_len
    card: dict[str, Any] = {
        "id": entry.id,
        "canonical_slug": entry.slug,
        "name": entry.id.rpartition("/")[2],
        "created": served.created,
        "hugging_face_id": entry.id if "/" in entry.id else None,
        "context_length": context,
        "architecture": ARCHITECTURE,
        "pricing": pricing(served),
        "top_provider": {
            "context_length": context,
            "max_completion_tokens": max_completion_tokens(served),
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": supported_parameters(served),
        "default_parameters": {
            name: value
            for name, value in entry.sampling_defaults(media=True).items()
            if name in DEFAULTS
        },
        "supported_voices": None,
        "links": {"details": f"/api/v1/models/{entry.id}/endpoints"},
    }
    if entry.thinks:
        card["reasoning"] = {
            "mandatory": True,
            "default_enabled": True,
            "default_effort": _effort_of(served.limits.default_thinking_share),
            "supported_efforts": list(SHARES),
            "supports_max_tokens": True,
        }
    return card


def _effort_of(share: float) -> str:
    """Return the effort nearest to a share of max_tokens."""
    return min(SHARES, key=lambda effort: abs(SHARES[effort] - share))


def supported_parameters(served: ServedModel) -> list[str]:
    """Return what a request may set, by OpenRouter's names."""
    return sorted(PARAMETERS + THINKING_PARAMETERS * served.entry.thinks)


def max_completion_tokens(served: ServedModel) -> int:
    """Return the most output that a request may ask for."""
    return min(served.limits.max_output_tokens, served.watch.max_model_len or sys.maxsize)


def pricing(served: ServedModel) -> dict[str, Any]:
    """Return USD per token as OpenRouter writes it: offered prices, and the discount in them."""
    price = served.entry.price
    offered = 1 - price.discount
    return {
        "prompt": _decimal(price.prompt * offered / 1e6),
        "completion": _decimal(price.completion * offered / 1e6),
        "request": "0",
        "image": "0",
        "discount": price.discount,
    }


def _decimal(amount: float) -> str:
    return f"{amount:.12f}".rstrip("0").rstrip(".")

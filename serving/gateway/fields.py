"""Closed lists of request fields: sent to the engine, read by the gateway, or ignored."""

import difflib
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from serving.gateway.errors import BadRequest

T = TypeVar("T")
Fields = dict[str, Raw]

NEVER_OPEN: Final = frozenset(
    [
        "priority",
        "cache_salt",
        "chat_template",
        "chat_template_kwargs",
        "kv_transfer_params",
        "ec_transfer_params",
        "vllm_xargs",
        "ignore_eos",
        "mm_processor_kwargs",
        "media_io_kwargs",
        "request_id",
        "documents",
        "add_generation_prompt",
        "continue_final_message",
        "add_special_tokens",
        "echo",
        "prompt_embeds",
        "mm_payload",
        "return_mm_kwargs",
    ]
)
SAMPLING: Final = frozenset(
    [
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "length_penalty",
        "logit_bias",
        "logprobs",
        "n",
        "seed",
        "stop",
        "stop_token_ids",
        "include_stop_str_in_output",
        "min_tokens",
        "skip_special_tokens",
        "spaces_between_special_tokens",
        "allowed_token_ids",
        "bad_words",
        "structured_outputs",
        "response_format",
        "repetition_detection",
        "return_token_ids",
        "return_tokens_as_token_ids",
    ]
)
READ_HERE: Final = frozenset(
    [
        "model",
        "max_tokens",
        "stream",
        "stream_options",
        "thinking_token_budget",
        "include_reasoning",
    ]
)
OPENAI_IGNORED: Final = frozenset(
    [
        "audio",
        "function_call",
        "functions",
        "metadata",
        "modalities",
        "moderation",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
        "web_search_options",
    ]
)


@dataclass(frozen=True, slots=True)
class Family:
    """The fields of one endpoint: passed on as they are, read by the gateway, or ignored."""

    passed: frozenset[str]
    read: frozenset[str]
    ignored: frozenset[str]

    @property
    def known(self) -> frozenset[str]:
        """Return every field a client may send."""
        return self.passed | self.read | self.ignored


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a client of one base path is spoken to."""

    ignores_unknown: bool
    always_usage: bool


OPENAI: Final = Dialect(ignores_unknown=False, always_usage=False)
OPENROUTER: Final = Dialect(ignores_unknown=True, always_usage=True)

CHAT: Final = Family(
    passed=SAMPLING | {"tools", "tool_choice", "parallel_tool_calls", "top_logprobs"},
    read=READ_HERE | {"messages", "max_completion_tokens", "reasoning", "reasoning_effort"},
    ignored=OPENAI_IGNORED,
)
COMPLETION: Final = Family(
    passed=SAMPLING | {"prompt", "suffix", "echo"},
    read=READ_HERE,
    ignored=frozenset({"user", "best_of", "metadata"}),
)


def read_fields(body: bytes, family: Family, dialect: Dialect) -> Fields:
    """Split a JSON object into its still encoded fields; null counts as not sent."""
    try:
        fields = _OBJECT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The request body is not a JSON object: {error}.") from None
    unknown = fields.keys() - family.known
    if unknown and not dialect.ignores_unknown:
        raise _unknown(sorted(unknown)[0], family)
    return {
        name: raw
        for name, raw in fields.items()
        if name not in unknown and bytes(memoryview(raw)[:5]) != b"null"
    }


def read_field(fields: Fields, name: str, kind: type[T]) -> T | None:
    """Decode one field, None where it was not sent; raises BadRequest naming it."""
    if name not in fields:
        return None
    try:
        return msgspec.json.decode(fields[name], type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(
            f"'{name}' has a value that cannot be used: {error}.", code="invalid_value", param=name
        ) from None


def encoded(value: object) -> Raw:
    """Return a value of ours as an encoded field."""
    return Raw(msgspec.json.encode(value))


def _unknown(name: str, family: Family) -> BadRequest:
    if name in NEVER_OPEN:
        hint = "This server does not open it to clients."
    else:
        near = difflib.get_close_matches(name, sorted(family.known), n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'?" if near else "Leave it out."
    shown = name if len(name) <= 64 else name[:64] + "…"
    return BadRequest(
        f"Unrecognized request argument supplied: '{shown}'. {hint}",
        code="unknown_parameter",
        param=shown,
    )


_OBJECT = msgspec.json.Decoder(dict[str, Raw])

"""What a response repeats of the request that it answers."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from serving.gateway.api.responses_request import ResponsesRequest, TextConfig
from serving.gateway.body import Body
from serving.gateway.chat_request import Reasoning, TextFormat

SAMPLING: Final = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
# What a server that keeps nothing has to say to the rest of OpenAI's fields.
FIXED: Final = {
    "background": False,
    "max_tool_calls": None,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "truncation": "disabled",
}


def echo_of(request: ResponsesRequest, body: Body, defaults: Mapping[str, Any]) -> dict[str, Raw]:
    """Return what a response repeats of its request; `defaults` are the model's own sampling."""
    sampling = {**defaults, **request.engine_fields()}
    reasoning, text = request.reasoning or Reasoning(), request.text or TextConfig()
    echo = {
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata or {},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "reasoning": {"effort": reasoning.effort, "summary": None},
        "text": {"format": text.format or TextFormat(), "verbosity": text.verbosity},
        "tool_choice": request.tool_choice or "auto",
        "tools": request.tools or [],
        "top_logprobs": request.top_logprobs or 0,
        "user": request.user,
        **{name: sampling.get(name) for name in SAMPLING},
        **FIXED,
    }
    return _ECHO.decode(b"".join(body.restore(msgspec.json.encode(echo))))


_ECHO = msgspec.json.Decoder(dict[str, Raw])

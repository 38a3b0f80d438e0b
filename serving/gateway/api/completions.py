"""POST /completions: a plain prompt, continued by the engine."""

from typing import Final

import msgspec

from serving.gateway.api.streaming import read_streaming
from serving.gateway.errors import BadRequest
from serving.gateway.exchange import Exchange
from serving.gateway.fields import COMPLETION, Dialect, encoded, read_fields
from serving.gateway.output import asked_tokens
from serving.gateway.relay import EngineRequest
from serving.gateway.served import ServedModel

DEFAULT_MAX_TOKENS: Final = 16  # OpenAI's and vLLM's


async def completions(served: ServedModel, exchange: Exchange, dialect: Dialect) -> None:
    """Serve one completion request; a thinking budget is sent only where the client set one."""
    fields = read_fields(await exchange.read_body(), COMPLETION, dialect)
    served.check_model(fields)
    streaming = read_streaming(fields, dialect)
    if "prompt" not in fields:
        raise BadRequest("'prompt' is missing.", code="missing_parameter", param="prompt")
    max_tokens = asked_tokens(fields, served.limits.max_output_tokens) or DEFAULT_MAX_TOKENS
    kept = COMPLETION.passed | {"thinking_token_budget"}
    passed = {name: raw for name, raw in fields.items() if name in kept}
    body = served.complete(passed, media=False) | streaming.fields
    body["max_tokens"] = encoded(max_tokens)
    request = EngineRequest(
        "/v1/completions", msgspec.json.encode(body), streaming.stream, streaming.show_usage
    )
    await served.relay.serve(exchange, request)

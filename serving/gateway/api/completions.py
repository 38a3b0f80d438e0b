"""POST /completions: a plain prompt, continued by the engine."""

import time
from typing import Any, Final

import msgspec

from serving.gateway.api.completion_view import CompletionView
from serving.gateway.chat_request import CompletionRequest, StructuredOutputs
from serving.gateway.errors import EngineRefused
from serving.gateway.exchange import Exchange
from serving.gateway.output import asked_tokens
from serving.gateway.reading import check_integers, invalid, read_request
from serving.gateway.refusal import GRAMMAR, name_grammar
from serving.gateway.relay import EngineRequest
from serving.gateway.sampling import UNUSED
from serving.gateway.served import ServedModel
from serving.gateway.view import Asked
from serving.gateway.workload import BYTES_PER_TOKEN

DEFAULT_MAX_TOKENS: Final = 16  # OpenAI's and vLLM's
MAX_PROMPTS: Final = 16
PASSED: Final = ("prompt", "echo", "logprobs", "thinking_token_budget")
IGNORED: Final = UNUSED | frozenset(["best_of", "session_id", "trace"])


async def completions(served: ServedModel, exchange: Exchange) -> None:
    """Serve one completion request; a thinking budget is sent only where the client set one."""
    dialect = exchange.dialect
    body = await served.read_body(exchange)
    request = read_request(body, CompletionRequest, dialect, IGNORED)
    _check_prompts(request.prompt)
    served.check_model(exchange, request.model)
    options = request.stream_options
    view = CompletionView(
        Asked(exchange.request_id, served.entry.id, int(time.time())),
        dialect,
        show_usage=dialect.is_openrouter or bool(options and options.include_usage),
    )
    fields = _engine_fields(served, request)
    fields |= exchange.key.priority.engine_fields
    check_integers(fields)
    upstream = EngineRequest(
        "/v1/completions",
        body.hand_over(msgspec.json.encode(fields)),
        stream=bool(request.stream),
        view=view,
        price=served.entry.price,
        thinking_token_budget=request.thinking_token_budget,
        choices=request.choices,
    )
    prompt_tokens = len(body.skeleton) // BYTES_PER_TOKEN
    exchange.journal.asks(upstream, fields["max_tokens"], prompt_tokens)
    work = served.admission.forecast.work(
        prompt_tokens,
        fields["max_tokens"],
        thinking_token_budget=request.thinking_token_budget,
        sequences=request.choices * _prompts(request.prompt),
    )
    try:
        async with served.admission.admit(exchange, work):
            await served.relay.serve(exchange, upstream)
    except EngineRefused as error:
        name_grammar(error, GRAMMAR)
        error.param = "prompt" if error.param == "messages" else error.param
        raise


def _prompts(prompt: str | list[str | int | list[int]]) -> int:
    """Return how many texts are to be continued."""
    return 1 if isinstance(prompt, str) or isinstance(prompt[0], int) else len(prompt)


def _check_prompts(prompt: str | list[str | int | list[int]]) -> None:
    """Check what the type cannot: that all are of one kind, and not too many."""
    if isinstance(prompt, str):
        return
    kinds = {type(each) for each in prompt}
    if len(kinds) > 1:
        raise invalid("'prompt' mixes texts and token ids; send one kind of them.", "prompt")
    if kinds != {int} and len(prompt) > MAX_PROMPTS:
        raise invalid(
            f"'prompt' holds {len(prompt)} prompts; the limit is {MAX_PROMPTS}. Send fewer.",
            "prompt",
        )


def _engine_fields(served: ServedModel, request: CompletionRequest) -> dict[str, Any]:
    limit = served.limits.max_output_tokens
    fields = {
        **served.entry.sampling_defaults(media=False),
        **request.engine_fields(),
        "model": served.entry.id,
        "max_tokens": asked_tokens(request, limit) or DEFAULT_MAX_TOKENS,
        "stream": bool(request.stream),
    }
    if request.stream:
        fields["stream_options"] = {"include_usage": True}
    if isinstance(request.structured_outputs, StructuredOutputs):
        fields["structured_outputs"] = request.structured_outputs
    for name in PASSED:
        if (value := getattr(request, name)) is not None:
            fields[name] = value
    return fields

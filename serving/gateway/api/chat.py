"""POST /chat/completions: an OpenAI chat request becomes the engine's, its answer is relayed."""

import time
from typing import Final

from serving.gateway.api.chat_view import ChatView
from serving.gateway.chat_request import ChatRequest
from serving.gateway.conversation import Question
from serving.gateway.exchange import Exchange
from serving.gateway.generation import generate
from serving.gateway.output import hides_thought
from serving.gateway.reading import read_request
from serving.gateway.sampling import UNUSED
from serving.gateway.served import ServedModel
from serving.gateway.view import Asked

# Fields of OpenAI's and OpenRouter's published schemas that have no effect here.
IGNORED: Final = UNUSED | frozenset(
    [
        "audio",
        "cache_control",
        "debug",
        "function_call",
        "functions",
        "image_config",
        "modalities",
        "moderation",
        "plugins",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "route",
        "safety_identifier",
        "service_tier",
        "session_id",
        "stop_server_tools_when",
        "store",
        "top_a",
        "trace",
        "transforms",
        "usage",
        "verbosity",
        "web_search_options",
    ]
)


async def chat_completions(served: ServedModel, exchange: Exchange) -> None:
    """Serve one chat request."""
    dialect = exchange.dialect
    body = await served.read_body(exchange)
    request = read_request(body, ChatRequest, dialect, IGNORED)
    served.check_model(exchange, request.model)
    asked = Asked(
        exchange.request_id,
        served.entry.id,
        int(time.time()),
        hide_thought=served.entry.thinks and hides_thought(request),
    )
    options = request.stream_options
    view = ChatView(
        asked,
        dialect,
        alias=served.limits.reasoning_content,
        show_usage=dialect.is_openrouter or bool(options and options.include_usage),
    )
    await generate(served, exchange, Question(request, body), view)

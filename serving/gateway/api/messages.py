"""POST /messages and /messages/count_tokens: Anthropic's dialect of a chat."""

import re
import time
from typing import Final

import msgspec

from serving.gateway.api.messages_question import check_thinking, prompt_of, question_of
from serving.gateway.api.messages_request import (
    CountTokensRequest,
    MessagesRequest,
    ThinkingDisabled,
)
from serving.gateway.api.messages_view import MessagesView
from serving.gateway.conversation import read_conversation
from serving.gateway.errors import GatewayError
from serving.gateway.exchange import Exchange
from serving.gateway.generation import count_prompt, generate
from serving.gateway.reading import read_request
from serving.gateway.served import ServedModel
from serving.gateway.view import Asked

# Fields of Anthropic's published schema that have no effect here.
IGNORED: Final = frozenset(
    [
        "cache_control",
        "container",
        "context_management",
        "diagnostics",
        "inference_geo",
        "metadata",
        "service_tier",
        "speed",
        "user_profile_id",
    ]
)
HINTS: Final = (
    (
        re.compile(r"messages\[\d+\]\.content\[\d+\]\.type"),
        "A user's blocks are text, image and tool_result, an assistant's text, thinking and "
        "tool_use. Send a document as its text, or its pages as images.",
    ),
    (
        re.compile(r"messages\[\d+\]\.content\[\d+\]\.content\[\d+\]\.type"),
        "A tool's result is made of text and image. Send a document as its text.",
    ),
    (
        re.compile(r".*\.source\.type"),
        "Pictures come as base64 or url.",
    ),
    (
        re.compile(r"tools\[\d+\]\.type"),
        "This server runs no tools itself. Send the tool with an input_schema, without a type or "
        "as custom, and run it in the client.",
    ),
)


async def messages(served: ServedModel, exchange: Exchange) -> None:
    """Serve one message."""
    body = await served.read_body(exchange)
    request = read_request(body, MessagesRequest, exchange.dialect, IGNORED, HINTS)
    served.check_model(exchange, request.model)
    thinking = request.thinking
    strict = not exchange.dialect.ignores_unknown
    check_thinking(thinking, thinks=served.entry.thinks, strict=strict)
    asked = Asked(
        exchange.request_id, served.entry.id, int(time.time()), hide_thought=thinking is None
    )
    display = None if isinstance(thinking, ThinkingDisabled | None) else thinking.display
    view = MessagesView(asked, exchange.dialect, omit_thought=display == "omitted")
    try:
        await generate(served, exchange, question_of(request, body), view)
    except GatewayError as error:
        error.message = error.message.replace("'response_format'", "'output_config.format'")
        raise


async def count_tokens(served: ServedModel, exchange: Exchange) -> None:
    """Answer with the prompt's exact tokens, pictures and tools included."""
    body = await served.read_body(exchange)
    request = read_request(body, CountTokensRequest, exchange.dialect, IGNORED, HINTS)
    served.check_model(exchange, request.model)
    prompt = prompt_of(request, body)
    conversation = await read_conversation(
        prompt, served.media.within(exchange.memory, exchange.record), served.limits
    )
    async with served.admission.charge(exchange, tokens=0):
        count = await count_prompt(served, exchange, prompt, conversation)
    await exchange.answer(200, msgspec.json.encode({"input_tokens": count}))

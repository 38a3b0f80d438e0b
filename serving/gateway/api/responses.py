"""POST /responses, stateless: every request holds its whole conversation."""

import re
import time
from typing import Final

from serving.gateway.api.responses_echo import echo_of
from serving.gateway.api.responses_question import question_of
from serving.gateway.api.responses_request import ResponsesRequest, with_types
from serving.gateway.api.responses_view import ResponsesView, openrouter_envelope
from serving.gateway.body import Body
from serving.gateway.dialect import Dialect
from serving.gateway.errors import BadRequest, GatewayError
from serving.gateway.exchange import Exchange
from serving.gateway.generation import generate
from serving.gateway.output import hides_thought
from serving.gateway.reading import read_request
from serving.gateway.served import ServedModel
from serving.gateway.view import Asked

# Fields of OpenAI's and OpenRouter's published schemas that have no effect here.
IGNORED: Final = frozenset(
    [
        "access_programs",
        "cache_control",
        "context_management",
        "debug",
        "deferred_tools",
        "image",
        "image_config",
        "max_tool_calls",
        "modalities",
        "moderation",
        "plugins",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "route",
        "safety_identifier",
        "service_tier",
        "session_id",
        "stop_server_tools_when",
        "store",
        "stream_options",
        "top_a",
        "trace",
        "transforms",
        "truncation",
    ]
)
# What the fields of a chat request are called here: errors about it speak of the client's own.
OWN_NAMES: Final = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
}
CHAT_NAME: Final = re.compile(rf"(?<![.\w])(?:{'|'.join(OWN_NAMES)})\b")
HINTS: Final = (
    (
        re.compile(r"input\[\d+\]\.type"),
        "Items are message, function_call, function_call_output and reasoning; this server keeps "
        "none that could be referred to.",
    ),
    (
        re.compile(r"input\[\d+\]\.(?:content|output)\[\d+\]\.type"),
        "Parts are input_text, input_image, input_video, output_text and refusal. Send a document "
        "as its text, or its pages as pictures.",
    ),
    (
        re.compile(r"tools\[\d+\]\.type"),
        "This server runs no tools itself. Send functions, and run them in the client.",
    ),
    (
        re.compile(r"tool_choice\.type"),
        "Choose none, auto, required, or a function by its name.",
    ),
)


async def responses(served: ServedModel, exchange: Exchange) -> None:
    """Serve one request for a response."""
    dialect, entry = exchange.dialect, served.entry
    if dialect.is_openrouter:
        exchange.envelope = openrouter_envelope
    body = await served.read_body(exchange)
    request = read_response_request(body, dialect)
    served.check_model(exchange, request.model)
    question = question_of(request, body)
    asked = Asked(
        exchange.request_id,
        entry.id,
        int(time.time()),
        hide_thought=entry.thinks and hides_thought(question.request),
    )
    defaults = entry.sampling_defaults(media=bool(question.media_origins))
    view = ResponsesView(asked, dialect, echo_of(request, body, defaults))
    try:
        await generate(served, exchange, question, view)
    except GatewayError as error:
        use_own_names(error)
        raise


def read_response_request(body: Body, dialect: Dialect) -> ResponsesRequest:
    """Read a request; a field of chat completions is refused with its name here."""
    body.skeleton = with_types(body.skeleton)
    try:
        return read_request(body, ResponsesRequest, dialect, IGNORED, HINTS)
    except BadRequest as error:
        if own := OWN_NAMES.get(error.param or ""):
            error.message = f"'{error.param}' is a field of chat completions; here it is '{own}'."
        raise


def use_own_names(error: GatewayError) -> None:
    """Let an error about the chat request speak of the client's own fields."""
    error.message = CHAT_NAME.sub(lambda name: OWN_NAMES[name[0]], error.message)
    error.param = error.param and CHAT_NAME.sub(lambda name: OWN_NAMES[name[0]], error.param)

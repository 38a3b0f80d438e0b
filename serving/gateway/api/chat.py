"""POST /chat/completions: an OpenAI chat request becomes the engine's, its answer is relayed."""

import msgspec

from serving.gateway.api.streaming import read_streaming
from serving.gateway.conversation import read_conversation
from serving.gateway.errors import BadRequest
from serving.gateway.exchange import Exchange
from serving.gateway.fields import CHAT, Dialect, encoded, read_fields
from serving.gateway.output import plan_output
from serving.gateway.relay import EngineRequest
from serving.gateway.served import ServedModel


async def chat_completions(served: ServedModel, exchange: Exchange, dialect: Dialect) -> None:
    """Serve one chat request."""
    fields = read_fields(await exchange.read_body(), CHAT, dialect)
    served.check_model(fields)
    streaming = read_streaming(fields, dialect)
    if "messages" not in fields:
        raise BadRequest("'messages' is missing.", code="missing_parameter", param="messages")
    conversation = await read_conversation(
        fields["messages"], served.media, served.limits.max_images
    )
    tools_bytes = len(memoryview(fields["tools"])) if "tools" in fields else 0
    plan = plan_output(
        fields,
        limits=served.limits,
        thinks=served.entry.thinks,
        rest_tokens=served.rest_tokens(conversation.max_prompt_tokens + tools_bytes),
    )
    passed = {name: raw for name, raw in fields.items() if name in CHAT.passed}
    if bytes(passed.get("structured_outputs", b"")) in {b"true", b"false"}:
        del passed["structured_outputs"]  # a boolean is a wish of OpenRouter's, not a grammar
    body = served.complete(passed, media=conversation.has_media) | streaming.fields
    body["messages"] = conversation.messages
    if plan.max_tokens is not None:
        body["max_tokens"] = encoded(plan.max_tokens)
    if plan.thinking_token_budget is not None:
        body["thinking_token_budget"] = encoded(plan.thinking_token_budget)
    request = EngineRequest(
        "/v1/chat/completions", msgspec.json.encode(body), streaming.stream, streaming.show_usage
    )
    await served.relay.serve(exchange, request)

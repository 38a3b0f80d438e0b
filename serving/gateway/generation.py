"""From a chat request, in whichever dialect it came, to the engine and back."""

from typing import Any, Final

import msgspec

from serving.gateway.attribution import plain
from serving.gateway.chat_request import ChatRequest, StructuredOutputs, TextFormat
from serving.gateway.conversation import Conversation, Question, read_conversation
from serving.gateway.errors import EngineFailed, EngineRefused
from serving.gateway.exchange import Exchange
from serving.gateway.output import OutputPlan, asked_tokens, hides_thought, plan_output
from serving.gateway.reading import check_integers, invalid
from serving.gateway.refusal import BROKEN_OFF, name_grammar
from serving.gateway.relay import EngineRequest
from serving.gateway.served import ServedModel
from serving.gateway.stop import StopTexts
from serving.gateway.timeline import Stage
from serving.gateway.view import View

PASSED: Final = (
    "response_format",
    "parallel_tool_calls",
    "logprobs",
    "top_logprobs",
)

# The engine counts the line break that follows <think> in the prompt; clients count their thought.
OPENING_TOKENS: Final = 1


async def generate(served: ServedModel, exchange: Exchange, question: Question, view: View) -> None:
    """Serve one chat request, whichever dialect it came in."""
    request = question.request
    _check_form(request)
    exchange.journal.enter(Stage.MEDIA)
    conversation = await read_conversation(
        question, served.media.within(exchange.memory, exchange.record), served.limits
    )
    exchange.journal.enter(Stage.ADMITTED)
    plan = await _plan(served, exchange, question, conversation)
    # Before the answer there is a thought, which no stop text may end: the gateway matches them.
    stop = None
    if request.stops and served.entry.thinks:
        stop = StopTexts(
            request.stops, request.choices, included=bool(request.include_stop_str_in_output)
        )
    fields = _engine_fields(served, request, conversation, plan, stop)
    fields |= exchange.key.priority.engine_fields
    check_integers(fields)
    upstream = EngineRequest(
        "/v1/chat/completions",
        question.body.hand_over(msgspec.json.encode(fields)),
        stream=bool(request.stream),
        view=view,
        price=served.entry.price,
        thinking_token_budget=plan.thinking_token_budget,
        choices=request.choices,
        stop=stop,
    )
    exchange.record.user = plain(request.user or "")
    exchange.journal.asks(upstream, plan.max_tokens, conversation.likely_prompt_tokens)
    work = served.admission.forecast.work(
        conversation.likely_prompt_tokens,
        plan.max_tokens,
        thinking_token_budget=plan.thinking_token_budget,
        sequences=request.choices,
    )
    try:
        async with served.admission.admit(exchange, work):
            await served.relay.serve(exchange, upstream)
    except EngineRefused as error:
        name_grammar(error, request.grammar)
        raise
    except EngineFailed as error:
        # Under a grammar, generation fails where no token is allowed.
        by_grammar = request.grammar is not None and not conversation.has_media
        if not by_grammar or BROKEN_OFF not in error.message:
            raise
        raise invalid(
            f"The engine found no text that '{request.grammar}' allows. Check that its schema or "
            "grammar can be fulfilled.",
            request.grammar or "",
        ) from None


async def count_prompt(
    served: ServedModel, exchange: Exchange, question: Question, conversation: Conversation
) -> int:
    """Return the prompt's exact tokens, by the engine's own template and picture processor."""
    fields: dict[str, Any] = {"model": served.entry.id, "messages": conversation.messages}
    if tools := question.request.offered_tools:
        fields["tools"] = tools
    body = question.body.restore(msgspec.json.encode(fields))
    with served.admission.count():
        return await served.relay.count(exchange, body)


def _check_form(request: ChatRequest) -> None:
    """Raise BadRequest where two fields give the answer its form."""
    formed = not isinstance(request.response_format, TextFormat | None)
    if formed and isinstance(request.structured_outputs, StructuredOutputs):
        raise invalid(
            "'structured_outputs' and 'response_format' both give the answer its form. Send one.",
            "structured_outputs",
        )


async def _plan(
    served: ServedModel, exchange: Exchange, question: Question, conversation: Conversation
) -> OutputPlan:
    """Plan by the prompt's upper bound; count it exactly only where that leaves too little."""
    request, limits = question.request, served.limits
    asked = asked_tokens(request, limits.max_output_tokens)
    context, rest = served.watch.max_model_len, limits.max_output_tokens
    if context is not None:
        rest = context - conversation.max_prompt_tokens
        if rest < (asked or min(limits.max_output_tokens, context // 4)):
            rest = context - await count_prompt(served, exchange, question, conversation)
    return plan_output(
        request,
        limits=limits,
        thinks=served.entry.thinks,
        context=context or rest,
        rest_tokens=rest,
    )


def _engine_fields(
    served: ServedModel,
    request: ChatRequest,
    conversation: Conversation,
    plan: OutputPlan,
    stop: StopTexts | None,
) -> dict[str, Any]:
    fields = {
        **served.entry.sampling_defaults(media=conversation.has_media),
        **request.engine_fields(),
        "model": served.entry.id,
        "messages": conversation.messages,
        "max_tokens": plan.max_tokens,
        "stream": bool(request.stream) or stop is not None,
    }
    if plan.thinking_token_budget is not None:
        fields["thinking_token_budget"] = plan.thinking_token_budget + OPENING_TOKENS
    if stop is not None:
        fields.pop("stop")
        fields.pop("include_stop_str_in_output", None)
    if served.entry.thinks and hides_thought(request):
        fields.pop("return_token_ids", None)  # they would show it
    if fields["stream"]:
        # Only the engine counts; where we hang up on it, its last count must have come by then.
        counted = {"include_usage": True} | ({"continuous_usage_stats": True} if stop else {})
        fields["stream_options"] = counted
    if isinstance(request.structured_outputs, StructuredOutputs):
        fields["structured_outputs"] = request.structured_outputs
    if tools := request.offered_tools:
        fields["tools"] = tools
    if request.tool_choice is not None and request.tool_choice != "none":
        fields["tool_choice"] = request.tool_choice
    for name in PASSED:
        if (value := getattr(request, name)) is not None:
            fields[name] = value
    return fields

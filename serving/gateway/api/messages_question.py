"""Turns a Messages request into the chat request that asks the engine the same."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Final, Literal

import msgspec

from serving.gateway.api.messages_request import (
    AnyChoice,
    AssistantTurn,
    Base64Source,
    CountTokensRequest,
    ImageBlock,
    MessagesRequest,
    NamedChoice,
    NoChoice,
    SystemText,
    Thinking,
    ThinkingBlock,
    ThinkingDisabled,
    ThinkingEnabled,
    ToolResultBlock,
    ToolUseBlock,
    UserTurn,
)
from serving.gateway.body import Body
from serving.gateway.chat_request import (
    AssistantMessage,
    ChatRequest,
    Function,
    FunctionCall,
    ImagePart,
    ImageUrl,
    JsonSchema,
    JsonSchemaFormat,
    Message,
    NamedFunction,
    NamedTool,
    Part,
    Reasoning,
    SystemMessage,
    TextPart,
    Tool,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from serving.gateway.conversation import Question
from serving.gateway.reading import invalid

# The engine's template has no word for a tool that failed.
FAILED: Final = "Error: "
# Claude Code's first system block: a hash of the request, which no cached prompt would begin with.
BILLING_HEADER: Final = "x-anthropic-billing-header"
FORMAT_NAME: Final = "answer"
OBJECT: Final = {"type": "object"}


def prompt_of(request: CountTokensRequest, body: Body) -> Question:
    """Return what the prompt is made of, without how it is to be answered."""
    chat = ChatRequest(messages=[*_messages(request, body)], tools=_tools(request))
    return Question(chat, body, media_origins=[*_media_origins(request)])


def question_of(request: MessagesRequest, body: Body) -> Question:
    """Return the whole question; raises BadRequest for what cannot hold."""
    if isinstance(request.messages[-1], AssistantTurn):
        raise invalid(
            "The last message is the assistant's, and this model begins every answer itself. End "
            "with a user's message; output_config.format gives the answer a form.",
            "messages",
        )
    prompt = prompt_of(request, body)
    choice = request.tool_choice
    alone = not isinstance(choice, NoChoice | None) and choice.disable_parallel_tool_use
    asked = msgspec.structs.replace(
        prompt.request,
        model=request.model,
        max_tokens=request.max_tokens,
        stop=request.stop_sequences,
        stream=request.stream,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        tool_choice=_tool_choice(request),
        parallel_tool_calls=False if alone else None,
        reasoning=_reasoning(request),
        response_format=_response_format(request),
    )
    return replace(prompt, request=asked)


def check_thinking(thinking: Thinking | None, *, thinks: bool, strict: bool) -> None:
    """Refuse what the model cannot do; raises BadRequest."""
    if thinks and isinstance(thinking, ThinkingDisabled):
        raise invalid(
            "'thinking.type' is disabled, and this model always thinks. Leave 'thinking' out: the "
            "thought is then not shown. output_config.effort low makes it short.",
            "thinking.type",
        )
    if strict and not thinks and isinstance(thinking, ThinkingEnabled):
        raise invalid(
            "'thinking.type' is enabled, and this model does not think. Leave 'thinking' out.",
            "thinking.type",
        )


def _messages(request: CountTokensRequest, body: Body) -> Iterator[Message]:
    if system := _system(request.system):
        yield SystemMessage(content=_content(system))
    for turn in request.messages:
        match turn:
            case UserTurn():
                yield from _user_messages(turn)
            case AssistantTurn():
                yield _assistant_message(turn, body)
            case _:
                yield SystemMessage(content=_content(turn.content))


def _system(system: str | list[SystemText] | None) -> str | list[SystemText]:
    if not system or isinstance(system, str):
        return system or ""
    return [block for block in system if not block.text.startswith(BILLING_HEADER)]


def _user_messages(turn: UserTurn) -> Iterator[Message]:
    """Split a turn where tools' results end and the user's own words begin; the order stays."""
    if isinstance(turn.content, str):
        yield UserMessage(content=turn.content)
        return
    for _, blocks in groupby(turn.content, lambda block: isinstance(block, ToolResultBlock)):
        said: list[TextPart | ImageBlock] = []
        for block in blocks:
            if isinstance(block, ToolResultBlock):
                yield ToolMessage(content=_result(block), tool_call_id=block.tool_use_id)
            else:
                said.append(block)
        if said:
            yield UserMessage(content=_content(said))


def _assistant_message(turn: AssistantTurn, body: Body) -> Message:
    if isinstance(turn.content, str):
        return AssistantMessage(content=turn.content)
    thoughts = [block.thinking for block in turn.content if isinstance(block, ThinkingBlock)]
    calls = [_call(block, body) for block in turn.content if isinstance(block, ToolUseBlock)]
    return AssistantMessage(
        content="".join(block.text for block in turn.content if isinstance(block, TextPart)),
        reasoning="".join(thoughts) or None,
        tool_calls=calls or None,
    )


def _call(block: ToolUseBlock, body: Body) -> ToolCall:
    """Return a call of the history; a text that was cut from its input is put back at once.

    The arguments are a JSON text within JSON, where a piece of the request's own would not fit.
    """
    arguments = b"".join(body.restore(msgspec.json.encode(block.input)))
    return ToolCall(FunctionCall(block.name, arguments.decode()), id=block.id)


def _result(block: ToolResultBlock) -> str | list[Part]:
    content = block.content or ""
    if not block.is_error:
        return _content(content)
    if isinstance(content, str):
        return FAILED + content
    return _content([TextPart(FAILED), *content])


def _content(
    content: str | list[SystemText] | list[TextPart | ImageBlock],
) -> str | list[Part]:
    if isinstance(content, str):
        return content
    return [_picture(block) if isinstance(block, ImageBlock) else block for block in content]


def _picture(block: ImageBlock) -> ImagePart:
    match block.source:
        case Base64Source(media_type, data):
            return ImagePart(ImageUrl(f"data:{media_type};base64,{data}"))
        case source:
            return ImagePart(ImageUrl(source.url))


def _media_origins(request: CountTokensRequest) -> Iterator[str]:
    """Yield each picture's name, in order."""
    for at, turn in enumerate(request.messages):
        if not isinstance(turn, UserTurn) or isinstance(turn.content, str):
            continue
        for number, block in enumerate(turn.content):
            origin = f"messages[{at}].content[{number}]"
            if isinstance(block, ImageBlock):
                yield _picture_origin(block, origin)
            elif isinstance(block, ToolResultBlock) and isinstance(block.content, list):
                for inner, part in enumerate(block.content):
                    if isinstance(part, ImageBlock):
                        yield _picture_origin(part, f"{origin}.content[{inner}]")


def _picture_origin(block: ImageBlock, origin: str) -> str:
    field = "data" if isinstance(block.source, Base64Source) else "url"
    return f"{origin}.source.{field}"


def _tools(request: CountTokensRequest) -> list[Tool] | None:
    """Return the tools that the model reads of: none where it must call none, or it would try."""
    if not request.tools or isinstance(request.tool_choice, NoChoice):
        return None
    for at, tool in enumerate(request.tools):
        if tool.input_schema.get("type", "object") != "object":
            name = f"tools[{at}].input_schema.type"
            raise invalid(f"'{name}' must be 'object': a call's input is one.", name)
    return [
        Tool(Function(tool.name, tool.description, OBJECT | tool.input_schema, tool.strict))
        for tool in request.tools
    ]


def _tool_choice(request: MessagesRequest) -> Literal["required"] | NamedTool | None:
    """Return what must be called; without such a choice the model decides."""
    choice = request.tool_choice
    names = [tool.name for tool in request.tools or ()]
    match choice:
        case NamedChoice() if choice.name not in names:
            raise invalid(f"'tools' holds no tool '{choice.name[:128]}'.", "tool_choice.name")
        case NamedChoice():
            return NamedTool(NamedFunction(choice.name))
        case AnyChoice() if not names:
            raise invalid("'tools' holds none that could be called.", "tool_choice")
        case AnyChoice():
            return "required"
    return None


def _reasoning(request: MessagesRequest) -> Reasoning:
    effort = request.output_config.effort if request.output_config else None
    thinking = request.thinking
    if not isinstance(thinking, ThinkingEnabled):
        return Reasoning(effort=effort)
    if thinking.budget_tokens >= request.max_tokens:
        raise invalid(
            f"'thinking.budget_tokens' is {thinking.budget_tokens}; it must be less than "
            f"'max_tokens', which is {request.max_tokens}, or nothing is left for the answer.",
            "thinking.budget_tokens",
        )
    return Reasoning(effort=effort, max_tokens=thinking.budget_tokens)


def _response_format(request: MessagesRequest) -> JsonSchemaFormat | None:
    wanted = request.output_config.format if request.output_config else None
    if wanted is None:
        return None
    return JsonSchemaFormat(JsonSchema(FORMAT_NAME, wanted.schema, strict=True))

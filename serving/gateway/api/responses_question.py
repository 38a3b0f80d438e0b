"""Turns a request for a response into the chat request that asks the engine the same."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from serving.gateway.api.responses_request import (
    LOGPROBS,
    FlatJsonSchemaFormat,
    FunctionCallItem,
    FunctionCallOutputItem,
    FunctionTool,
    InputImage,
    InputVideo,
    Item,
    MessageItem,
    NamedFunctionTool,
    Part,
    ReasoningItem,
    ResponsesRequest,
)
from serving.gateway.body import Body
from serving.gateway.chat_request import (
    AssistantMessage,
    ChatRequest,
    Content,
    DeveloperMessage,
    Format,
    Function,
    FunctionCall,
    ImagePart,
    ImageUrl,
    JsonSchema,
    JsonSchemaFormat,
    Message,
    NamedFunction,
    NamedTool,
    RefusalPart,
    Shared,
    SystemMessage,
    TextPart,
    Tool,
    ToolCall,
    ToolMessage,
    UserMessage,
    VideoPart,
    VideoUrl,
)
from serving.gateway.chat_request import Part as ChatPart
from serving.gateway.conversation import Question, check_arguments
from serving.gateway.errors import BadRequest
from serving.gateway.reading import invalid, missing

# What this server has no memory for, and what to send in its place.
REFUSED: Final = {
    "previous_response_id": "This server keeps no responses; send the whole conversation as input.",
    "conversation": "This server keeps no conversations; send the whole of it as input.",
    "prompt": "This server keeps no prompt templates; send instructions and input.",
    "background": "This server keeps no responses to be asked for later; leave background out.",
}
ROLES: Final[Mapping[str, type[UserMessage | SystemMessage]]] = {
    "user": UserMessage,
    "system": SystemMessage,
    "developer": DeveloperMessage,
}
# What has the same name and meaning in both.
SAME: Final = (
    *Shared.__struct_fields__,
    "reasoning",
    "include_reasoning",
    "parallel_tool_calls",
)


def question_of(request: ResponsesRequest, body: Body) -> Question:
    """Return the question; raises BadRequest for what cannot be answered."""
    for name, reason in REFUSED.items():
        if getattr(request, name):
            raise BadRequest(reason, code="unsupported_parameter", param=name)
    history = _History(request)
    same: dict[str, Any] = {name: getattr(request, name) for name in SAME}
    shows_logprobs = LOGPROBS in (request.include or ())
    chat = ChatRequest(
        **same,
        messages=history.messages,
        max_tokens=request.max_output_tokens,
        response_format=_response_format(request),
        tools=[_tool(tool) for tool in request.tools or ()] or None,
        tool_choice=_tool_choice(request),
        logprobs=shows_logprobs or None,
        top_logprobs=request.top_logprobs if shows_logprobs else None,
    )
    return Question(chat, body, history.origins, history.media_origins)


class _History:
    """A chat's messages, and where in the request they and their pictures and videos stand."""

    def __init__(self, request: ResponsesRequest) -> None:
        self.messages: list[Message] = []
        self.origins: list[str] = []
        self.media_origins: list[str] = []
        if request.instructions:
            self._add(SystemMessage(content=request.instructions), "instructions")
        if isinstance(request.input, str):
            self._add(UserMessage(content=request.input), "input")
            return
        for at, item in enumerate(request.input):
            self._read(item, f"input[{at}]")
        for message, origin in zip(self.messages, self.origins, strict=True):
            if isinstance(message, AssistantMessage) and _only_thinks(message):
                raise invalid(
                    f"'{origin}' is a thought that led to nothing; send it with the message or the "
                    f"function call that followed it, or leave it out.",
                    origin,
                )

    def _read(self, item: Item, origin: str) -> None:
        match item:
            case MessageItem(role="assistant"):
                parts = self._parts(item.content or "", f"{origin}.content")
                self._turn(origin).content = _joined(parts)
            case MessageItem(role, content):
                parts = self._parts(content or "", f"{origin}.content")
                self._add(ROLES[role](content=parts), origin)
            case FunctionCallItem(call_id, name, arguments):
                check_arguments(arguments, f"{origin}.arguments")
                turn = self._turn(origin, says_more=True)
                turn.tool_calls = turn.tool_calls or []
                turn.tool_calls.append(ToolCall(FunctionCall(name, arguments), id=call_id))
            case FunctionCallOutputItem(call_id, output):
                parts = self._parts(output, f"{origin}.output")
                self._add(ToolMessage(content=parts, tool_call_id=call_id), origin)
            case ReasoningItem() if item.thought:
                turn = self._turn(origin)
                turn.reasoning = (turn.reasoning or "") + item.thought

    def _turn(self, origin: str, *, says_more: bool = False) -> AssistantMessage:
        """Return the assistant's turn that an item belongs to: a thought, a text, then calls."""
        last = self.messages[-1] if self.messages else None
        if isinstance(last, AssistantMessage) and (says_more or _only_thinks(last)):
            return last
        turn = AssistantMessage()
        self._add(turn, origin)
        return turn

    def _add(self, message: Message, origin: str) -> None:
        self.messages.append(message)
        self.origins.append(origin)

    def _parts(self, content: str | list[Part], origin: str) -> Content:
        if isinstance(content, str):
            return content
        return [self._part(part, f"{origin}[{at}]") for at, part in enumerate(content)]

    def _part(self, part: Part, origin: str) -> ChatPart:
        match part:
            case RefusalPart():
                return part
            case InputImage():
                self.media_origins.append(f"{origin}.image_url")
                return ImagePart(ImageUrl(_url(part, origin)))
            case InputVideo(video_url):
                self.media_origins.append(f"{origin}.video_url")
                return VideoPart(VideoUrl(video_url))
            case _:
                return TextPart(part.text)


def _only_thinks(turn: AssistantMessage) -> bool:
    return turn.content is None and turn.tool_calls is None


def _joined(content: Content) -> Content:
    """Return an answer's text as the one string that it was, whatever parts it came in."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in content:
        match part:
            case TextPart(text) | RefusalPart(text):
                texts.append(text)
            case _:
                return content
    return "".join(texts)


def _url(image: InputImage, origin: str) -> str:
    if image.image_url:
        return image.image_url
    if image.file_id:
        raise BadRequest(
            f"'{origin}.file_id': this server keeps no files; send the picture as image_url.",
            code="unsupported_parameter",
            param=f"{origin}.file_id",
        )
    raise missing(f"{origin}.image_url")


def _tool(tool: FunctionTool) -> Tool:
    return Tool(Function(tool.name, tool.description, tool.parameters, tool.strict))


def _tool_choice(
    request: ResponsesRequest,
) -> Literal["none", "auto", "required"] | NamedTool | None:
    choice = request.tool_choice
    if isinstance(choice, NamedFunctionTool):
        return NamedTool(NamedFunction(choice.name))
    return choice


def _response_format(request: ResponsesRequest) -> Format | None:
    wanted = request.text.format if request.text else None
    if isinstance(wanted, FlatJsonSchemaFormat):
        schema = JsonSchema(wanted.name, wanted.schema, wanted.description, wanted.strict)
        return JsonSchemaFormat(schema)
    return wanted

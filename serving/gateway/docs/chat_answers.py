"""What chat and plain completions answer with, in both dialects: types for the document alone."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error"]
NativeReason = Annotated[str, Meta(description="The engine's own word for finish_reason")]
COST = "USD; 0 where the operator set no price"


class PromptTokens(msgspec.Struct):
    """What the prompt's tokens were."""

    cached_tokens: int
    image_tokens: int | UnsetType = UNSET
    video_tokens: int | UnsetType = UNSET


class CompletionTokens(msgspec.Struct):
    """What the output's tokens were."""

    reasoning_tokens: Annotated[int, Meta(description="Tokens before the end of the thought")]
    reasoning_budget_hit: (
        Annotated[bool, Meta(description="true where the budget ended the thought")] | UnsetType
    ) = UNSET


class ChatUsage(msgspec.Struct):
    """The engine's own count of tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokens
    completion_tokens_details: CompletionTokens


class CostDetails(msgspec.Struct):
    """The two parts of the cost."""

    upstream_inference_cost: None
    upstream_inference_prompt_cost: float
    upstream_inference_completions_cost: float


class OpenRouterChatUsage(ChatUsage):
    """The engine's own count of tokens, and what they cost."""

    cost: Annotated[float, Meta(description=COST)]
    is_byok: bool
    cost_details: CostDetails


class CalledFunction(msgspec.Struct):
    """The function and its arguments as JSON text."""

    name: str | None
    arguments: str | None


class ToolCallMade(msgspec.Struct):
    """A call for the client to run."""

    id: str | None
    type: Literal["function"]
    function: CalledFunction


class ShownReasoning(msgspec.Struct):
    """The thought, in the form in which clients pass it back."""

    type: Literal["reasoning.text"]
    text: str
    signature: None
    id: str
    format: Literal["unknown"]
    index: int


class ChatMessage(msgspec.Struct):
    """The answer, its thought apart."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    reasoning: Annotated[str, Meta(description="The thought")] | None
    reasoning_content: (
        Annotated[str, Meta(description="The thought by its older name")] | UnsetType | None
    ) = UNSET
    tool_calls: list[ToolCallMade] | UnsetType = UNSET


class OpenRouterChatMessage(ChatMessage):
    """The answer, its thought apart."""

    reasoning_details: list[ShownReasoning] | UnsetType = UNSET


class TokenLogprob(msgspec.Struct):
    """A token and the logarithm of its probability."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChosenLogprob(TokenLogprob):
    """A generated token, and the likeliest in its place."""

    top_logprobs: list[TokenLogprob]


class ChatLogprobs(msgspec.Struct):
    """Log probabilities of all tokens, thought and answer."""

    content: list[ChosenLogprob] | None


class ChatChoice(msgspec.Struct):
    """One of the answers."""

    index: int
    message: ChatMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None
    stop_reason: (
        Annotated[str | int, Meta(description="The stop text or token that ended it")] | UnsetType
    ) = UNSET
    token_ids: list[int] | UnsetType = UNSET


class OpenRouterChatChoice(msgspec.Struct):
    """One of the answers."""

    index: int
    message: OpenRouterChatMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None
    native_finish_reason: NativeReason | None
    token_ids: list[int] | UnsetType = UNSET


class ChatCompletion(msgspec.Struct):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: Annotated[str, Meta(description="What is really served, whatever alias was asked for")]
    system_fingerprint: None
    choices: list[ChatChoice]
    usage: ChatUsage


class OpenRouterChatCompletion(msgspec.Struct):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: Annotated[str, Meta(description="What is really served, whatever alias was asked for")]
    provider: str
    system_fingerprint: None
    choices: list[OpenRouterChatChoice]
    usage: OpenRouterChatUsage


class CallPiece(msgspec.Struct):
    """A piece of a call; pieces with the same index belong together."""

    index: int
    function: CalledFunction
    id: str | UnsetType | None = UNSET
    type: Literal["function"] | UnsetType = UNSET


class ChatDelta(msgspec.Struct):
    """What an event adds."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType | None = UNSET
    reasoning_details: (
        Annotated[list[ShownReasoning], Meta(description="/api/v1 alone")] | UnsetType
    ) = UNSET
    tool_calls: list[CallPiece] | UnsetType = UNSET


class ChatStreamChoice(msgspec.Struct):
    """What an event adds to one of the answers."""

    index: int
    delta: ChatDelta
    finish_reason: FinishReason | None = None
    native_finish_reason: Annotated[str | None, Meta(description="/api/v1 alone")] | UnsetType = (
        UNSET
    )
    logprobs: ChatLogprobs | UnsetType | None = UNSET


class ChatCompletionChunk(msgspec.Struct):
    """One event of a stream, which ends with `data: [DONE]`; the last event but it may hold usage.

    A stream that breaks ends with an event that holds `error`.
    """

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChatStreamChoice]
    usage: OpenRouterChatUsage | UnsetType = UNSET


class CompletionLogprobs(msgspec.Struct):
    """Log probabilities, a list for each fact."""

    text_offset: list[int]
    token_logprobs: list[float | None]
    tokens: list[str]
    top_logprobs: list[dict[str, float] | None]


class CompletionChoice(msgspec.Struct):
    """One of the continued texts, thought and answer as the model wrote them."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: FinishReason | None
    stop_reason: Annotated[str | int, Meta(description="The stop text or token")] | None
    token_ids: list[int] | UnsetType = UNSET
    prompt_token_ids: list[int] | UnsetType = UNSET


class Completion(msgspec.Struct):
    """Texts that continue their prompts."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: ChatUsage


class OpenRouterCompletion(msgspec.Struct):
    """Texts that continue their prompts."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: OpenRouterChatUsage


class CompletionPiece(msgspec.Struct):
    """What an event adds to one of the texts."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: FinishReason | None = None


class CompletionChunk(msgspec.Struct):
    """One event of a stream, which ends with `data: [DONE]`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionPiece]
    usage: OpenRouterChatUsage | UnsetType = UNSET

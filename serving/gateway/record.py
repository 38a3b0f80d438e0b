"""What is known of one request when it has ended: written on its way, then entered in the books.

Metrics, ledger, access log and traces all read the same record, so that they cannot disagree.
"""

from typing import Final, Literal, Protocol

import msgspec

from serving.gateway.answer import Usage
from serving.gateway.timeline import Stage

Verdict = Literal["ok", "refused", "cancelled", "failed"]

# Every outcome there is, and what it says of the server.
OUTCOMES: Final[dict[str, Verdict]] = {
    "ok": "ok",
    "client_error": "refused",
    "rejected": "refused",
    "rate_limited": "refused",
    "client_gone": "cancelled",
    "client_deadline": "cancelled",
    "reader_stalled": "cancelled",
    "internal_error": "failed",
    "engine_error": "failed",
    "engine_unavailable": "failed",
    "store_unavailable": "failed",
    "cut_off": "failed",
    "timeout": "failed",
}


class Record(msgspec.Struct, kw_only=True):
    """One request. Texts of prompts and answers are never in it; counts are of tokens or items.

    Token counts are the engine's; where a stream ended before the engine counted they are taken
    from the prompt's forecast and the events that went by, and `estimated` says so. `reasoning`
    and `answer` tokens are the output; `cached`, `image` and `video` tokens are parts of `prompt`.
    """

    id: str
    time: float  # of its headers, in seconds since 1970
    route: str = "other"
    dialect: str = "openai"
    key_id: str = ""
    key: str = ""
    model: str = ""
    app: str = ""
    referer: str = ""
    user: str = ""
    generates: bool = False  # it asks for an answer
    known: bool = False  # its key was found good
    admitted: bool = False  # it came to the engine
    streamed: bool = False
    status: int = 0
    outcome: str = "ok"
    error: str | None = None  # the code of what the client was told
    finish_reason: str | None = None
    choices: int = 1
    max_tokens: int | None = None
    thinking_token_budget: int | None = None
    budget_hit: bool = False
    truncated_in_thinking: bool = False
    estimated: bool = False
    events: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    image_tokens: int = 0
    video_tokens: int = 0
    reasoning_tokens: int = 0
    answer_tokens: int = 0
    images: int = 0
    videos: int = 0
    body_bytes: int = 0
    media_bytes: int = 0  # fetched or inline, decoded
    cost: float = 0.0  # USD
    first_token_seconds: float | None = None  # of a stream, from its headers on
    first_answer_seconds: float | None = None
    duration_seconds: float = 0.0
    stages: dict[Stage, float] = {}  # seconds; they add up to the duration
    running_sequences: int = 0  # at the engine by the gateway's count, when it was admitted
    queued_requests: int = 0  # waiting in the gateway then
    kv_cache_usage: float = 0.0  # share, as last read then

    @property
    def verdict(self) -> Verdict:
        """Say what the outcome says of the server."""
        return OUTCOMES[self.outcome]

    @property
    def output_tokens(self) -> int:
        """Return the tokens of thought and answer."""
        return self.reasoning_tokens + self.answer_tokens

    @property
    def tokens(self) -> dict[str, int]:
        """Return the counts by kind; cached, image and video are parts of prompt."""
        return {
            "prompt": self.prompt_tokens,
            "cached": self.cached_tokens,
            "image": self.image_tokens,
            "video": self.video_tokens,
            "reasoning": self.reasoning_tokens,
            "answer": self.answer_tokens,
        }

    def count(self, usage: Usage) -> None:
        """Take the engine's count over."""
        self.prompt_tokens = usage.prompt_tokens
        self.cached_tokens = usage.cached
        self.image_tokens = usage.media("image")
        self.video_tokens = usage.media("video")
        self.reasoning_tokens = usage.reasoning
        self.answer_tokens = max(0, usage.output - usage.reasoning)
        self.budget_hit = usage.reasoning_budget_hit


class Book(Protocol):
    """Something that is told of every request once it has ended. Must not block."""

    name: str

    def enter(self, record: Record) -> None:
        """Take a finished record; it is not changed any more."""

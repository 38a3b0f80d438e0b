"""What the engine says of its errors, turned into ours: codes, fields, and no words of its own."""

import re
from typing import Any, Final, NamedTuple

import msgspec

from serving.gateway.errors import (
    EngineFailed,
    EngineRefused,
    EngineUnavailable,
    GatewayError,
    Overloaded,
)

BUSY_SECONDS: Final = 2
RESTART_SECONDS: Final = 5
# How vLLM says that its queue is full; its other 503 answers mean that it is not well.
QUEUE_FULL: Final = ("currently busy", "backlog limit")
MAX_MESSAGE: Final = 1000
# What vLLM adds for its own log: a place in a library's sources, and a field's name once more.
FOR_ITS_LOG: Final = re.compile(r"\[\d\d:\d\d:\d\d\] \S+:\d+: | \(parameter=.*\)\Z", re.DOTALL)
# All that vLLM says of a generation that failed; other failures speak in its exceptions' words.
BROKEN_OFF: Final = "Internal server error"
INVALID: Final = "invalid_value"
# The field that holds a grammar, for all vLLM knows: see `name_grammar`.
GRAMMAR: Final = "structured_outputs"


class Verdict(NamedTuple):
    """A sign of how vLLM words a refusal: its code and field, and our words for it, if any."""

    sign: str
    code: str
    param: str | None
    ours: str | None = None


VERDICTS: Final = (
    Verdict("maximum context length", "context_length_exceeded", "messages"),
    Verdict("longer than the maximum", "context_length_exceeded", "messages"),
    Verdict("Failed to load image", "image_parse_error", "messages"),
    Verdict("Failed to load video", "video_parse_error", "messages"),
    Verdict(
        "Could not open video stream",
        "video_parse_error",
        "messages",
        "A video cannot be opened. Send it whole, or in another format.",
    ),
    Verdict(
        "Failed to apply",
        "media_parse_error",
        "messages",
        "A picture or video cannot be processed. Send it in another size or format.",
    ),
    Verdict("into a grammar", INVALID, GRAMMAR),
    Verdict("Invalid grammar specification", INVALID, GRAMMAR),
    Verdict(
        "not supported by xgrammar",
        INVALID,
        GRAMMAR,
        "Its schema has multipleOf, uniqueItems, contains, an unusual string format, or a pattern "
        "beside a length. Leave that out.",
    ),
    Verdict(
        "Invalid structural tag specification",
        INVALID,
        GRAMMAR,
        "It holds a strict schema that is no JSON schema. Correct it, or leave 'strict' out.",
    ),
    Verdict("min_tokens must be", INVALID, "min_tokens"),
    Verdict("is out of vocabulary", INVALID, "prompt"),
    Verdict(
        "when using greedy sampling",
        INVALID,
        "n",
        "'n' asks for several answers, which are all the same at temperature 0. Raise "
        "'temperature', or leave 'n' out.",
    ),
)


def engine_error(status: int, body: bytes) -> GatewayError:
    """Turn an error of the engine into ours, its field and message kept."""
    said = _said(body)
    message = str(said.get("message") or "The engine refused the request without a reason.")
    if status == 429 or (status == 503 and any(sign in message for sign in QUEUE_FULL)):
        return Overloaded(
            "The server is busy. Please try again later.", retry_after_seconds=BUSY_SECONDS
        )
    if status == 503:
        return unreachable()
    if status in {401, 403} or not 400 <= status < 500:
        why = message if message == BROKEN_OFF else "its log says why"
        return EngineFailed(f"The engine failed (status {status}): {why}")
    shown, param = FOR_ITS_LOG.sub("", message)[:MAX_MESSAGE], _word(said.get("param"))
    for verdict in VERDICTS:
        if verdict.sign in message:
            return EngineRefused(
                400, verdict.ours or shown, code=verdict.code, param=verdict.param or param
            )
    code = _word(said.get("code")) or (INVALID if status == 400 else None)
    return EngineRefused(status, shown, code=code, param=param)


def unreachable() -> EngineUnavailable:
    """Return the error for an engine that is not there."""
    return EngineUnavailable(
        "The model is not available at the moment: its engine is starting or restarting.",
        retry_after_seconds=RESTART_SECONDS,
    )


def name_grammar(error: EngineRefused, field: str | None) -> None:
    """Let the refusal of a grammar speak of the field that holds it in the request."""
    if error.param == GRAMMAR and field is not None:
        error.param = field
        error.message = f"'{field}' cannot be enforced. {error.message}"


def event_error(event: bytes) -> GatewayError:
    """Turn an error event within a stream into ours."""
    code = _said(event).get("code")
    return engine_error(code if isinstance(code, int) else 500, event)


def _said(body: bytes) -> dict[str, Any]:
    """Find the engine's error object in the forms it has."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

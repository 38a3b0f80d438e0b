"""Every way a request can fail, as the document tells it: statuses, codes, and the three forms."""

from typing import Any, Final

from serving.gateway import envelope
from serving.gateway.errors import (
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    BudgetExhausted,
    BudgetUnknown,
    DeadlineExceeded,
    EngineFailed,
    EngineTimeout,
    EngineUnavailable,
    Forbidden,
    GatewayError,
    HeadTooLarge,
    InternalError,
    NotFound,
    Overloaded,
    RateLimited,
    ShuttingDown,
    StoreUnavailable,
    TargetTooLong,
    TooManyConnections,
    Unauthorized,
)

Json = dict[str, Any]
Kinds = tuple[type[GatewayError], ...]

ALWAYS: Final[Kinds] = (
    Unauthorized,
    TargetTooLong,
    HeadTooLarge,
    InternalError,
    TooManyConnections,
    ShuttingDown,
)
OF_AN_ADMIN: Final[Kinds] = (*ALWAYS, Forbidden, StoreUnavailable)
OF_A_NAME: Final[Kinds] = (*ALWAYS, NotFound)
OF_USAGE: Final[Kinds] = (*OF_A_NAME, BadRequest, StoreUnavailable)
OF_A_BODY: Final[Kinds] = (
    *OF_A_NAME,
    BadRequest,
    Forbidden,
    BodyTooSlow,
    BodyTooLarge,
    BudgetExhausted,
    BudgetUnknown,
    Overloaded,
    RateLimited,
    EngineFailed,
    EngineUnavailable,
    EngineTimeout,
    DeadlineExceeded,
)

# What `code` says: OpenAI's field error.code, OpenRouter's error.metadata.provider_code.
CODES: Final = {
    "malformed_request": (400, "No HTTP/1.1, or headers that can be read two ways."),
    "invalid_json": (400, "The body is not JSON."),
    "missing_parameter": (400, "A required field is missing; param names it."),
    "invalid_value": (400, "A field has a wrong type or is outside its limits."),
    "unknown_parameter": (400, "/v1 knows no such field; the message names the nearest known one."),
    "unsupported_parameter": (400, "The field is known, and not served here."),
    "max_tokens_exceeded": (400, "More output is asked for than this server gives."),
    "context_length_exceeded": (400, "Prompt and output do not fit the context."),
    "too_many_images": (400, "More pictures than one request may hold."),
    "too_many_videos": (400, "More videos than one request may hold."),
    "invalid_image_url": (400, "No http:, https: or data: URL, or an address that is refused."),
    "image_parse_error": (400, "No readable picture."),
    "unsupported_image_format": (400, "A picture in a format that is not served."),
    "image_too_large": (400, "Too many bytes, frames or scans, or a side too long."),
    "image_too_small": (400, "A side too short, or too narrow a strip."),
    "image_not_found": (400, "The picture's server answered 404 or 410."),
    "image_download_failed": (400, "The picture did not come whole and in time."),
    "invalid_video_url": (400, "No http:, https: or data: URL, or an address that is refused."),
    "video_parse_error": (400, "No readable video."),
    "unsupported_video_format": (400, "A video in a format that is not served."),
    "video_too_large": (400, "Too many bytes, also when decoded, or a side too long."),
    "video_too_small": (400, "A single frame, a side too short, or too narrow a strip."),
    "video_not_found": (400, "The video's server answered 404 or 410."),
    "video_download_failed": (400, "The video did not come whole and in time."),
    "media_parse_error": (400, "A picture or video that the engine cannot process."),
    "invalid_api_key": (401, "The key is missing or not one of this server's."),
    "insufficient_quota": (402, "The key's budget is spent; the message says until when."),
    "permission_denied": (403, "The key may not use this model or this route."),
    "model_not_found": (404, "Not a name of the served model."),
    "generation_not_found": (404, "No request of this key has, or still has, that id."),
    "usage_not_kept": (404, "This server writes down no usage: store.usage is off."),
    "unknown_url": (404, "No such route."),
    "not_found": (404, "Not there."),
    "method_not_allowed": (405, "The route takes another method; see the header Allow."),
    "request_timeout": (408, "The body arrived too slowly."),
    "payload_too_large": (413, "The body is over the limit."),
    "uri_too_long": (414, "The path with its query is over the limit."),
    "headers_too_large": (431, "More headers than the limits."),
    "engine_overloaded": (429, "The server is full; see the header Retry-After."),
    "rate_limit_exceeded": (429, "The key's limit is reached; see the header Retry-After."),
    "internal_error": (500, "A fault of the gateway; the operator's log has the request's id."),
    "engine_error": (502, "The engine broke off, or answered what cannot be relayed."),
    "engine_unavailable": (503, "The engine starts, hangs or is gone; see the header Retry-After."),
    "store_unavailable": (503, "What keys have used cannot be read; see the header Retry-After."),
    "too_many_connections": (503, "This server holds all the connections it can."),
    "shutting_down": (503, "This server is on its way out; see the header Retry-After."),
    "budget_unknown": (503, "The key has a budget, and what it has spent cannot be read."),
    "engine_timeout": (504, "The engine was silent for too long."),
    "deadline_exceeded": (504, "The request's own deadline came first."),
}
REQUEST_ID: Final = {
    "X-Request-Id": {"schema": {"type": "string"}, "description": "The client's own, or a new one"}
}
TYPES: Final = (
    "invalid_request_error",
    "insufficient_quota",
    "rate_limit_error",
    "server_error",
)


def error_types(code: str) -> tuple[str, str]:
    """Return OpenRouter's and Anthropic's types of an error with this code."""
    error = GatewayError("", code=code)
    error.status = CODES[code][0]
    return envelope.error_type(error), envelope.anthropic_type(error)


def error_schemas() -> dict[str, Json]:
    """Return the schema of each form of an error."""
    text, maybe = {"type": "string"}, {"type": ["string", "null"]}
    codes = maybe | {"description": "One of those listed below, or the engine's own"}
    param = maybe | {"description": "The field that is wrong"}
    openrouter = sorted({*envelope.TYPES_BY_CODE.values(), *envelope.TYPES_BY_STATUS.values()})
    anthropic = sorted({error_types(code)[1] for code in CODES})
    return {
        "OpenAIError": _object(
            error=_object(message=text, type={"enum": list(TYPES)}, param=param, code=codes)
        ),
        "OpenRouterError": _object(
            error=_object(
                code={"type": "integer", "description": "The HTTP status"},
                message=text,
                metadata={
                    "type": "object",
                    "properties": {
                        "error_type": {"enum": openrouter},
                        "provider_code": codes | {"type": "string"},
                        "param": param | {"type": "string"},
                    },
                    "required": ["error_type"],
                },
            )
        ),
        "AnthropicError": _object(
            type={"const": "error"},
            error=_object(type={"enum": anthropic}, message=text, error_type={"enum": openrouter}),
            request_id=text,
        ),
    }


def failures(kinds: Kinds, form: str) -> dict[str, Json]:
    """Return the responses of these errors by status, in the form with this name."""
    said: dict[int, list[str]] = {}
    for kind in kinds:
        said.setdefault(kind.status, []).append((kind.__doc__ or "").strip().splitlines()[0])
    return {
        str(status): {
            "description": " Or: ".join(sentences),
            "headers": _headers(status),
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{form}"}}},
        }
        for status, sentences in sorted(said.items())
    }


def _headers(status: int) -> Json:
    headers = dict(REQUEST_ID)
    if status in {429, 503}:
        headers["Retry-After"] = {"schema": {"type": "string"}, "description": "Seconds to wait"}
    return headers


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}

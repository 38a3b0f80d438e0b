"""An error in each dialect's form: OpenAI's, OpenRouter's and Anthropic's."""

from collections.abc import Callable
from typing import Final

import msgspec

from serving.gateway.errors import GatewayError

Envelope = Callable[[GatewayError, str], bytes]

# OpenRouter's closed list of error types, by our code where it has one of its own, else by status.
TYPES_BY_CODE: Final = {
    "context_length_exceeded": "context_length_exceeded",
    "max_tokens_exceeded": "max_tokens_exceeded",
    "image_parse_error": "invalid_image",
    "media_parse_error": "invalid_image",
    "invalid_image_url": "invalid_image",
    "unsupported_image_format": "unsupported_image_format",
    "image_too_large": "image_too_large",
    "image_too_small": "image_too_small",
    "image_not_found": "image_not_found",
    "image_download_failed": "image_download_failed",
    "engine_unavailable": "provider_unavailable",
}
TYPES_BY_STATUS: Final = {
    400: "invalid_request",
    401: "authentication",
    402: "payment_required",
    403: "permission_denied",
    404: "not_found",
    405: "invalid_request",
    408: "timeout",
    412: "precondition_failed",
    413: "payload_too_large",
    414: "invalid_request",
    422: "unprocessable",
    429: "rate_limit_exceeded",
    431: "invalid_request",
    500: "server",
    502: "provider_unavailable",
    503: "provider_overloaded",
    504: "timeout",
}
ANTHROPIC_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def error_type(error: GatewayError) -> str:
    """Return OpenRouter's type of an error."""
    by_status = TYPES_BY_STATUS.get(error.status, "unmapped")
    return TYPES_BY_CODE.get(error.code or "", by_status)


def anthropic_type(error: GatewayError) -> str:
    """Return Anthropic's type of an error."""
    kind = "api_error" if error.status >= 500 else "invalid_request_error"
    return ANTHROPIC_TYPES.get(error.status, kind)


def openai(error: GatewayError, request_id: str) -> bytes:
    """Return OpenAI's error object; the request's id is in the header only."""
    fields = {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    return msgspec.json.encode({"error": fields})


def openrouter(error: GatewayError, request_id: str) -> bytes:
    """Return OpenRouter's error object, with our own code as the provider's."""
    return msgspec.json.encode({"error": openrouter_fields(error)})


def openrouter_fields(error: GatewayError) -> dict[str, object]:
    """Return what stands inside OpenRouter's error object."""
    metadata: dict[str, object] = {"error_type": error_type(error)}
    if error.code is not None:
        metadata["provider_code"] = error.code
    if error.param is not None:
        metadata["param"] = error.param
    return {"code": error.status, "message": error.message, "metadata": metadata}


def anthropic(error: GatewayError, request_id: str) -> bytes:
    """Return Anthropic's error object."""
    fields = {
        "type": anthropic_type(error),
        "message": error.message,
        "error_type": error_type(error),
    }
    return msgspec.json.encode({"type": "error", "error": fields, "request_id": request_id})

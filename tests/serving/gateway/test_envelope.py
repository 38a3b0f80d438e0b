"""Every error in every dialect's form, with types from the dialects' closed lists."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.gateway import envelope, errors
from serving.gateway.errors import BadRequest, EngineRefused, GatewayError

CONTRACT = Path(__file__).parents[4] / "shared" / "contracts" / "openrouter_schemas.txt"
ANTHROPIC_TYPES = {
    "invalid_request_error", "authentication_error", "billing_error", "permission_error",
    "not_found_error", "request_too_large", "rate_limit_error", "timeout_error",
    "overloaded_error", "api_error",
}  # fmt: skip
STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 412, 413, 418, 422, 424, 429)


def classes(kind: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    """Yield every kind of error."""
    for each in kind.__subclasses__():
        yield each
        yield from classes(each)


def examples() -> list[GatewayError]:
    """Return an error of every kind, and the engine's verdicts with all statuses."""
    made: list[GatewayError] = [
        EngineRefused(status, "Refused.", code=None, param="top_k") for status in STATUSES
    ]
    for kind in classes():
        if kind is errors.MethodNotAllowed:
            made.append(errors.MethodNotAllowed("Use POST.", "POST"))
        elif kind is not EngineRefused:
            made.append(kind("It failed."))
    return made


def said(error: GatewayError, form: envelope.Envelope) -> dict[str, Any]:
    """Return the decoded body."""
    body: dict[str, Any] = json.loads(form(error, "req_1"))
    return body


ERRORS = pytest.mark.parametrize(
    "error", examples(), ids=lambda error: f"{type(error).__name__} {error.status}"
)


def test_the_examples_are_all_there_is():
    """A new kind of error is in these tests by itself."""
    assert {type(error) for error in examples()} == set(classes())
    assert len(examples()) > 20


@ERRORS
def test_openais_form(error):
    """Message, type, param and code, as the official client reads them."""
    fields = said(error, envelope.openai)["error"]
    assert fields.keys() == {"message", "type", "param", "code"}
    assert fields["message"] == error.message
    assert (fields["type"] == "server_error") is (error.status >= 500)
    assert fields["code"] == error.code


@ERRORS
def test_openrouters_form(error):
    """The status as a number, and a type beside our own code."""
    body = said(error, envelope.openrouter)
    assert body.keys() == {"error"}
    assert (body["error"]["code"], body["error"]["message"]) == (error.status, error.message)
    metadata = body["error"]["metadata"]
    assert metadata.get("provider_code") == error.code
    assert metadata.get("param") == error.param


@ERRORS
def test_anthropics_form(error):
    """A type of its closed list, and the request's id."""
    body = said(error, envelope.anthropic)
    assert (body["type"], body["request_id"]) == ("error", "req_1")
    assert body["error"]["type"] in ANTHROPIC_TYPES
    assert body["error"]["message"] == error.message
    client = {"api_error", "overloaded_error", "timeout_error"}
    assert (body["error"]["type"] in client) is (error.status >= 500)


@ERRORS
def test_openrouters_types_are_from_its_closed_list(error):
    """The list is read where the published schemas lie beside the repository."""
    if not CONTRACT.is_file():
        pytest.skip("the published schemas of OpenRouter are not at hand")
    found = re.search(r"^### ApiErrorType.*\n *(.*)", CONTRACT.read_text(), re.MULTILINE)
    assert found is not None
    closed = set(re.findall(r'"(\w+)"', found[1]))
    assert "provider_overloaded" in closed
    assert envelope.error_type(error) in closed
    assert set(envelope.TYPES_BY_CODE.values()) | set(envelope.TYPES_BY_STATUS.values()) <= closed


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(BadRequest("x"), "invalid_request", id="bad request"),
        pytest.param(
            BadRequest("x", code="context_length_exceeded"), "context_length_exceeded", id="context"
        ),
        pytest.param(BadRequest("x", code="max_tokens_exceeded"), "max_tokens_exceeded", id="max"),
        pytest.param(BadRequest("x", code="image_parse_error"), "invalid_image", id="no picture"),
        pytest.param(BadRequest("x", code="image_too_large"), "image_too_large", id="large"),
        pytest.param(
            BadRequest("x", code="image_download_failed"), "image_download_failed", id="download"
        ),
        pytest.param(errors.Unauthorized("x"), "authentication", id="key"),
        pytest.param(errors.NotFound("x"), "not_found", id="route"),
        pytest.param(errors.BodyTooLarge("x"), "payload_too_large", id="body"),
        pytest.param(errors.Overloaded("x"), "rate_limit_exceeded", id="queue full"),
        pytest.param(errors.InternalError("x"), "server", id="fault"),
        pytest.param(errors.EngineFailed("x"), "provider_unavailable", id="engine broke"),
        pytest.param(errors.EngineUnavailable("x"), "provider_unavailable", id="no engine"),
        pytest.param(errors.ShuttingDown("x"), "provider_overloaded", id="going"),
        pytest.param(errors.EngineTimeout("x"), "timeout", id="silence"),
        pytest.param(EngineRefused(418, "x", code=None, param=None), "unmapped", id="teapot"),
    ],
)
def test_types_of_known_cases(error, kind):
    """What OpenRouter's clients branch on."""
    assert envelope.error_type(error) == kind


@pytest.mark.parametrize("form", [envelope.openai, envelope.openrouter, envelope.anthropic])
def test_any_text_is_valid_json(form):
    """Messages quote what clients sent."""
    message = 'It\'s "bad"\n\\ \u2028 🙂'
    assert said(BadRequest(message, param="é"), form)["error"]["message"] == message

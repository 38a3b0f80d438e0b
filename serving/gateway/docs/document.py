"""The API as an OpenAPI 3.1 document, made from the types that validate its requests."""

from collections.abc import Iterator
from itertools import starmap
from typing import Any, Final

import msgspec

from serving.gateway.chat_request import WITHOUT_EFFECT
from serving.gateway.dialect import DIALECTS, Dialect
from serving.gateway.docs.failures import (
    ALWAYS,
    OF_A_BODY,
    OF_A_NAME,
    OF_AN_ADMIN,
    OF_USAGE,
    REQUEST_ID,
    Kinds,
    error_schemas,
    failures,
)
from serving.gateway.docs.offer import Offer
from serving.gateway.docs.operation import Answer, Operation, Type
from serving.gateway.docs.operations import OPERATIONS
from serving.gateway.docs.tidy import tidy

SCHEMAS: Final = "#/components/schemas/"
VERSION: Final = "1.0.0"
OUTPUT_LIMITS: Final = {"max_tokens", "max_completion_tokens", "max_output_tokens"}
# Where there is no other type, none has to be named.
UNTYPED: Final = (
    "FunctionTool",
    "MessageItem",
    "NamedFunctionTool",
    "ReasoningText",
    "SummaryText",
    "SystemText",
)
DONE: Final = "[DONE]"
PROVIDER: Final = {
    "description": "No router of providers stands here; preferences are refused",
    "type": ["object", "null"],
    "properties": {
        "require_parameters": {
            "type": "boolean",
            "description": "true: an unknown field is refused, not ignored",
        }
    },
    "additionalProperties": False,
}

Json = dict[str, Any]


def document(offer: Offer) -> Json:
    """Describe the API as this server offers it: its model, its limits, its keys."""
    builder = _Builder(offer)
    paths = {
        dialect.base + path: {
            operation.method.lower(): builder.operation(operation, answer, dialect, path)
        }
        for dialect in DIALECTS
        for path, operation in OPERATIONS.items()
        if (answer := operation.answer(dialect)) is not None
    }
    keys: list[Json] = [{"bearer": []}, {"x-api-key": []}]
    if not offer.needs_key:
        keys.append({})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "qwen3-vl-serving",
            "version": VERSION,
            "summary": f"{offer.model} in the dialects of OpenAI, OpenRouter and Anthropic",
            "description": (
                "/v1 speaks OpenAI's dialect and refuses fields it does not know; /api/v1 speaks "
                "OpenRouter's and ignores them. A field that is null counts as not sent. The "
                "header X-Request-Timeout gives a request a deadline in seconds, at which it is "
                "cancelled in the engine, too; what came by then is paid for. After 429 and 503, "
                "wait as long as Retry-After says."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": keys,
        "paths": paths,
        "components": {
            "schemas": dict(sorted(builder.schemas.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


class _Builder:
    """Writes operations; `schemas` are those they refer to."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        types = {kind for operation in OPERATIONS.values() for kind in _types(operation)}
        _, found = msgspec.json.schema_components(types, ref_template=SCHEMAS + "{name}")
        self._found: Json = tidy(found)
        for name in UNTYPED:
            self._found[name]["required"].remove("type")
        self.schemas = self._found | error_schemas()

    def operation(self, operation: Operation, answer: Answer, dialect: Dialect, path: str) -> Json:
        """Write one operation in one dialect."""
        openrouter = dialect.is_openrouter
        written: Json = {
            "operationId": f"{'openrouter_' * openrouter}{operation.id}",
            "summary": operation.summary,
            "tags": ["OpenRouter" if openrouter else "OpenAI"],
        }
        kinds: Kinds = ALWAYS
        if "{model}" in path:
            written["parameters"] = [self._model_parameter()]
            kinds = OF_A_NAME
        if operation.query:
            written["parameters"] = list(starmap(_query_parameter, operation.query.items()))
        if operation.reads_usage:
            kinds = OF_USAGE
        if operation.needs_admin:
            kinds = OF_AN_ADMIN
        if operation.request is not None:
            written["requestBody"] = self._body(operation, operation.request, dialect)
            kinds = OF_A_BODY
        form = "OpenRouterError" if openrouter else "OpenAIError"
        if operation.speaks_anthropic:
            form = "AnthropicError"
        return written | {"responses": {"200": _success(answer), **failures(kinds, form)}}

    def _model_parameter(self) -> Json:
        return {
            "name": "model",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            "example": self._offer.model,
        }

    def _body(self, operation: Operation, request: Type, dialect: Dialect) -> Json:
        name = f"{'OpenRouter' * dialect.is_openrouter}{request.__name__}"
        self.schemas[name] = self._request(operation, self._found[request.__name__], dialect)
        examples = {
            shown: {"value": {"model": self._offer.model} | fields}
            for shown, fields in operation.examples.items()
        }
        content = {"schema": {"$ref": SCHEMAS + name}, "examples": examples}
        return {"required": True, "content": {"application/json": content}}

    def _request(self, operation: Operation, typed: Json, dialect: Dialect) -> Json:
        ignored = {name: {"description": WITHOUT_EFFECT} for name in sorted(operation.ignored)}
        properties = typed["properties"] | ignored
        properties["model"] = properties["model"] | {"enum": [*self._offer.names, None]}
        for name in properties:
            if default := self._offer.default(name):
                properties[name] = properties[name] | {"x-default": default}
        for name in OUTPUT_LIMITS & properties.keys():
            properties[name] = properties[name] | {"maximum": self._offer.max_output_tokens}
        if dialect.ignores_unknown:
            return typed | {"properties": properties | {"provider": PROVIDER}}
        return typed | {"properties": properties, "additionalProperties": False}


def _query_parameter(name: str, meaning: str) -> Json:
    return {
        "name": name,
        "in": "query",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "description": meaning,
    }


def _types(operation: Operation) -> Iterator[Type]:
    if operation.request is not None:
        yield operation.request
    for answer in operation.answers:
        yield answer.whole
        if answer.event is not None:
            yield answer.event


def _success(answer: Answer) -> Json:
    content: Json = {"application/json": {"schema": {"$ref": SCHEMAS + answer.whole.__name__}}}
    if answer.event is not None:
        content["text/event-stream"] = {"schema": _event(answer.event)}
    summary = (answer.whole.__doc__ or "").strip()
    return {"description": summary, "headers": REQUEST_ID, "content": content}


def _event(kind: Type) -> Json:
    """Describe one server-sent event; a stream is any number of them."""
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": SCHEMAS + kind.__name__},
    }
    return {
        "type": "object",
        "description": "One server-sent event of the stream",
        "properties": {"event": {"type": "string"}, "data": {"anyOf": [{"const": DONE}, data]}},
        "required": ["data"],
    }

"""Nothing that a client sends breaks the server: cases made from its own document, and schemas.

300 cases that are always the same in `make test`; thousands that never are with
HYPOTHESIS_PROFILE=long.
"""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from serving.gateway.dialect import DIALECTS
from serving.gateway.docs.operations import OPERATIONS

LONG = settings.default.max_examples > 1000
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
SERVED = {
    dialect.base + path: operation
    for dialect in DIALECTS
    for path, operation in OPERATIONS.items()
    if operation.answer(dialect) is not None
}
PATHS = {path: operation.method for path, operation in SERVED.items()}
# What is only read has parameters, if any, in its path or its query.
READ = {path for path, operation in SERVED.items() if "{" in path or operation.query}
# Ten routes take a body: 200 requests that the document allows, and 100 that it does not.
CASES = {GenerationMode.POSITIVE: 20, GenerationMode.NEGATIVE: 10}
FEW_TOKENS = 8
SECONDS = 300  # a busy machine; the first request with logprobs waits for a compiler
LIMITS = {"messages": "max_tokens", "responses": "max_output_tokens"}

BROKEN = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b"\xff\xfe", id="no UTF-8"),
    pytest.param(b'{"model":"\\ud800"}', id="half a character"),
    pytest.param(b'{"max_tokens":1e999}', id="an endless number"),
    pytest.param(b"[" * 100_000, id="lists without an end"),
    pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="objects in objects"),
]


def cases(count: int) -> settings:
    """Return how often to try: the same cases every time, or more and new ones each time."""
    return settings(
        max_examples=count * (20 if LONG else 1),
        derandomize=not LONG,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def document(endpoint: Any) -> Any:
    """Return the document that the server shows of itself."""
    return schemathesis.openapi.from_url(f"{endpoint.url}/openapi.json")


def quick(body: Any, path: str) -> Any:
    """Return a body that asks for few tokens, its integers written as integers."""
    body = integral(body)
    if isinstance(body, dict):
        for name in ("max_completion_tokens", LIMITS.get(path.rpartition("/")[2], "max_tokens")):
            if name in body or not name.startswith("max_completion"):
                body[name] = min(body.get(name) or FEW_TOKENS, FEW_TOKENS)
    return body


def integral(value: Any) -> Any:
    """Return JSON without numbers like 5.0, an integer to JSON Schema and to nobody else."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: integral(inner) for name, inner in value.items()}
        case list():
            return [integral(inner) for inner in value]
    return value


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        pytest.param(path, mode, id=f"{path} {mode.value}")
        for path, method in PATHS.items()
        for mode in GenerationMode
        if method == "POST" or (mode is GenerationMode.POSITIVE and path in READ)
    ],
)
def test_answers_keep_the_document(document: Any, path: str, mode: GenerationMode) -> None:
    """Whatever the document allows or forbids: status, type and form of the answer are its."""

    @cases(CASES[mode])
    @given(case=document[path][PATHS[path]].as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:
            case.body = quick(case.body, path)
        case.validate_response(case.call(timeout=SECONDS), checks=CHECKS)

    holds()


@pytest.mark.parametrize("path", [path for path, method in PATHS.items() if method == "POST"])
@pytest.mark.parametrize("body", BROKEN)
def test_broken_body_is_refused(endpoint: Any, path: str, body: bytes) -> None:
    """What is no request is the client's error, however it is broken."""
    assert endpoint.http.post(endpoint.url + path, content=body).status_code == 400


WORDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object", "x"])
COUNTS = st.integers(-1, 5)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=4)
PATTERNS = st.sampled_from(["^a+$", "[a-z]{2,}", "(", "a|", "(?=x)", "\\p{L}", "\0"])


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Make a schema of others: sensible, contradictory or no schema at all."""
    return st.fixed_dictionaries(
        {},
        optional={
            "type": WORDS | st.lists(WORDS, max_size=2),
            "properties": st.dictionaries(st.text(max_size=3), inner, max_size=2),
            "required": st.lists(st.text(max_size=3), max_size=2),
            "additionalProperties": st.booleans() | inner,
            "items": st.booleans() | inner,
            "anyOf": st.lists(inner, max_size=2),
            "allOf": st.lists(inner, max_size=2),
            "not": inner,
            "$ref": st.sampled_from(["#", "#/$defs/a", "#/x", "a"]),
            "$defs": st.fixed_dictionaries({"a": inner}),
            "enum": st.lists(VALUES, max_size=2),
            "const": VALUES,
            "pattern": PATTERNS,
            "format": st.sampled_from(["date", "uri", "x"]),
            **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), COUNTS),
            **dict.fromkeys(("minimum", "maximum", "multipleOf"), NUMBERS),
        },
    )


SCHEMAS = st.recursive(st.fixed_dictionaries({"type": WORDS}), keywords, max_leaves=4)


@pytest.mark.parametrize("place", ["response_format", "structured_outputs", "tools"])
def test_any_schema_is_kept_or_refused(endpoint: Any, place: str) -> None:
    """A schema that the engine cannot use is the client's error, whatever is wrong with it."""
    question = {"messages": [{"role": "user", "content": "Answer in JSON."}], "max_tokens": 16}
    with httpx.Client(base_url=endpoint.url, timeout=300) as client:

        @cases(30)
        @given(schema=SCHEMAS)
        def holds(schema: Any) -> None:
            response = client.post("/v1/chat/completions", json=question | asking(place, schema))
            assert response.status_code in {200, 400}, response.text

        holds()


def asking(place: str, schema: Any) -> dict[str, Any]:
    """Return the fields that ask for JSON of a schema."""
    named = {"name": "a", "strict": True}
    match place:
        case "response_format":
            shape = {"type": "json_schema", "json_schema": named | {"schema": schema}}
            return {"response_format": shape}
        case "structured_outputs":
            return {"structured_outputs": {"json": schema}}
        case _:
            tool = {"type": "function", "function": named | {"parameters": schema}}
            return {"tools": [tool], "tool_choice": "required"}

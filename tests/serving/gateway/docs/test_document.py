"""The document of the API: valid OpenAPI, whole, and true to the types and routes it is made of."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec import inspect as mi

import serving.gateway
from serving.catalogue import INSTRUCT, THINKING, entry_for
from serving.gateway.body import Body
from serving.gateway.chat_request import WITHOUT_EFFECT
from serving.gateway.dialect import DIALECTS, OPENAI, Dialect
from serving.gateway.docs.document import UNTYPED, document
from serving.gateway.docs.failures import CODES
from serving.gateway.docs.offer import Offer
from serving.gateway.docs.operation import Operation
from serving.gateway.docs.operations import OPERATIONS
from serving.gateway.envelope import anthropic
from serving.gateway.errors import BadRequest, GatewayError
from serving.gateway.reading import read_request
from serving.gateway.refusal import VERDICTS
from serving.gateway.routes import ROUTES, find_route
from serving.options import GatewaySettings
from tests.later import Later

schemathesis = Later("schemathesis")

GATEWAY = Path(serving.gateway.__file__).parent
MEDIA_CODE = re.compile(r"[a-z_]*\{\}_[a-z_]+|[a-z_]+_\{\}[a-z_]*")
EACH = [
    pytest.param(dialect, path, operation, id=dialect.base + path)
    for dialect in DIALECTS
    for path, operation in OPERATIONS.items()
    if operation.answer(dialect) is not None
]
POSTS = [each for each in EACH if each.values[2].request is not None]

Json = dict[str, Any]


@pytest.fixture(scope="module")
def described() -> Json:
    """Return the document of the tiny model, as a client reads it."""
    offer = Offer.of(entry_for("tiny"), GatewaySettings())
    return json.loads(msgspec.json.encode(document(offer)))


def body_schema(described: Json, dialect: Dialect, path: str) -> Json:
    """Return the schema of a request, its references resolvable."""
    operation = described["paths"][dialect.base + path]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return schema | {"components": described["components"]}


def own_properties(described: Json, dialect: Dialect, path: str) -> Json:
    """Return the properties that a request's schema lists itself."""
    name = body_schema(described, dialect, path)["$ref"].rpartition("/")[2]
    return described["components"]["schemas"][name]


def references(value: Any) -> Iterator[str]:
    """Find all references of a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_it_is_valid_openapi(described: Json) -> None:
    """The specification's own schema takes it, and JSON Schema's takes every schema in it."""
    schemathesis.openapi.from_dict(described).validate()
    assert described["openapi"].startswith("3.1.")
    for name, schema in described["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object", name


def test_every_reference_leads_somewhere_and_every_type_is_used(described: Json) -> None:
    """There are no loose ends."""
    targets = {reference.rpartition("/")[2] for reference in references(described)}
    named = described["components"]["schemas"].keys()
    assert targets - named == set()
    requests = {
        operation.request.__name__ for operation in OPERATIONS.values() if operation.request
    }
    assert named - targets - requests == set()


def test_every_route_is_described_and_nothing_else() -> None:
    """A route that is added has to say what it takes and answers."""
    named = {"/models/{model}", "/models/{model}/endpoints"}
    assert OPERATIONS.keys() - ROUTES.keys() == named
    assert ROUTES.keys() - OPERATIONS.keys() == set()


@pytest.mark.parametrize(("dialect", "path", "operation"), EACH)
def test_operation_is_its_routes(
    described: Json, dialect: Dialect, path: str, operation: Operation
) -> None:
    """Method, request type and form of errors are those of the route that serves the path."""
    route = find_route(dialect.base + path.format(model="any"))
    assert dialect in route.dialects
    assert list(described["paths"][dialect.base + path]) == [route.method.lower()]
    assert (route.method == "POST") == (operation.request is not None)
    assert (route.envelope is anthropic) == operation.speaks_anthropic


@pytest.mark.parametrize(("dialect", "path", "operation"), POSTS)
def test_unknown_fields_are_described_as_they_are_treated(
    described: Json, dialect: Dialect, path: str, operation: Operation
) -> None:
    """/v1 closes its requests, /api/v1 leaves them open and knows one field of `provider`."""
    schema = own_properties(described, dialect, path)
    assert (schema.get("additionalProperties") is False) == (dialect is OPENAI)
    assert ("provider" in schema["properties"]) == (dialect is not OPENAI)


@pytest.mark.parametrize(("dialect", "path", "operation"), POSTS)
def test_every_field_says_what_it_does(
    described: Json, dialect: Dialect, path: str, operation: Operation
) -> None:
    """All that the type has and all that is ignored is listed, each with its effect."""
    properties = own_properties(described, dialect, path)["properties"]
    typed = set(operation.request.__struct_encode_fields__)
    assert properties.keys() - {"provider"} == typed | set(operation.ignored)
    for name in operation.ignored:
        assert properties[name] == {"description": WITHOUT_EFFECT}
    types = described["components"]["schemas"]
    for name, schema in properties.items():
        meant = [types[reference.rpartition("/")[2]] for reference in references(schema)]
        assert schema.get("description") or meant[0]["description"], name


@pytest.mark.parametrize(("dialect", "path", "operation"), POSTS)
def test_examples_are_valid(
    described: Json, dialect: Dialect, path: str, operation: Operation
) -> None:
    """Each example keeps its schema, and there is one at least."""
    content = described["paths"][dialect.base + path]["post"]["requestBody"]["content"]
    examples = content["application/json"]["examples"]
    assert examples
    for example in examples.values():
        jsonschema.validate(example["value"], body_schema(described, dialect, path))


def alone(kind: mi.Type, seen: set[type]) -> Iterator[str]:
    """Find tagged types that stand where no other type can: there the tag may be left out."""
    match kind:
        case mi.StructType():
            if kind.cls not in seen:
                seen.add(kind.cls)
                for field in kind.fields:
                    yield from alone(field.type, seen)
        case mi.UnionType():
            structs = [each for each in kind.types if isinstance(each, mi.StructType)]
            yield from (each.cls.__name__ for each in structs[:1] if len(structs) == 1 and each.tag)
            for each in kind.types:
                yield from alone(each, seen)
        case mi.ListType(mi.StructType() as item):
            yield from [item.cls.__name__] if item.tag else []
            yield from alone(item, seen)
        case mi.ListType(item):
            yield from alone(item, seen)
        case mi.Metadata(inner):
            yield from alone(inner, seen)


def test_a_type_must_be_named_where_there_is_another() -> None:
    """The document requires a type's name where the server does: types that stand alone have none.

    A message of responses is one without, beside others.
    """
    seen: set[type] = set()
    requests = [operation.request for operation in OPERATIONS.values() if operation.request]
    found = {name for each in requests for name in alone(mi.type_info(each), seen)}
    assert found == set(UNTYPED) - {"MessageItem"}


QUESTION = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="a question alone"),
        pytest.param({"temperature": 2, "top_p": 0, "top_k": -1, "n": 8}, id="at the limits"),
        pytest.param({"temperature": 2.1}, id="temperature over 2"),
        pytest.param({"top_k": -2}, id="top_k under -1"),
        pytest.param({"n": 9}, id="too many choices"),
        pytest.param({"n": None}, id="null"),
        pytest.param({"n": True}, id="a boolean for a number"),
        pytest.param({"stop": ["a"] * 16}, id="sixteen stops"),
        pytest.param({"stop": ["a"] * 17}, id="seventeen stops"),
        pytest.param({"stop": ""}, id="an empty stop"),
        pytest.param({"logit_bias": {"12": -100}}, id="a bias"),
        pytest.param({"logit_bias": {"x": 1}}, id="a bias for no token"),
        pytest.param({"logit_bias": {"12": 101}}, id="a bias over 100"),
        pytest.param({"tool_choice": "any"}, id="another vendor's choice"),
        pytest.param({"tools": []}, id="no tools"),
        pytest.param({"response_format": {"type": "grammar"}}, id="an unknown format"),
        pytest.param({"structured_outputs": {"regexp": "a"}}, id="an unknown grammar"),
        pytest.param({"structured_outputs": False}, id="a switch"),
        pytest.param({"messages": []}, id="no messages"),
        pytest.param({"messages": [{"role": "robot", "content": "a"}]}, id="an unknown role"),
        pytest.param({"messages": [{"role": "user"}]}, id="no content"),
        pytest.param({"metadata": {"a": 1}}, id="a number as metadata"),
        pytest.param({"audio": {"voice": "a"}}, id="an ignored field"),
        pytest.param({"tempreature": 1}, id="a misspelt field"),
    ],
)
def test_the_document_allows_what_the_server_takes(described: Json, fields: Json) -> None:
    """A validator that knows the document alone agrees with the one that reads requests."""
    operation = OPERATIONS["/chat/completions"]
    request = QUESTION | fields
    schema = body_schema(described, OPENAI, "/chat/completions")
    allowed = jsonschema.Draft202012Validator(schema).is_valid(request)
    body = Body(bytearray(json.dumps(request).encode()))
    try:
        read_request(body, operation.request, OPENAI, operation.ignored)
        taken = True
    except BadRequest:
        taken = False
    assert allowed == taken


@pytest.mark.parametrize("model", [THINKING, INSTRUCT])
def test_it_tells_of_this_server(model: str) -> None:
    """Names, limits and defaults are those of the model and the settings at hand."""
    entry = entry_for(model, aliases=["mine"])
    limits = GatewaySettings(max_output_tokens=77)
    schemas = document(Offer.of(entry, limits))["components"]["schemas"]
    properties = schemas["ChatRequest"]["properties"]
    assert properties["model"]["enum"] == [*entry.names, None]
    assert "mine" in properties["model"]["enum"]
    assert properties["max_tokens"]["maximum"] == 77
    assert properties["max_completion_tokens"]["maximum"] == 77
    assert properties["presence_penalty"]["x-default"].endswith(" for text alone")


@pytest.mark.parametrize("needed", [True, False])
def test_it_says_whether_a_key_is_needed(needed: bool) -> None:
    """Where keys are needed, no operation can be had without; no key stands in the document."""
    limits = GatewaySettings(api_keys=("secret",))
    shown = document(Offer.of(entry_for("tiny"), limits, needs_key=needed))
    assert ({} in shown["security"]) == (not needed)
    assert "secret" not in json.dumps(shown)


def kinds(parent: type[GatewayError]) -> Iterator[type[GatewayError]]:
    """Return all kinds of errors."""
    for kind in parent.__subclasses__():
        yield kind
        yield from kinds(kind)


def codes_in_the_sources() -> Iterator[str]:
    """Find every error code: the classes' own, and those that raising and refusing name."""
    yield from (kind.code for kind in kinds(GatewayError) if kind.code)
    yield from (verdict.code for verdict in VERDICTS)
    for source in GATEWAY.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            match node:
                case ast.keyword("code", ast.Constant(str(code))):
                    yield code
                case ast.Assign(
                    [ast.Name("code")], ast.IfExp(_, ast.Constant(str(one)), ast.Constant(str(two)))
                ):
                    yield from (one, two)
                case ast.Constant(str(text)) if MEDIA_CODE.fullmatch(text):
                    yield from (text.format(stem) for stem in ("image", "video"))


def test_every_code_has_its_meaning() -> None:
    """What an error can be called is listed, and nothing that no error is called."""
    assert set(codes_in_the_sources()) == CODES.keys()

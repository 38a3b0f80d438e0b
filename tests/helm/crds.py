"""Kinds of others, held to their official definitions as an API server holds them.

Defaults come first; then the schema, under which an unknown field is an error rather than dropped;
then list keys and the rules in Kubernetes' expression language (CEL).
"""

import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cel
import pytest
import yaml
from jsonschema_rs import Draft7Validator

DEFINITIONS: Final = Path(__file__).parents[3] / "shared" / "contracts" / "crds"
# What CEL has a word for: fields of these names are written between underscores.
RESERVED: Final = frozenset({
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in",
    "let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while",
})  # fmt: skip
ESCAPES: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
CHILDREN: Final = ("items", "additionalProperties")

Json = dict[str, Any]


def violations(thing: Json) -> list[str]:
    """Say what an API server with the kind's definition would refuse or drop of an object."""
    name = f"{thing['apiVersion']}/{thing['kind']}"
    definitions = _definitions()
    assert name in definitions, f"no definition of {name} among {sorted(definitions)}"
    schema = definitions[name]
    whole = copy.deepcopy(thing)
    _set_defaults(schema, whole)
    errors = [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in _validator(name).iter_errors(whole)
    ]
    # Rules may rely on what the schema asks for.
    return errors or list(_broken_rules(schema, whole, thing["kind"]))


@functools.cache
def _definitions() -> dict[str, Json]:
    """Return the schema of every kind and version that is served."""
    if not DEFINITIONS.exists():
        pytest.skip("the official definitions of others' kinds are not beside this clone")
    definitions = [
        definition
        for path in sorted(DEFINITIONS.glob("*.yaml"))
        for definition in yaml.load_all(path.read_bytes(), yaml.CSafeLoader)
        if definition
    ]
    return {
        f"{spec['group']}/{version['name']}/{spec['names']['kind']}": version["schema"][
            "openAPIV3Schema"
        ]
        for spec in (definition["spec"] for definition in definitions)
        for version in spec["versions"]
        if version["served"]
    }


@functools.cache
def _validator(name: str) -> Draft7Validator:
    schema = _closed(_definitions()[name])
    # The API server has its own rules for names and labels; the definitions leave them out.
    schema["properties"]["metadata"] = {"type": "object", "required": ["name", "namespace"]}
    return Draft7Validator(schema)


def _closed(schema: Json) -> Json:
    """Return a definition's schema as JSON schema that allows no field it does not name."""
    closed = {key: part for key, part in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get("x-kubernetes-int-or-string"):
        closed = {"type": ["integer", "string"]}
    if "(?i)" in closed.get("pattern", ""):
        del closed["pattern"]  # JSON schema's patterns know no flags
    if closed.pop("nullable", False):
        closed["type"] = [closed["type"], "null"]
    if "properties" in schema:
        closed["properties"] = {key: _closed(part) for key, part in schema["properties"].items()}
        closed.setdefault("additionalProperties", _keeps_unknown(schema))
    for key in CHILDREN:
        if isinstance(schema.get(key), dict):
            closed[key] = _closed(schema[key])
    return closed


def _keeps_unknown(schema: Json) -> bool:
    return bool(schema.get("x-kubernetes-preserve-unknown-fields"))


def _set_defaults(schema: Json, value: Any) -> None:
    """Fill in what is left out, in place, from the outside in."""
    if isinstance(value, dict):
        for key, part in schema.get("properties", {}).items():
            if key not in value and "default" in part:
                value[key] = copy.deepcopy(part["default"])
    for part, _, child in _children(schema, value):
        _set_defaults(part, child)


def _broken_rules(schema: Json, value: Any, path: str) -> Iterator[str]:
    """Say which list keys are there twice and which rules do not hold, at a value and within."""
    if keys := schema.get("x-kubernetes-list-map-keys"):
        items = [tuple(item.get(key) for key in keys) for item in value]
        if len(set(items)) < len(items):
            yield f"{path}: two entries have the same {keys}"
    for rule in schema.get("x-kubernetes-validations", []):
        # What compares with the object before has nothing to say of a new one.
        if "oldSelf" in rule["rule"]:
            continue
        if not cel.evaluate(rule["rule"], {"self": _escaped(schema, value)}):
            yield f"{path}: {rule.get('message', rule['rule'])}"
    for part, key, child in _children(schema, value):
        yield from _broken_rules(part, child, f"{path}.{key}")


def _children(schema: Json, value: Any) -> Iterator[tuple[Json, object, Any]]:
    """Return what is directly within a value: each one's schema, its key and itself."""
    if isinstance(value, list) and "items" in schema:
        yield from ((schema["items"], index, item) for index, item in enumerate(value))
    if not isinstance(value, dict):
        return
    rest = schema.get("additionalProperties")
    for key, child in value.items():
        part = schema.get("properties", {}).get(key, rest)
        if isinstance(part, dict):
            yield part, key, child


def _escaped(schema: Json, value: Any) -> Any:
    """Return a value with its fields named as CEL can write them; keys of maps stay."""
    if isinstance(value, list):
        return [_escaped(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties", {})
    within = {key: part for part, key, _ in _children(schema, value)}
    return {
        _field(key) if key in fields else key: _escaped(within.get(key, {}), child)
        for key, child in value.items()
    }


def _field(name: str) -> str:
    if name in RESERVED:
        return f"__{name}__"
    for plain, escaped in ESCAPES.items():
        name = name.replace(plain, escaped)
    return name

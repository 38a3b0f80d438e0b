"""The JSON schema of the values, as Helm 3 and Helm 4 both read it: draft 7, closed, no $ref."""

import json
from collections.abc import Mapping
from typing import Any, Final

from deploy.chart.comments import sentences
from deploy.chart.values import Values

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
# Said in values.yaml or by nobody; `format` means different things to the two Helms.
LEFT_OUT: Final = frozenset({"title", "default", "format", "$defs"})
Json = dict[str, Any]


def schema(values_yaml: str) -> Json:
    """Return the schema; the sentences above the leaves of `values_yaml` describe them."""
    whole = Values.model_json_schema()
    root: Json = _plain(whole, whole["$defs"])
    properties = root["properties"]
    for path, sentence in sentences(values_yaml).items():
        names = path.split(".")
        _describe(root, names, sentence)
        if names[0] == "pool":
            _describe(properties["pools"]["additionalProperties"], names[1:], sentence)
    return {"$schema": DRAFT} | root


def written(values_yaml: str) -> str:
    """Return the file's text, the same at every call."""
    return json.dumps(schema(values_yaml), indent=1, ensure_ascii=False) + "\n"


def _plain(node: Any, named: Mapping[str, Json]) -> Any:
    """Put definitions where they are used, and a choice of types into one type."""
    if isinstance(node, list):
        return [_plain(each, named) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = named[node["$ref"].rpartition("/")[2]]
        return _plain(target | {k: v for k, v in node.items() if k != "$ref"}, named)
    plain: Json = {}
    for key, value in node.items():
        if key == "properties":
            plain[key] = {name: _plain(each, named) for name, each in value.items()}
        elif key == "patternProperties":
            [(pattern, each)] = value.items()
            plain["propertyNames"] = plain.get("propertyNames", {}) | {"pattern": pattern}
            plain["additionalProperties"] = _plain(each, named)
        elif key == "propertyNames":
            plain[key] = value | plain.get(key, {})
        elif key not in LEFT_OUT:
            plain[key] = _plain(value, named)
    return _one_of(plain.pop("anyOf")) | plain if "anyOf" in plain else plain


def _one_of(choices: list[Json]) -> Json:
    """Join choices of different types: of `anyOf` Helm only says that nothing of it fits.

    A limit holds for values of its own type alone, so those of all choices can stand together.
    """
    joined: Json = {"type": []}
    for choice in choices:
        limits = dict(choice)
        joined["type"].append(limits.pop("type"))
        if "const" in limits:
            limits = {"pattern": f"^{limits['const']}$"}
        joined |= limits
    if "enum" in joined and "null" in joined["type"]:
        joined["enum"] = [*joined["enum"], None]
    return joined


def _describe(node: Json, names: list[str], sentence: str) -> None:
    """Write a sentence at a path; it says more of a cluster than the product's own options do."""
    for name in names:
        node = node.get("properties", {}).get(name, {})
    if node:
        node["description"] = sentence

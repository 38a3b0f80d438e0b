"""Schemas as msgspec writes them, made shorter without a change of what they allow."""

from typing import Any

Json = dict[str, Any]

NULL = {"type": "null"}


def tidy(schema: Any) -> Any:
    """Write null beside a type as one more type; a null default says nothing and goes."""
    if isinstance(schema, list):
        return [tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tidied = {
        name: tidy(value)
        for name, value in schema.items()
        if not (name == "default" and value is None)
    }
    return _with_null(tidied) if NULL in tidied.get("anyOf", ()) else tidied


def _with_null(schema: Json) -> Json:
    options = [option for option in schema["anyOf"] if option != NULL]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    if len(options) > 1:
        return schema
    option: Json = options[0]
    if "enum" in option:
        return rest | option | {"enum": [*option["enum"], None]}
    if isinstance(option.get("type"), str):
        return rest | option | {"type": [option["type"], "null"]}
    if option.keys() <= {"anyOf", "description"}:
        return rest | option | {"anyOf": [*option.get("anyOf", ()), NULL]}
    return _described(rest, option)


def _described(rest: Json, option: Json) -> Json:
    said = {"description": option["description"]} if "description" in option else {}
    inner = {name: value for name, value in option.items() if name != "description"}
    return rest | said | {"anyOf": [inner, NULL]}

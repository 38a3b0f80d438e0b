"""A type's fields in words, read from the document: what a table of them shows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from serving.gateway.chat_request import WITHOUT_EFFECT

Json = dict[str, Any]

ANYTHING: Final = "anything"
ONE_TYPE: Final = re.compile(r"\[(\w+)\]")
HUGE: Final = 2**31 - 1  # a limit of the machine's, not of the parameter's


@dataclass(frozen=True, slots=True)
class Field:
    """One field in words."""

    name: str
    type: str
    limits: str
    default: str
    effect: str
    required: bool

    @property
    def ignored(self) -> bool:
        """Tell whether it is one of the fields that other servers have and this one drops."""
        return self.effect == WITHOUT_EFFECT and self.type == ANYTHING


def fields(document: Json, name: str) -> list[Field]:
    """Return the fields of a type of the document, required ones first."""
    schema = document["components"]["schemas"][name]
    required = schema.get("required", ())
    found = [
        Field(
            field,
            type_of(inner),
            limits_of(inner),
            str(inner.get("x-default", inner.get("default", ""))),
            inner.get("description") or _meaning(document, inner),
            field in required,
        )
        for field, inner in schema.get("properties", {}).items()
    ]
    return sorted(found, key=lambda field: not field.required)


def types(document: Json, *names: str) -> list[str]:
    """Return the types that these lead to, themselves left out, in reading order."""
    found = list(names)
    for name in found:
        found += [
            each for each in _names(document["components"]["schemas"][name]) if each not in found
        ]
    return list(dict.fromkeys(found))[len(names) :]


def type_of(schema: Json) -> str:
    """Say a schema's type; names of others stand in square brackets."""
    if "$ref" in schema:
        return f"[{schema['$ref'].rpartition('/')[2]}]"
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        values = [value for value in schema["enum"] if value is not None]
        return " | ".join(f'"{each}"' if isinstance(each, str) else str(each) for each in values)
    if "anyOf" in schema:
        return " | ".join(
            dict.fromkeys(type_of(each) for each in schema["anyOf"] if not _is_null(each))
        )
    named = schema.get("type", ANYTHING)
    kinds = [kind for kind in ([named] if isinstance(named, str) else named) if kind != "null"]
    return " | ".join(_kind(kind, schema) for kind in kinds) or "null"


def limits_of(schema: Json) -> str:
    """Say what a schema allows within its type."""
    if "anyOf" in schema:
        return ", ".join(dict.fromkeys(filter(None, map(limits_of, schema["anyOf"]))))
    said = [
        _range("", schema.get("minimum"), schema.get("maximum")),
        f"over {schema['exclusiveMinimum']:g}" if "exclusiveMinimum" in schema else "",
        _range(" characters", schema.get("minLength"), schema.get("maxLength")),
        _range(" entries", schema.get("minItems"), schema.get("maxItems")),
        _range(" entries", schema.get("minProperties"), schema.get("maxProperties")),
        f"like {schema['pattern']}" if "pattern" in schema else "",
    ]
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict) and (each := limits_of(inner)):
            said.append(f"each {each}")
    return ", ".join(filter(None, said))


def _kind(kind: str, schema: Json) -> str:
    inner = schema.get("items") if kind == "array" else schema.get("additionalProperties")
    of = f" of {type_of(inner)}" if isinstance(inner, dict) else ""
    if kind == "array":
        return f"list{of}" if " | " not in of else f"list of ({of.removeprefix(' of ')})"
    if kind == "object":
        return f"map{of}" if of else "object"
    return {"string": "text", "boolean": "true or false", "number": "number"}.get(kind, kind)


def _range(unit: str, least: float | None, most: float | None) -> str:
    if least is not None and least < -HUGE:
        least = None
    if most is not None and most >= HUGE:
        most = None
    if least is None and most is None:
        return ""
    if most is None and least == 1 and unit:
        return "not empty"
    if most is None:
        return f"at least {least:,}{unit}"
    if least is None:
        return f"at most {most:,}{unit}"
    return f"{least:,} to {most:,}{unit}"


def _meaning(document: Json, schema: Json) -> str:
    """Return what a type says of itself, for a field of that type that has no words."""
    if only := ONE_TYPE.fullmatch(type_of(schema)):
        said: str = document["components"]["schemas"][only[1]].get("description", "")
        return said
    return ""


def _names(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for name, inner in schema.items():
            if name != "discriminator":
                yield from _names(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _names(inner)


def _is_null(schema: Json) -> bool:
    return schema.get("type") == "null"

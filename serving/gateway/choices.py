"""What a field may be, found in a request's type by the field's name in an error."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import msgspec
from msgspec.inspect import (
    DictType,
    ListType,
    LiteralType,
    Metadata,
    StructType,
    Type,
    UnionType,
)

# One step of a name like messages[0].content[1].type: a field, or an item of a list or an object.
STEP: Final = re.compile(r"(?P<field>[^.\[\]]+)|\[[^\]]*\]")

_type_info = cache(msgspec.inspect.type_info)


def choices(kind: type[msgspec.Struct], name: str) -> tuple[str, ...]:
    """Return the values of a field that has a closed list of them.

    Where the list depends on what stands beside the field, none of them is true.
    """
    types: list[Type] = [_type_info(kind)]
    *before, last = STEP.finditer(name)
    for step in before:
        types = [inner for each in types for inner in _inside(each, step["field"])]
    found = {values for each in types for values in _lists(each, last["field"]) if values}
    return found.pop() if len(found) == 1 else ()


def _lists(kind: Type, field: str | None) -> Iterator[tuple[str, ...]]:
    """Yield the lists that a field has in one type: its structs' tags, or literals."""
    structs = [each for each in _plain(kind) if isinstance(each, StructType)]
    yield tuple(
        str(each.tag) for each in structs if each.tag is not None and each.tag_field == field
    )
    for inner in _inside(kind, field):
        literals = [each for each in _plain(inner) if isinstance(each, LiteralType)]
        yield tuple(str(value) for each in literals for value in each.values)


def _inside(kind: Type, field: str | None) -> Iterator[Type]:
    """Yield what a field of this type holds, or its items where the step names none."""
    for each in _plain(kind):
        match each:
            case StructType() if field is not None:
                yield from (inner.type for inner in each.fields if inner.encode_name == field)
            case ListType() if field is None:
                yield each.item_type
            case DictType() if field is None:
                yield each.value_type


def _plain(kind: Type) -> Iterator[Type]:
    """Yield a type's alternatives, without unions and descriptions around them."""
    match kind:
        case UnionType():
            for each in kind.types:
                yield from _plain(each)
        case Metadata():
            yield from _plain(kind.type)
        case _:
            yield kind

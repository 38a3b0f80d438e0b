"""Values that the schema takes, whether or not they make sense together."""

from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st

Json = dict[str, Any]

PEERS: Final[list[Json]] = [
    {"ipBlock": {"cidr": "10.1.0.0/16"}},
    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "x"}}},
]
# Kubernetes' own objects, where the schema is open: as users write them.
OBJECTS: Final[dict[str, list[Json]]] = {
    "global": [{}, {"any": {"thing": 1}}],
    "valueFrom": [{}],
    "affinity": [{}, {"nodeAffinity": {}}, {"podAntiAffinity": {}}],
    "tolerations": [{"operator": "Exists"}, {"key": "gpu", "operator": "Equal", "value": "1"}],
    "parentRefs": [{"name": "public"}, {"name": "inside", "namespace": "gateways"}],
    "clients": PEERS,
    "monitoring": PEERS,
    "dns": PEERS,
    "telemetry": PEERS,
    "store": PEERS,
    "proxy": PEERS,
    "extraEgress": [{}, {"to": PEERS, "ports": [{"port": 5353, "protocol": "UDP"}]}],
}
# Numbers that a pod, a wait or a folder of a test can have, where the schema sets no end.
LARGEST: Final = 2**40


def any_values(schema: Json) -> st.SearchStrategy[Json]:
    """Return values with a few leaves set, in the order in which they were drawn."""
    paths = [*_leaves(schema, ())]
    leaf = st.sampled_from(paths).flatmap(
        lambda found: st.tuples(st.just(found[0]), _value(found[1], found[0][-1]))
    )
    return st.lists(leaf, min_size=1, max_size=8).map(_nested)


def _leaves(schema: Json, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Json]]:
    """List path and schema of every value that is no group; pools are those of values.yaml."""
    found = []
    for key, each in schema["properties"].items():
        if key == "pools":
            own = each["additionalProperties"]
            found += [leaf for name in ("thinking", "b") for leaf in _leaves(own, ("pools", name))]
        elif "properties" in each:
            found += _leaves(each, (*path, key))
        else:
            found.append(((*path, key), each))
    return found


def _nested(leaves: list[tuple[tuple[str, ...], Any]]) -> Json:
    values: Json = {}
    for path, value in leaves:
        below = values
        for key in path[:-1]:
            below = below.setdefault(key, {})
        below[path[-1]] = value
    return values


def _value(schema: Json, name: str) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([OF_TYPE[each](schema, name) for each in types])


def _text(schema: Json, _: str) -> st.SearchStrategy[Any]:
    longest = schema.get("maxLength", 200)
    if "pattern" in schema:
        # Without its anchors: to Python `$` also matches before a line's end.
        found = st.from_regex(schema["pattern"].removeprefix("^").removesuffix("$"), fullmatch=True)
        return found.filter(lambda text: text.isascii() and len(text) <= longest)
    # What YAML can hold.
    letters = st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_categories=["Cc"])
    return st.text(letters, min_size=1, max_size=longest)


def _integer(schema: Json, _: str) -> st.SearchStrategy[Any]:
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    return st.integers(lowest, schema.get("maximum", LARGEST))


def _number(schema: Json, _: str) -> st.SearchStrategy[Any]:
    lowest = schema.get("minimum", schema.get("exclusiveMinimum"))
    highest = schema.get("maximum", schema.get("exclusiveMaximum", LARGEST))
    return st.floats(
        lowest,
        highest,
        exclude_min="exclusiveMinimum" in schema,
        exclude_max="exclusiveMaximum" in schema,
        allow_subnormal=False,
    )


def _array(schema: Json, name: str) -> st.SearchStrategy[Any]:
    return st.lists(_value(schema["items"], name), max_size=3)


def _object(schema: Json, name: str) -> st.SearchStrategy[Any]:
    if schema["additionalProperties"] is True:
        return st.sampled_from(OBJECTS[name])
    if isinstance(schema["additionalProperties"], dict):
        keys = _text(schema["propertyNames"], name)
        return st.dictionaries(keys, _value(schema["additionalProperties"], name), max_size=2)
    named = {key: _value(each, key) for key, each in schema["properties"].items()}
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {key: each for key, each in named.items() if key in required},
        optional={key: each for key, each in named.items() if key not in required},
    )


OF_TYPE: Final[dict[str, Callable[[Json, str], st.SearchStrategy[Any]]]] = {
    "array": _array,
    "boolean": lambda _schema, _name: st.booleans(),
    "integer": _integer,
    "null": lambda _schema, _name: st.none(),
    "number": _number,
    "object": _object,
    "string": _text,
}

"""The sentences of values.yaml, by the path of the value they stand above."""

from collections.abc import Iterator
from typing import Final

import yaml

MARK: Final = "# -- "


def sentences(text: str) -> dict[str, str]:
    """Return what follows `# -- ` above a key, its continuation lines joined, by dotted path."""
    lines = text.splitlines()
    found = {}
    for path, line in _keys(yaml.compose(text, yaml.SafeLoader), ""):
        comment: list[str] = []
        for above in reversed(lines[:line]):
            if not above.strip().startswith("# "):
                break
            comment.insert(0, above.strip())
            if above.strip().startswith(MARK):
                words = [each.removeprefix(MARK).removeprefix("# ") for each in comment]
                found[path] = " ".join(words)
                break
    return found


def _keys(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield each key's dotted path and the number of its line, from 0."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        yield path, key.start_mark.line
        yield from _keys(value, f"{path}.")

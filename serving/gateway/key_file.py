"""The declarative file of keys: a list of names, digests and limits, for GitOps."""

import difflib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import Field, StringConstraints, ValidationError

from serving.failure import StartError
from serving.gateway.key import Key
from serving.gateway.key_terms import KeyTerms, problems

MAX_FILE_BYTES: Final = 8 * 2**20
ALGORITHM: Final = "sha256:"
SHAPE: Final = "Start it with `keys:`; `serving keys hash NAME` writes an entry."
Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class KeyEntry(KeyTerms):
    """One entry of the file."""

    digest: Annotated[str, StringConstraints(pattern=rf"^{ALGORITHM}[0-9a-f]{{64}}$")] = Field(
        description="sha256: and 64 hexadecimal digits, as `serving keys hash NAME` writes it"
    )


class KeyFile:
    """The file at gateway.keys_file, parsed again only when its bytes have changed."""

    name = "file"
    closes = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: bytes | None = None
        self._keys: tuple[Key, ...] = ()

    def read(self) -> tuple[Key, ...]:
        """Return its keys; raises StartError naming the file, the line and the field."""
        label = f"gateway.keys_file {self._path}"
        content = self._bytes(label)
        if content != self._content:
            self._keys = parse(content, label)
            self._content = content
        return self._keys

    def close(self) -> None:
        """Nothing is kept open."""

    def _bytes(self, label: str) -> bytes:
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise StartError(
                f"{label} cannot be read: {error.strerror}.", "Give the path of a readable file."
            ) from None
        if len(content) > MAX_FILE_BYTES:
            raise StartError(
                f"{label} is larger than {MAX_FILE_BYTES} bytes.", "Keep so many keys in the store."
            )
        return content


def parse(content: bytes, label: str) -> tuple[Key, ...]:
    """Read a file's entries; no value of it is ever repeated, it may be a key put there by mistake.

    Raises StartError.
    """
    try:
        loader = Loader(content.decode("utf-8"))
        root = loader.get_single_node()
        nodes = _entries(root, label)
        entries = loader.construct_document(root)["keys"]
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}," if mark else ""
        raise StartError(f"{label}{line} is not valid YAML.", "Correct it.") from None
    keys = [_key(given, node, label) for given, node in zip(entries, nodes, strict=True)]
    for what in ("name", "digest"):
        seen: set[Any] = set()
        for key, node in zip(keys, nodes, strict=True):
            if getattr(key, what) in seen:
                raise StartError(
                    f"{_place(node, label)}: {what} is the one of an entry above.", "Remove one."
                )
            seen.add(getattr(key, what))
    return tuple(keys)


def entry(terms: KeyTerms, digest: bytes) -> str:
    """Write an entry that can be appended to a file."""
    said = terms.model_dump(mode="json", exclude_defaults=True)
    written = {"name": said.pop("name"), "digest": ALGORITHM + digest.hex(), **said}
    if terms.expires_at is not None:
        written["expires_at"] = datetime.fromtimestamp(terms.expires_at, UTC)
    return yaml.safe_dump([written], sort_keys=False, allow_unicode=True)


def _entries(root: yaml.Node | None, label: str) -> list[yaml.MappingNode]:
    """Return the nodes of all entries, which know their lines; raises StartError."""
    if not isinstance(root, yaml.MappingNode) or len(root.value) != 1:
        raise StartError(f"{label} does not hold `keys:` alone.", SHAPE)
    [(title, entries)] = root.value
    if title.value != "keys" or not isinstance(entries, yaml.SequenceNode):
        raise StartError(f"{label} holds no list of keys.", SHAPE)
    for node in entries.value:
        if not isinstance(node, yaml.MappingNode):
            raise StartError(f"{_place(node, label)}: this is no entry of a key.", SHAPE)
        if len({field.value for field, _ in node.value}) < len(node.value):
            raise StartError(f"{_place(node, label)}: a field is there twice.", "Remove one.")
    return list(entries.value)


def _key(values: dict[Any, Any], node: yaml.MappingNode, label: str) -> Key:
    try:
        given = KeyEntry.model_validate({str(name): value for name, value in values.items()})
    except ValidationError as error:
        field, reason, meaning = next(problems(error, KeyEntry))
        nodes = {str(name.value): name for name, _ in node.value}
        place = _place(nodes.get(field, node), label)
        if meaning:
            what = f"{place}: {field} is refused: {reason}."
            raise StartError(what, f"It means: {meaning}.") from None
        close = difflib.get_close_matches(field, KeyEntry.model_fields, n=1, cutoff=0)
        what = f"{place}: no entry of a key has this field."
        raise StartError(what, f"Did you mean {close[0]}?") from None
    terms = dict(given) | {"digest": bytes.fromhex(given.digest.removeprefix(ALGORITHM))}
    return Key(id=f"file:{given.name}", **terms)


def _place(node: yaml.Node, label: str) -> str:
    return f"{label}, line {node.start_mark.line + 1}"

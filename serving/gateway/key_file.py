"""The declarative file of keys: a list of names, digests and limits, for GitOps."""

import difflib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeGuard, TypeVar

import yaml
from pydantic import Field, StringConstraints, ValidationError

from serving.failure import StartError
from serving.gateway.key import Key
from serving.gateway.key_terms import KeyTerms, problems

MAX_FILE_BYTES: Final = 8 * 2**20
# The file, its list, an entry, its models; the parser's own stack has no bound.
MAX_DEPTH: Final = 4
ALGORITHM: Final = "sha256:"
SHAPE: Final = "Start it with `keys:`; `serving keys hash NAME` writes an entry."
NodeKind = TypeVar("NodeKind", bound=yaml.Node)
Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class KeyEntry(KeyTerms):
    """One entry of the file."""

    digest: Annotated[str, StringConstraints(pattern=rf"^{ALGORITHM}[0-9a-f]{{64}}$")] = Field(
        description="sha256: and 64 hexadecimal digits, as `serving keys hash NAME` writes it"
    )


FIELDS: Final = tuple(KeyEntry.model_fields)
MERGE: Final = "tag:yaml.org,2002:merge"
PLAIN: Final[dict[type[yaml.Node], str]] = {
    yaml.MappingNode: Loader.DEFAULT_MAPPING_TAG,
    yaml.SequenceNode: Loader.DEFAULT_SEQUENCE_TAG,
    yaml.ScalarNode: Loader.DEFAULT_SCALAR_TAG,
}


class KeyFile:
    """The file at gateway.keys_file, parsed again only when its bytes have changed."""

    name = "file"
    closes = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: bytes | None = None
        self._found: tuple[Key, ...] | StartError = ()

    def read(self) -> tuple[Key, ...]:
        """Return its keys; raises StartError naming the file, the line and the field."""
        label = f"gateway.keys_file {self._path}"
        content = self._bytes(label)
        if content != self._content:
            self._found = _found(content, label)
            self._content = content
        if isinstance(self._found, StartError):
            raise self._found.with_traceback(None)
        return self._found

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
        text = content.decode("utf-8")
        _check_depth(text, label)
        loader = Loader(text)
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


def _found(content: bytes, label: str) -> tuple[Key, ...] | StartError:
    """Return a file's keys, or why it has none."""
    try:
        return parse(content, label)
    except StartError as error:
        return error


def entry(terms: KeyTerms, digest: bytes) -> str:
    """Write an entry that can be appended to a file."""
    said = terms.model_dump(mode="json", exclude_defaults=True)
    written = {"name": said.pop("name"), "digest": ALGORITHM + digest.hex(), **said}
    if terms.expires_at is not None:
        written["expires_at"] = datetime.fromtimestamp(terms.expires_at, UTC)
    return yaml.safe_dump([written], sort_keys=False, allow_unicode=True)


def _check_depth(text: str, label: str) -> None:
    """Raise StartError, or YAMLError, for what is nested deeper than entries are."""
    depth = 0
    for event in yaml.parse(text, Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = getattr(event.start_mark, "line", 0) + 1
            raise StartError(f"{label}, line {line}: this is nested too deeply.", SHAPE)


def _entries(root: yaml.Node | None, label: str) -> list[yaml.MappingNode]:
    """Return the nodes of all entries, which know their lines; raises StartError."""
    if not _is_plain(root, yaml.MappingNode) or len(root.value) != 1:
        raise StartError(f"{label} does not hold `keys:` alone.", SHAPE)
    [(title, entries)] = root.value
    if not (_is_plain(title, yaml.ScalarNode) and title.value == "keys"):
        raise StartError(f"{label} holds no list of keys.", SHAPE)
    if not _is_plain(entries, yaml.SequenceNode):
        raise StartError(f"{label} holds no list of keys.", SHAPE)
    mergeable = {id(node) for node in entries.value if not _merged(node)}
    for node in entries.value:
        _check_entry(node, mergeable, label)
    return list(entries.value)


def _check_entry(node: yaml.Node, mergeable: set[int], label: str) -> None:
    """Raise StartError for what is no entry.

    What it takes over is one other entry that takes over nothing, so that none can explode.
    """
    if not _is_plain(node, yaml.MappingNode):
        raise StartError(f"{_place(node, label)}: this is no entry of a key.", SHAPE)
    seen: set[str] = set()
    for field, _ in node.value:
        is_known = _is_plain(field, yaml.ScalarNode) and field.value in FIELDS
        if not is_known and field.tag != MERGE:
            close = difflib.get_close_matches(str(field.value)[:64], FIELDS, n=1, cutoff=0)
            what = f"{_place(field, label)}: no entry of a key has this field."
            raise StartError(what, f"Did you mean {close[0]}?")
        if field.value in seen:
            raise StartError(f"{_place(node, label)}: a field is there twice.", "Remove one.")
        seen.add(field.value)
    if any(id(other) not in mergeable for other in _merged(node)):
        what = f"{_place(node, label)}: << takes over more than one plain entry."
        raise StartError(what, "Name one entry that has no << of its own.")


def _merged(node: yaml.Node) -> list[yaml.Node]:
    """Return what an entry takes over."""
    if not isinstance(node, yaml.MappingNode):
        return []
    return [value for field, value in node.value if field.tag == MERGE]


def _is_plain(node: yaml.Node | None, kind: type[NodeKind]) -> TypeGuard[NodeKind]:
    """Tell whether a node is of a kind, with no tag that would make something else of it."""
    return isinstance(node, kind) and node.tag == PLAIN[kind]


def _key(values: dict[Any, Any], node: yaml.MappingNode, label: str) -> Key:
    try:
        given = KeyEntry.model_validate(values)
    except ValidationError as error:
        field, reason, meaning = next(problems(error, KeyEntry))
        nodes = {name.value: name for name, _ in node.value}
        place = _place(nodes.get(field, node), label)
        what = f"{place}: {field} is refused: {reason}."
        raise StartError(what, f"It means: {meaning}.") from None
    terms = dict(given) | {"digest": bytes.fromhex(given.digest.removeprefix(ALGORITHM))}
    return Key(id=f"file:{given.name}", **terms)


def _place(node: yaml.Node, label: str) -> str:
    return f"{label}, line {node.start_mark.line + 1}"

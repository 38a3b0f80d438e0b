"""Tells whether a folder holds a whole checkpoint; reads only the heads of its files."""

import json
import struct
from pathlib import Path

INDEX = "model.safetensors.index.json"
TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("tokenizer.model",))
# A safetensors file starts with the length of its JSON head, 8 bytes little-endian.
HEAD_LENGTH_BYTES = 8
LONGEST_HEAD_BYTES = 100 * 2**20


def missing_parts(folder: Path) -> list[str]:
    """Name what keeps a folder from being loaded: absent, empty or cut-off files."""
    missing = [] if _has_content(folder / "config.json") else ["config.json"]
    if not any(all(_has_content(folder / name) for name in names) for names in TOKENIZERS):
        missing.append("a tokenizer")
    missing += [f"{path.name} is unfinished" for path in sorted(folder.rglob("*.incomplete"))]
    missing += [path.name for path in sorted(folder.glob("*")) if not path.exists()]
    try:
        shards = shard_names(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [*missing, f"a readable {INDEX}"]
    missing += [name for name in shards if not _is_whole(folder / name)]
    return missing if shards else [*missing, "weights (*.safetensors)"]


def shard_names(folder: Path) -> list[str]:
    """Name the files of weights: those of the index where there is one, else all there are."""
    index = folder / INDEX
    if index.exists():
        return sorted(set(json.loads(index.read_text())["weight_map"].values()))
    return sorted(path.name for path in folder.glob("*.safetensors"))


def weight_bytes(folder: Path) -> int:
    """Add up the sizes of a complete folder's weights."""
    return sum((folder / name).stat().st_size for name in shard_names(folder))


def opens_thought(folder: Path) -> bool:
    """Tell whether the chat template ends its generation prompt in an open <think>."""
    template = folder / "chat_template.jinja"
    try:
        if template.exists():
            text = template.read_text(encoding="utf-8")
        else:
            text = json.loads((folder / "tokenizer_config.json").read_text())["chat_template"]
        # The last branch of a template writes the generation prompt.
        return "<think>" in text[text.rindex("add_generation_prompt") :]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _is_whole(shard: Path) -> bool:
    """Compare a shard's size with the end of the last tensor that its head names."""
    try:
        with shard.open("rb") as content:
            (head_bytes,) = struct.unpack("<Q", content.read(HEAD_LENGTH_BYTES))
            if head_bytes > LONGEST_HEAD_BYTES:
                return False
            head = json.loads(content.read(head_bytes))
        ends = [entry["data_offsets"][1] for name, entry in head.items() if name != "__metadata__"]
        return bool(shard.stat().st_size == HEAD_LENGTH_BYTES + head_bytes + max(ends, default=0))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return False

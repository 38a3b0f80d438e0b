"""A model's files as a hub holds them: whole by every check, and of two shards of 64 KiB."""

import json
import struct


def shard(seed: int, size_bytes: int = 2**16) -> bytes:
    """Make a valid safetensors file of one tensor."""
    tensor = {"dtype": "U8", "shape": [size_bytes], "data_offsets": [0, size_bytes]}
    head = json.dumps({"__metadata__": {"seed": str(seed)}, f"t{seed}": tensor}).encode()
    return struct.pack("<Q", len(head)) + head + bytes([seed]) * size_bytes


SHARDS = {f"model-0000{seed}-of-00002.safetensors": shard(seed) for seed in (1, 2)}
FIRST, SECOND = SHARDS
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "model.safetensors.index.json": json.dumps(
        {"weight_map": {"t1": FIRST, "t2": SECOND}}
    ).encode(),
    **SHARDS,
}

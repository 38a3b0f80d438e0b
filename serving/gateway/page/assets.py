"""The page's files: read once, known by a hash of their content, so that browsers keep them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePath
from typing import Final

TYPES: Final = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
}
BASE: Final = "/page/"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent; `etag` is its content's hash in quotes."""

    content: bytes
    media_type: bytes
    etag: bytes


def _files(folder: Traversable, base: str) -> Iterator[tuple[str, Asset]]:
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        media_type = TYPES.get(PurePath(file.name).suffix)
        if media_type is not None:
            content = file.read_bytes()
            etag = b'"%s"' % hashlib.sha256(content).hexdigest()[:32].encode()
            yield base + file.name, Asset(content, media_type, etag)


_HERE: Final = resources.files("serving.gateway.page")
# All that browsers may ask for, by path.
ASSETS: Final = {
    **dict(_files(_HERE, BASE)),
    **dict(_files(_HERE.joinpath("samples"), f"{BASE}samples/")),
}

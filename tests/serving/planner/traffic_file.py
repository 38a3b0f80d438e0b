"""A traffic file to change in tests."""

from pathlib import Path
from typing import Any

import yaml

TOP = {"peak_requests_per_second": 10, "mean_to_peak": 0.5}
REQUEST = {
    "text_tokens": 400,
    "cached_share": 0.25,
    "pictures": 2,
    "tokens_per_picture": 100,
    "thinking_tokens": 100,
    "thinking_budget": 400,
    "answer_tokens": 50,
}
TRAFFIC = {**TOP, "request": REQUEST}


def traffic_file(folder: Path, **changes: Any) -> Path:
    """Write the file with some fields changed; None leaves one out, unknown ones are tried."""
    top = {**TOP, **{name: v for name, v in changes.items() if not _of_request(name)}}
    request = {**REQUEST, **{name: v for name, v in changes.items() if _of_request(name)}}
    document = {**top, "request": {name: v for name, v in request.items() if v is not None}}
    path = folder / "traffic.yaml"
    kept = {name: value for name, value in document.items() if value is not None}
    path.write_text(yaml.safe_dump(kept))
    return path


def _of_request(name: str) -> bool:
    return name.endswith(("tokens", "_token", "budget", "pictures", "picture", "share"))

"""Where this user's sockets are, unless the settings say otherwise."""

import os
import tempfile
from pathlib import Path


def run_folder() -> Path:
    """Return the folder of this user's sockets: private, on a local disk, with a short path."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and Path(session).is_dir():
        return Path(session) / "qwen3-vl-serving"
    return Path(tempfile.gettempdir()) / f"qwen3-vl-serving-{os.getuid()}"

"""What only the first process of a container has to do before it becomes the engine."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is


def clear_shared_memory(
    environ: Mapping[str, str] = os.environ, folder: Path = SHARED_MEMORY
) -> None:
    """Remove what a killed engine left in its pod's /dev/shm, which outlives the container.

    Buffers of some 160 MiB a worker and the cache of pictures would fill it, and the engine would
    not start again. Elsewhere, and beside another process, the folder may be somebody else's too.
    """
    if os.getpid() != 1 or "KUBERNETES_SERVICE_HOST" not in environ:
        return
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                path.unlink()

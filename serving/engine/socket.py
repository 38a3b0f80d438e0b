"""The engine's private address: who may hold it, and what a start may clear away."""

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path

from serving.failure import StartError

# The kernel takes 107; the rest is room for the suffix of the lock and of control sockets.
MAX_PATH_BYTES = 100
PRIVATE = 0o700
LOOPBACK = ("127.0.0.1", "localhost")
ANSWER_TIMEOUT_SECONDS = 1.0


def parse(listen: str) -> Path | tuple[str, int]:
    """Read `engine.listen`: a socket's path, or the host and port of tcp://127.0.0.1:PORT."""
    scheme, separator, address = listen.partition("://")
    if not separator:
        return _short_enough(Path(listen).absolute())
    host, _, port = address.rpartition(":")
    if scheme == "tcp" and host in LOOPBACK and port.isdigit() and 0 < int(port) < 65536:
        return host, int(port)
    raise StartError(
        f"engine.listen is {listen}: no address the engine may have.",
        "Give the path of a Unix socket, or tcp://127.0.0.1:PORT.",
    )


def take(path: Path) -> int:
    """Make `path` free for one engine and return the descriptor that holds its lock.

    The lock lasts as long as the descriptor, also through exec. Raises StartError where the
    folder is not private to this user or another engine is there.
    """
    _short_enough(path)
    private_folder(path.parent)
    descriptor = _lock(path.with_name(f"{path.name}.lock"), path)
    try:
        _remove_stale(path)
    except StartError:
        os.close(descriptor)
        raise
    os.set_inheritable(descriptor, True)
    return descriptor


def require_free(host: str, port: int) -> None:
    """Raise StartError where another program has the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(
                f"engine.listen is tcp://{host}:{port} and the port cannot be had: "
                f"{error.strerror}.",
                "Stop the program that has it, or choose another port.",
            ) from None


def _short_enough(path: Path) -> Path:
    length = len(os.fsencode(path))
    if length > MAX_PATH_BYTES:
        raise StartError(
            f"engine.listen is {length} bytes long ({path}); "
            f"a socket's path may have {MAX_PATH_BYTES}.",
            "Set engine.listen to a shorter path.",
        )
    return path


def private_folder(folder: Path) -> None:
    """Make sure that a folder exists and is open to this user alone; raises StartError."""
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise StartError(
            f"The socket's folder {folder} cannot be used: {error.strerror}.",
            "Set engine.listen to a path in a folder that you can write to.",
        ) from None
    if not stat.S_ISDIR(status.st_mode):
        raise StartError(
            f"The socket's folder {folder} is a link.", "Give the folder itself in engine.listen."
        )
    if status.st_uid != os.getuid():
        raise StartError(
            f"The socket's folder {folder} belongs to user {status.st_uid}, not to you "
            f"(user {os.getuid()}).",
            "Run as that user, or set engine.listen to a path in a folder of your own.",
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise StartError(
            f"The socket's folder {folder} is open to other users (mode {mode:03o}); whoever "
            "reaches the socket can use the engine without a key.",
            f"Run chmod 700 {folder}, or set engine.listen to a path in a private folder.",
        )


def _lock(path: Path, listen: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StartError(
            f"Another engine (process {holder}) listens on {listen}.",
            "Stop it, or set engine.listen to another path.",
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _remove_stale(path: Path) -> None:
    """Remove the socket of an engine that was killed, never a file or a socket that answers."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartError(
            f"{path} is in the way: it is not a socket.",
            "Move it, or set engine.listen to another path.",
        )
    if _answers(path):
        raise StartError(
            f"Another program listens on {path}.", "Stop it, or set engine.listen to another path."
        )
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_TIMEOUT_SECONDS)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True
        except OSError:
            return False
        return True

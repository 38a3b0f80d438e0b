"""Private addresses, the engine's first: who may hold one, and what a start may clear away."""

import contextlib
import fcntl
import http.client
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from serving.failure import StartError

# The kernel takes 107; the rest is room for the suffix of the lock and of control sockets.
MAX_PATH_BYTES = 100
PRIVATE = 0o700
LOOPBACK = ("127.0.0.1", "localhost")
ANSWER_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens on a socket, and the option that moves it elsewhere."""

    name: str
    option: str


ENGINE = Holder("engine", "engine.listen")
GATEWAY = Holder("gateway", "gateway.control_socket")


def parse(listen: str) -> Path | tuple[str, int]:
    """Read `engine.listen`: a socket's path, or the host and port of tcp://127.0.0.1:PORT."""
    scheme, separator, address = listen.partition("://")
    if not separator:
        return _short_enough(Path(listen).absolute(), ENGINE)
    host, _, port = address.rpartition(":")
    if scheme == "tcp" and host in LOOPBACK and port.isdigit() and 0 < int(port) < 65536:
        return host, int(port)
    raise StartError(
        f"engine.listen is {listen}: no address the engine may have.",
        "Give the path of a Unix socket, or tcp://127.0.0.1:PORT.",
    )


def take(path: Path, holder: Holder = ENGINE) -> int:
    """Make `path` free for one process and return the descriptor that holds its lock.

    The lock lasts as long as the descriptor, which exec closes unless it is made inheritable.
    Raises StartError where the folder is not private to this user or somebody else is there.
    """
    _short_enough(path, holder)
    private_folder(path.parent, holder)
    descriptor = _lock(path, holder)
    try:
        _remove_stale(path, holder)
    except StartError:
        os.close(descriptor)
        raise
    return descriptor


def connection(
    address: Path | tuple[str, int], timeout_seconds: float
) -> http.client.HTTPConnection:
    """Return an HTTP connection to an address as `parse` gives it; it is opened when used."""
    if isinstance(address, Path):
        return _UnixConnection(address, timeout_seconds)
    return http.client.HTTPConnection(*address, timeout=timeout_seconds)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


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


def _short_enough(path: Path, holder: Holder) -> Path:
    length = len(os.fsencode(path))
    if length > MAX_PATH_BYTES:
        raise StartError(
            f"{holder.option} is {length} bytes long ({path}); "
            f"a socket's path may have {MAX_PATH_BYTES}.",
            f"Set {holder.option} to a shorter path.",
        )
    return path


def private_folder(folder: Path, holder: Holder = ENGINE) -> None:
    """Make sure that a folder exists and is open to this user alone; raises StartError."""
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise StartError(
            f"The socket's folder {folder} cannot be used: {error.strerror}.",
            f"Set {holder.option} to a path in a folder that you can write to.",
        ) from None
    if not stat.S_ISDIR(status.st_mode):
        raise StartError(
            f"The socket's folder {folder} is a link.",
            f"Give the folder itself in {holder.option}.",
        )
    if status.st_uid != os.getuid():
        raise StartError(
            f"The socket's folder {folder} belongs to user {status.st_uid}, not to you "
            f"(user {os.getuid()}).",
            f"Run as that user, or set {holder.option} to a path in a folder of your own.",
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise StartError(
            f"The socket's folder {folder} is open to other users (mode {mode:03o}); whoever "
            "reaches the socket can use the engine without a key.",
            f"Run chmod 700 {folder}, or set {holder.option} to a path in a private folder.",
        )


def _lock(path: Path, holder: Holder) -> int:
    lock = path.with_name(f"{path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StartError(
            f"Another {holder.name} (process {process}) listens on {path}.",
            f"Stop it, or set {holder.option} to another path.",
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _remove_stale(path: Path, holder: Holder) -> None:
    """Remove the socket of a process that was killed, never a file or a socket that answers."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartError(
            f"{path} is in the way: it is not a socket.",
            f"Move it, or set {holder.option} to another path.",
        )
    if _answers(path):
        raise StartError(
            f"Another program listens on {path}.",
            f"Stop it, or set {holder.option} to another path.",
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

"""A connection that tells when its bytes arrived, not when this process came to read them.

Linux stamps what it receives on TCP (SO_TIMESTAMPNS). The stamp is a time of the wall clock; what
matters is its age, which is taken off the monotonic clock at once. Where the kernel gives no stamp
the time is that right after the read. Bytes that are read together share the stamp of the last of
them: a late reader dates an event at most by the events behind it, never by its own lateness.
"""

import socket
import ssl
import struct
import sys
import time
from contextlib import suppress
from functools import cache
from typing import Final

from loadtests.endpoint import Endpoint

READ_BYTES: Final = 65536
# Linux's number of the option and of the message that carries the stamp, a `struct timespec`.
SO_TIMESTAMPNS: Final = 35
TIMESPEC: Final = struct.Struct("@ll")
ANCILLARY_BYTES: Final = socket.CMSG_SPACE(TIMESPEC.size)
# As much as the kernel may hold back unsent: "handed over" means on its way, but for this much.
UNSENT_BYTES: Final = 128 * 1024


class Connection:
    """A TCP connection. Every method raises OSError; silence beyond the timeout, TimeoutError."""

    def __init__(self, host: str, port: int, timeout_seconds: float) -> None:
        self._socket = socket.create_connection((host, port), timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError, AttributeError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self._stamped = _wants_stamps() is not None
        if self._stamped:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.by_kernel = False  # whether the last arrival is the kernel's
        self._latest = 0.0
        self.started = 0.0  # when the running request began: no arrival is older
        self.last = time.perf_counter() + timeout_seconds  # nothing is waited for any longer

    def wait_at_most(self, seconds: float) -> None:
        """Set the longest silence on either way."""
        self._socket.settimeout(seconds)

    def send(self, data: bytes) -> None:
        """Hand everything to the kernel."""
        rest = memoryview(data)
        while rest:
            self._check_time()
            rest = rest[self._socket.send(rest) :]

    def receive(self) -> tuple[bytes, float]:
        """Return the next bytes, b"" at the end, and when they arrived (`perf_counter`)."""
        if not self._stamped:
            return self._socket.recv(READ_BYTES), time.perf_counter()
        data, ancillary, _, _ = self._socket.recvmsg(READ_BYTES, ANCILLARY_BYTES)
        if not ancillary:
            self._latest = time.perf_counter()
            return data, self._latest
        seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
        age = time.time_ns() - seconds * 1_000_000_000 - nanoseconds
        now = time.perf_counter()
        arrival = now - age * 1e-9
        # Only a wall clock that was set meanwhile puts an arrival elsewhere.
        self.by_kernel = self.started <= arrival <= now
        # What one packet brought may be read in parts, and each reading errs by a little.
        self._latest = max(self._latest, arrival) if self.by_kernel else now
        return data, self._latest

    def _check_time(self) -> None:
        """End what goes on by little steps, none of which is silent for too long."""
        if time.perf_counter() > self.last:
            raise TimeoutError

    def is_quiet(self) -> bool:
        """Tell whether the other side has neither closed nor said anything; ends the timeout."""
        try:
            self._socket.settimeout(0.0)
            self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close it; nothing is raised."""
        with suppress(OSError):
            self._socket.close()


class TlsConnection(Connection):
    """The same under TLS: what is encrypted is stamped, and decrypted from memory."""

    def __init__(self, host: str, port: int, timeout_seconds: float) -> None:
        super().__init__(host, port, timeout_seconds)
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = _context().wrap_bio(self._arrived, self._leaving, server_hostname=host)
        self._arrival = 0.0
        try:
            self._shake_hands()
        except BaseException:
            self.close()
            raise

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                if not self._take_in():
                    raise ConnectionResetError("closed during the TLS handshake") from None
            else:
                return self._flush()

    def send(self, data: bytes) -> None:
        """Encrypt and hand over a piece at a time."""
        for at in range(0, len(data), READ_BYTES):
            self._tls.write(memoryview(data)[at : at + READ_BYTES])
            self._flush()

    def receive(self) -> tuple[bytes, float]:
        """Return the next decrypted bytes and when the last of what they came from arrived."""
        while True:
            try:
                return self._tls.read(READ_BYTES), self._arrival
            except ssl.SSLWantReadError:
                self._flush()
                if not self._take_in():
                    return b"", self._arrival
            except ssl.SSLZeroReturnError:
                return b"", self._arrival

    def _take_in(self) -> bool:
        self._check_time()
        data, self._arrival = super().receive()
        self._arrived.write(data)
        return bool(data)

    def _flush(self) -> None:
        if self._leaving.pending:
            super().send(self._leaving.read())


@cache
def _wants_stamps() -> socket.socket | None:
    """Return a socket that is kept for its wish; None where there are no stamps.

    Linux stamps packets only while some socket wants it, and begins a moment after the first does.
    """
    if sys.platform != "linux":
        return None
    wishing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        wishing.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        wishing.close()
        return None
    return wishing


@cache
def _context() -> ssl.SSLContext:
    """Read the machine's certificates once."""
    return ssl.create_default_context()


def connect(endpoint: Endpoint, timeout_seconds: float) -> Connection:
    """Open a connection; no proxy of the environment is used."""
    kind = TlsConnection if endpoint.scheme == "https" else Connection
    return kind(endpoint.host, endpoint.port, timeout_seconds)

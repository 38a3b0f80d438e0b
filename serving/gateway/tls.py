"""TLS of the API port: a certificate and its key from files, read again when they change."""

import asyncio
import logging
import os
import ssl
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from serving.failure import StartError
from serving.gateway.metrics.state import StateMetrics
from serving.options import GatewaySettings

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for.
NO_CHECK_TIME: Final = 0x200000
# A handshake takes two turns of each side.
TURNS: Final = 4
FILES: Final = "gateway.tls_cert_file and gateway.tls_key_file"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key that a handshake was made with."""

    content: tuple[bytes, bytes]
    context: ssl.SSLContext
    expires_at: float
    names: tuple[str, ...]

    @classmethod
    def read(cls, settings: GatewaySettings) -> Self | None:
        """Read the pair that is set, if one is; raises StartError for one that cannot serve."""
        cert_file, key_file = settings.tls_cert_file, settings.tls_key_file
        if cert_file is None or key_file is None:
            return None
        content = _content(cert_file, key_file)
        try:
            _require_private(key_file)
            context = _context(cert_file, key_file)
            seen = _shake_hands(context, cert_file)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or "the key needs a password"
            raise StartError(
                f"{FILES} are no pair that TLS can use ({reason}).",
                "Give the PEM chain, the server's own certificate first, and its key unencrypted.",
            ) from None
        except OSError as error:  # they are being replaced at this moment
            raise _unreadable(error) from None
        names = tuple(name for kind, name in seen.get("subjectAltName", ()) if kind != "email")
        return cls(content, context, float(ssl.cert_time_to_seconds(seen["notAfter"])), names)


class Certificate:
    """What new connections are shown: the last good pair of the files."""

    def __init__(self, pair: Pair, settings: GatewaySettings, metrics: StateMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._stale = False
        self._take(pair)
        # The listener keeps this context; each handshake asks it for the newest pair.
        self.context = pair.context

    @classmethod
    def load(cls, settings: GatewaySettings, metrics: StateMetrics) -> Self | None:
        """Return the certificate that is set, if one is; raises StartError."""
        pair = Pair.read(settings)
        return cls(pair, settings, metrics) if pair else None

    async def watch(self) -> None:
        """Look at the files every few seconds, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Take a changed pair; keep the last good one where the new one cannot serve."""
        try:
            pair = await asyncio.to_thread(Pair.read, self._settings)
        except StartError as problem:
            if not self._stale:
                logger.warning("%s The last good certificate stays.", problem)
            self._note(stale=True)
            return
        if pair is not None and pair.content != self._pair.content:
            self._take(pair)
            logger.info("the TLS certificate was read again")
        self._note(stale=False)

    def _take(self, pair: Pair) -> None:
        self._pair = pair
        pair.context.sni_callback = self._show_newest
        self._metrics.certificate_expiry.set(pair.expires_at)

    def _note(self, *, stale: bool) -> None:
        self._stale = stale
        self._metrics.certificate_stale.set(stale)

    def _show_newest(
        self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._pair.context


def is_exposed(mode: int, *, read_only_mount: bool) -> bool:
    """Say whether others can read a key: on a mount of its own there are none.

    Kubernetes mounts secrets read-only and, by default, readable for every user of a container,
    which has one.
    """
    return bool(mode & stat.S_IROTH) and not read_only_mount


def _require_private(key_file: Path) -> None:
    mount = os.statvfs(key_file)
    if is_exposed(key_file.stat().st_mode, read_only_mount=bool(mount.f_flag & os.ST_RDONLY)):
        raise StartError(
            f"gateway.tls_key_file {key_file} can be read by every user of this machine.",
            f"Run: chmod o= {key_file}",
        )


def _content(cert_file: Path, key_file: Path) -> tuple[bytes, bytes]:
    """Return both files' bytes; a change after this is found by the next look."""
    try:
        return cert_file.read_bytes(), key_file.read_bytes()
    except OSError as error:
        raise _unreadable(error) from None


def _unreadable(error: OSError) -> StartError:
    return StartError(
        f"{error.filename or 'A file'} ({FILES}) cannot be read: {error.strerror}.",
        "Give the paths of files that this user can read.",
    )


def _context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    # Without this OpenSSL would ask the terminal for the password of an encrypted key.
    context.load_cert_chain(cert_file, key_file, password=lambda: "")
    return context


def _shake_hands(context: ssl.SSLContext, cert_file: Path) -> dict[str, Any]:
    """Shake hands in memory; return the certificate as a client reads it, expired or not."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.load_verify_locations(cert_file)
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(NO_CHECK_TIME)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(TURNS):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return dict(client.getpeercert() or {})

"""Where keys come from while the gateway runs: read again and again, the last good ones kept."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client import Gauge

from serving.failure import StartError
from serving.gateway.key import Key
from serving.logs import describe
from serving.store.address import Address
from serving.store.daemon_thread import in_daemon_thread

if TYPE_CHECKING:
    from sqlalchemy import Engine

logger = logging.getLogger(__name__)

REREAD_SECONDS: Final = 5.0


class KeySource(Protocol):
    """A file or a store; `closes` where its being configured means that keys are needed."""

    name: str
    closes: bool

    def read(self) -> tuple[Key, ...]:
        """Return all keys, revoked ones included; raises StartError. May block."""

    def close(self) -> None:
        """Let go of connections."""


class StoredKeys:
    """The keys in the store, which is opened once it is there."""

    name = "store"

    def __init__(self, address: Address) -> None:
        self._address = address
        self._engine: Engine | None = None
        self.closes = not address.is_default

    def read(self) -> tuple[Key, ...]:
        """Return all keys; the default store has none until `serving keys create` makes it."""
        if self._engine is None and self._address.is_default and not self._address.exists:
            return ()
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 — see `address`

        from serving.store.database import open_store, reason  # noqa: PLC0415
        from serving.store.keys import KeyStore  # noqa: PLC0415

        if self._engine is None:
            self._engine = open_store(self._address)
        try:
            return KeyStore(self._engine).list()
        except (SQLAlchemyError, ValueError) as error:
            raise StartError(
                f"{self._address} cannot be read: {reason(error)}.",
                "Check that it is there and that this user may write it.",
            ) from None

    def close(self) -> None:
        """Close its connections."""
        if self._engine is not None:
            self._engine.dispose()


class Followed:
    """A source and what was last read of it well."""

    def __init__(self, source: KeySource) -> None:
        self.source = source
        self.keys: tuple[Key, ...] = ()
        self._problem: str | None = None

    def read(self) -> None:
        """Read it for the first time; raises StartError."""
        self.keys = self.source.read()

    async def run(self, changed: Callable[[], None], stale: Gauge) -> None:
        """Read it again every few seconds, call `changed` and set the gauge; never ends."""
        gauge = stale.labels(self.source.name)
        gauge.set(0)
        while True:
            await asyncio.sleep(REREAD_SECONDS)
            await self._read_again(changed, gauge)

    async def _read_again(self, changed: Callable[[], None], gauge: Gauge) -> None:
        loop = asyncio.get_running_loop()
        silence = loop.call_later(REREAD_SECONDS, self._note_silence, gauge)
        try:
            keys = await in_daemon_thread(self.source.read, "keys")
        except StartError as error:
            self._note(str(error), gauge)
            return
        except Exception as error:  # the border to the source: whatever fails there, this goes on
            self._note(f"The keys' {self.source.name} failed: {describe(error)}\n", gauge)
            return
        finally:
            silence.cancel()
        self._note(None, gauge)
        if keys != self.keys:
            self.keys = keys
            changed()

    def _note_silence(self, gauge: Gauge) -> None:
        if self._problem is None:
            self._note(f"The keys' {self.source.name} has not answered for a while.", gauge)

    def _note(self, problem: str | None, gauge: Gauge) -> None:
        """Set the gauge, and log what has changed."""
        gauge.set(problem is not None)
        if problem == self._problem:
            return
        self._problem = problem
        if problem is None:
            logger.info("the keys' %s can be read again", self.source.name)
        else:
            logger.warning("%s Until then the last good keys hold.", problem)

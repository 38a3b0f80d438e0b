"""Where keys come from while the gateway runs: read again and again, the last good ones kept."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from prometheus_client import Gauge
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from serving.failure import StartError
from serving.gateway.key import Key
from serving.store.daemon_thread import in_daemon_thread
from serving.store.database import Address, open_store, reason
from serving.store.keys import KeyStore

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
        if self._engine is None:
            if self._address.is_default and not self._address.exists:
                return ()
            self._engine = open_store(self._address)
        try:
            return KeyStore(self._engine).list()
        except (SQLAlchemyError, ValueError) as error:
            raise StartError(
                f"{self._address} cannot be read: {reason(error)}.", "Check that it is there."
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
        reading = in_daemon_thread(self.source.read, "keys")
        await asyncio.wait({reading}, timeout=REREAD_SECONDS)
        if not reading.done() and self._problem is None:
            self._note(f"The keys' {self.source.name} has not answered for a while.", gauge)
        try:
            keys = await reading
        except StartError as error:
            self._note(str(error), gauge)
            return
        self._note(None, gauge)
        if keys != self.keys:
            self.keys = keys
            changed()

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

"""The usage store as threads reach it: opened by the first, its failures told in our words."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from serving.failure import StartError
from serving.gateway.record import Record
from serving.store.address import Address

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from serving.store.usage import UsageStore

Result = TypeVar("Result")


class StoreFailed(Exception):
    """The store has not done what it was asked; it may do it another time."""


class RowsRefused(Exception):
    """The store works and does not take these rows; no word of theirs is in the reason."""


class UsageAccess:
    """A way to the usage ledger for any thread; SQLAlchemy is loaded in the first one's."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._opening, self._counting = threading.Lock(), threading.Lock()
        self._engine: Engine | None = None
        self._users = 0
        self._closed = False

    def use(self, work: Callable[[UsageStore], Result]) -> Result:
        """Do it with the store; raises StoreFailed, and RowsRefused for a value it cannot hold."""
        from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError  # noqa: PLC0415

        from serving.store.database import reason  # noqa: PLC0415
        from serving.store.usage import UsageStore  # noqa: PLC0415

        self._count(1)
        try:
            return work(UsageStore(self._open()))
        except StartError as error:
            raise StoreFailed(error.what.rstrip(".")) from None
        except (DataError, IntegrityError) as error:
            raise RowsRefused(type(error).__name__) from None
        except SQLAlchemyError as error:
            raise StoreFailed(reason(error)) from None
        finally:
            self._count(-1)

    def write(self, batch_id: str, records: Sequence[Record]) -> None:
        """Enter requests; raises StoreFailed, and RowsRefused where one of them is the reason."""
        try:
            self.use(lambda store: store.write(batch_id, records))
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise RowsRefused(type(error).__name__) from None

    def close(self) -> None:
        """Let go of the connections, once nobody uses them any more."""
        self._closed = True
        self._count(0)

    def _count(self, change: int) -> None:
        with self._counting:
            self._users += change
            if self._closed and not self._users and self._engine is not None:
                self._engine.dispose()

    def _open(self) -> Engine:
        from serving.store.database import open_store  # noqa: PLC0415

        with self._opening:
            if self._engine is None:
                self._engine = open_store(self._address)
                # What was loaded lives for ever, too: see `server`, which has frozen the rest.
                if gc.get_freeze_count():
                    gc.freeze()
            return self._engine

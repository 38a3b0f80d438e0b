"""Keys in the store: made, found, rotated and revoked; of their text only the digest is kept."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from serving.failure import NotDone
from serving.gateway.key import Key, Priority, digest
from serving.gateway.key_terms import ID_START, KEY_START, KeyTerms, shown
from serving.gateway.period import Period
from serving.store.database import read_only

PREFIX: Final = f"{KEY_START}qwen-"
SECRET_BYTES: Final = 32

api_keys: Final = sa.Table(
    "api_keys",
    sa.MetaData(),
    sa.Column("id", sa.String),
    sa.Column("name", sa.String),
    sa.Column("owner", sa.String),
    sa.Column("digest", sa.LargeBinary),
    sa.Column("previous_digest", sa.LargeBinary),
    sa.Column("previous_expires_at", sa.Double),
    sa.Column("models", sa.JSON),
    sa.Column("requests_per_minute", sa.BigInteger),
    sa.Column("tokens_per_minute", sa.BigInteger),
    sa.Column("max_concurrent", sa.BigInteger),
    sa.Column("budget_usd", sa.Double),
    sa.Column("budget_period", sa.String),
    sa.Column("priority", sa.String),
    sa.Column("admin", sa.Boolean),
    sa.Column("created_at", sa.Double),
    sa.Column("expires_at", sa.Double),
    sa.Column("revoked_at", sa.Double),
)
columns: Final = api_keys.c


def new_text() -> str:
    """Return a key nobody can guess: 256 random bits in 43 characters after the prefix."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


@dataclass(frozen=True, slots=True)
class Issued:
    """A key and, this once, its text."""

    key: Key
    text: str


class KeyStore:
    """The table of keys. Among keys that still work a name is there once.

    Reading waits for no writer: a gateway can start while another enters usage.
    """

    def __init__(self, engine: sa.Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._reader = read_only(engine)
        self._clock = clock

    def create(self, terms: KeyTerms) -> Issued:
        """Make a key; raises NotDone where its name is taken or its end is past."""
        now, text = self._clock(), new_text()
        if terms.expires_at is not None and terms.expires_at <= now:
            raise NotDone(
                f"The key would have expired at {shown(terms.expires_at)}.", "Give a later end."
            )
        row = {
            **dict(terms),
            "id": ID_START + secrets.token_hex(8),
            "models": list(terms.models),
            "digest": digest(text.encode()),
            "created_at": now,
        }
        namesake = sa.and_(columns.name == terms.name, columns.revoked_at.is_(None))
        try:
            with self._engine.begin() as connection:
                # An expired key gives its name away.
                connection.execute(
                    sa.update(api_keys)
                    .where(namesake, columns.expires_at <= now)
                    .values(revoked_at=columns.expires_at)
                )
                connection.execute(sa.insert(api_keys).values(row))
        except IntegrityError:
            raise NotDone(
                f"A key named {terms.name} is there already.",
                "Choose another name, or `serving keys rotate` or `revoke` that one.",
            ) from None
        return Issued(_key(row), text)

    def list(self) -> tuple[Key, ...]:
        """Return all keys that ever were, the oldest first."""
        asked = sa.select(api_keys).order_by(columns.created_at, columns.id)
        with self._reader.connect() as connection:
            return tuple(_key(row) for row in connection.execute(asked).mappings())

    def find(self, name_or_id: str) -> Key:
        """Return a key by its id or name, of several that which works; raises NotDone."""
        asked = (
            sa.select(api_keys)
            .where(sa.or_(columns.id == name_or_id, columns.name == name_or_id))
            .order_by(columns.revoked_at.is_not(None), columns.created_at.desc())
            .limit(1)
        )
        with self._reader.connect() as connection:
            row = connection.execute(asked).mappings().first()
        if row is None:
            what = "That" if name_or_id.startswith(KEY_START) else name_or_id[:64]
            raise NotDone(
                f"{what} is neither the name nor the id of a key in this store.",
                "`serving keys list` shows what there is.",
            )
        return _key(row)

    def revoke(self, name_or_id: str) -> Key:
        """End a key for ever; raises NotDone where it has ended already."""
        return self._change(self.find(name_or_id), {"revoked_at": self._clock()})

    def rotate(self, name_or_id: str, grace_seconds: float) -> Issued:
        """Give a key a new text; the old one works until the grace ends. Raises NotDone."""
        key, text, now = self.find(name_or_id), new_text(), self._clock()
        if key.state(now) == "expired":
            raise NotDone(f"The key {key.name} has expired.", "Create a new one.")
        changed = {
            "digest": digest(text.encode()),
            "previous_digest": key.digest if grace_seconds > 0 else None,
            "previous_expires_at": now + grace_seconds if grace_seconds > 0 else None,
        }
        return Issued(self._change(key, changed), text)

    def _change(self, key: Key, values: dict[str, Any]) -> Key:
        """Change the key as it was found, or raise NotDone."""
        as_found = sa.and_(
            columns.id == key.id, columns.digest == key.digest, columns.revoked_at.is_(None)
        )
        with self._engine.begin() as connection:
            changed = connection.execute(sa.update(api_keys).where(as_found).values(values))
        if not changed.rowcount:
            why = "is revoked" if key.revoked_at is not None else "was changed by another just now"
            raise NotDone(
                f"The key {key.name} ({key.id}) {why}.",
                f"Look at it with `serving keys show {key.id}`.",
            )
        return replace(key, **values)


def _key(row: Mapping[Any, Any]) -> Key:
    return Key(
        **{
            **row,
            "digest": bytes(row["digest"]),
            "models": tuple(row["models"]),
            "priority": Priority(row["priority"]),
            "budget_period": Period(period) if (period := row["budget_period"]) else None,
        }
    )

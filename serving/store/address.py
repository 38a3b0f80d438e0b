"""Where the store is. SQLAlchemy is loaded where a URL names one: a start without is quicker."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from serving.failure import StartError
from serving.options import StoreSettings

if TYPE_CHECKING:
    import sqlalchemy as sa

# Clouds hand out the first of them.
POSTGRES_NAMES: Final = ("postgres", "postgresql", "postgresql+psycopg")


@dataclass(frozen=True, slots=True)
class Address:
    """A file, or a PostgreSQL; `name` holds nothing that may be secret."""

    place: Path | sa.URL
    name: str
    is_default: bool

    @classmethod
    def of(cls, store: StoreSettings) -> Self:
        """Read store.url; raises StartError for one that cannot be served."""
        if store.url is None:
            path = default_path()
            return cls(path, str(path), is_default=True)
        place = _place(store.url.get_secret_value())
        if isinstance(place, Path):
            return cls(place, f"store.url sqlite:///{place}", is_default=False)
        return cls(place, f"store.url {masked(place)}", is_default=False)

    def __str__(self) -> str:
        """Return its name."""
        return self.name

    @property
    def path(self) -> Path | None:
        """Return the file, None on PostgreSQL."""
        return self.place if isinstance(self.place, Path) else None

    @property
    def exists(self) -> bool:
        """Tell whether there is something to open; a database server is taken at its word."""
        try:
            return self.path is None or self.path.exists()
        except PermissionError:  # in another user's home, which is nothing of ours
            return False


def default_path() -> Path:
    """Return where the store is when no URL names one: this user's state folder."""
    state = os.environ.get("XDG_STATE_HOME") or _home() / ".local" / "state"
    return Path(state) / "qwen3-vl-serving" / "serving.db"


def masked(url: sa.URL) -> str:
    """Write an address without its password, and without options, which may hold another one."""
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a container's user without a name
        return Path("/nonexistent")


def _place(text: str) -> Path | sa.URL:
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _refusal("store.url cannot be read as an address.") from None
    is_file = url.drivername == "sqlite" and not (url.host or url.query)
    if is_file and url.database not in {None, "", ":memory:"}:
        return Path(str(url.database)).absolute()
    if text.count("@") > 1:  # where a password ends would be a guess
        raise _refusal("store.url has more than one @; in a password it is %40.")
    if url.drivername in POSTGRES_NAMES and url.database:
        return url.set(drivername="postgresql+psycopg")
    raise _refusal(f"store.url {masked(url)} names no store that can be used.")


def _refusal(what: str) -> StartError:
    return StartError(
        what, "Give sqlite:///FILE (four slashes before a full path) or postgresql://HOST/NAME."
    )

"""Where the store is: what store.url may say, and what is told of it."""

import pwd
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from serving.failure import StartError
from serving.options import StoreSettings
from serving.store.address import Address, default_path, masked


def test_a_home_without_a_state_folder_gets_one(monkeypatch, tmp_path) -> None:
    """Without XDG_STATE_HOME the store is where that variable's default is."""
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".local/state/qwen3-vl-serving/serving.db"


def test_a_user_without_a_home_has_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with a user of its own: nothing is there, and nothing fails."""

    def unknown(_uid: int) -> None:
        raise KeyError

    for name in ("XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert not Address.of(StoreSettings()).exists


def test_a_folder_that_may_not_be_read_holds_no_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where a container's HOME is root's and its user is not."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    script = (
        "import os\n"
        "from serving.options import StoreSettings\n"
        "from serving.store.address import Address\n"
        "os.setuid(os.getuid() or 65534)\n"
        "print(Address.of(StoreSettings()).exists)"
    )
    tmp_path.chmod(0o000)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
    finally:
        tmp_path.chmod(0o700)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hunter2@h/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://folder/keys.db",
        "sqlite:///keys.db?password=hunter2",
        "mysql://u:and@hunter2@h/db",
        "postgresql://u:and@hunter2@h/db",
        "postgresql://u:and@hunter2/more@h/db",
        "postgresql://u:hunter2@h",
        "postgresql://u:hunter2@h:port/db",
        "hunter2",
        "postgres+hunter2",
    ],
)
def test_an_address_that_cannot_be_served_is_refused(url: str) -> None:
    """The reason names store.url and what it takes, never a password."""
    with pytest.raises(StartError, match=r"store\.url") as caught:
        Address.of(StoreSettings(url=url))
    assert "postgresql://" in caught.value.next_step
    assert "hunter2" not in str(caught.value)


def test_a_file_is_named_by_its_full_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative path is another file in another folder: who reads of it has to see which."""
    monkeypatch.chdir(tmp_path)
    address = Address.of(StoreSettings(url="sqlite:///a@b/keys.db"))
    assert address.path == tmp_path / "a@b" / "keys.db"
    assert str(tmp_path) in str(address)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_known_by_all_its_names(scheme: str) -> None:
    """And asked by the one driver there is, with a password's characters as they are."""
    address = Address.of(StoreSettings(url=f"{scheme}://u:p%40%2F:%23?s@h:5432/db"))
    assert (address.place.drivername, address.path) == ("postgresql+psycopg", None)
    assert (address.place.password, address.place.host) == ("p@/:#?s", "h")
    assert str(address) == "store.url postgresql://u:***@h:5432/db"


def test_a_password_is_masked() -> None:
    """What else is in an address may be read."""
    url = sa.make_url("postgresql+psycopg://user:hunter2@host:5432/db?password=hunter2")
    assert masked(url) == "postgresql://user:***@host:5432/db"


def test_a_start_without_a_store_loads_no_sqlalchemy(tmp_path: Path) -> None:
    """It would take a quarter of the gateway's start and 13 MiB; a store that is there needs it."""
    script = (
        "import sys\n"
        "from prometheus_client import Gauge\n"
        "import serving.gateway.app\n"
        "from serving.gateway.keys import load_keys\n"
        "from serving.gateway.rate_limit import rate_limits\n"
        "from serving.options import Settings, StoreSettings\n"
        "load_keys(Settings())\n"
        "rate_limits(StoreSettings(), Gauge('a', 'b'))\n"
        "assert 'sqlalchemy' not in sys.modules\n"
        "load_keys(Settings(store=StoreSettings(url='sqlite:///' + sys.argv[1])))\n"
        "assert 'sqlalchemy' in sys.modules"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "keys.db")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

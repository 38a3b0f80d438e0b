"""The engine's address: private, held by one engine, and freed after a crash."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.engine.socket import parse, require_free, take
from serving.failure import StartError

ROOT = Path(__file__).parents[3]
# Takes the socket's lock, becomes another program as the launcher does, and waits.
HOLDER = """
import os, sys
from pathlib import Path
from serving.engine.socket import take
os.set_inheritable(take(Path(sys.argv[1])), True)
os.execv(sys.executable, [sys.executable, "-c", "print('held', flush=True); input()"])
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A socket's path that is short enough under any temporary folder."""
    return tmp_path / "run" / "e.sock"


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


@contextmanager
def listener(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield


def test_the_folder_is_made_private(path: Path) -> None:
    """Nobody else may reach a socket that asks for no key."""
    os.close(take(path))

    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.exists()


def test_a_second_engine_is_refused_while_the_first_lives(path: Path) -> None:
    """The lock outlives exec and names its holder."""
    with holder(path) as process, pytest.raises(StartError, match=f"process {process.pid}"):
        take(path)


def test_a_killed_engine_leaves_nothing_in_the_way(path: Path) -> None:
    """After kill -9 the lock is free and the stale socket is removed."""
    with holder(path) as process:
        with listener(path):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        assert path.is_socket()

        os.close(take(path))

    assert not path.exists()


def test_a_socket_that_answers_is_left_alone(path: Path) -> None:
    """An engine that was started by other means keeps its socket."""
    path.parent.mkdir(mode=0o700)
    with listener(path), pytest.raises(StartError, match="Another program listens"):
        take(path)

    assert path.is_socket()


def test_a_file_in_the_way_is_left_alone(path: Path) -> None:
    """Nothing but a socket is ever removed."""
    path.parent.mkdir(mode=0o700)
    path.write_text("precious")

    with pytest.raises(StartError, match="it is not a socket"):
        take(path)
    assert path.read_text() == "precious"


def test_a_refusal_gives_the_lock_back(path: Path) -> None:
    """Whoever clears the way can start without ending this process first."""
    path.parent.mkdir(mode=0o700)
    path.write_text("")
    with pytest.raises(StartError):
        take(path)
    path.unlink()

    os.close(take(path))


def test_a_path_of_101_bytes_is_refused_by_name(tmp_path: Path) -> None:
    """Bytes count, not characters, and the option is named."""
    fits = Path("/" + "é" * 49 + "x")
    assert parse(str(fits)) == fits

    with pytest.raises(StartError, match=r"engine\.listen is 101 bytes long"):
        parse("/" + "é" * 50)


def test_a_folder_open_to_others_is_refused(path: Path) -> None:
    """A private folder that was opened is not closed behind its owner's back."""
    path.parent.mkdir()
    path.parent.chmod(0o755)

    with pytest.raises(StartError, match=r"mode 755.*chmod 700"):
        take(path)


def test_a_folder_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A folder that somebody else has prepared is not trusted."""
    path.parent.mkdir(mode=0o700)
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)

    with pytest.raises(StartError, match=f"belongs to user {owner}, not to you"):
        take(path)


def test_a_link_instead_of_a_folder_is_refused(tmp_path: Path, path: Path) -> None:
    """A link could be turned elsewhere between check and use."""
    path.parent.symlink_to(tmp_path)

    with pytest.raises(StartError, match="is a link"):
        take(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the folder should be is said to be in the way."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StartError, match="cannot be used: "):
        take(tmp_path / "file" / "e.sock")


def test_a_port_that_is_taken_is_named() -> None:
    """For debugging over TCP the port must be free."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]

        with pytest.raises(StartError, match=f"tcp://127.0.0.1:{port} and the port"):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", port)


def test_an_address_is_a_path_or_a_loopback_port() -> None:
    """A relative path is taken from where the process started."""
    assert parse("tcp://127.0.0.1:8100") == ("127.0.0.1", 8100)
    assert parse("e.sock") == Path.cwd() / "e.sock"

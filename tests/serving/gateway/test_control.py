"""The control socket: where it is, who gets it, and what it answers."""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from serving.engine.socket import connection
from serving.failure import StartError
from serving.gateway.answer_headers import EVERYWHERE
from serving.gateway.control import DRAIN, control_listener, control_path
from serving.gateway.drain import Phase, Report
from serving.options import EngineSettings, GatewaySettings, Settings, run_folder
from tests.fake_engine import DONE, WAIT_SECONDS, delta_event, held, usage_event


def settings(listen: str, control: Path | None = None) -> Settings:
    """Return settings with these two addresses."""
    return Settings(
        engine=EngineSettings(listen=listen), gateway=GatewaySettings(control_socket=control)
    )


@pytest.mark.parametrize(
    ("listen", "control", "path"),
    [
        ("/x/engine.sock", None, Path("/x/control.sock")),
        ("tcp://127.0.0.1:9", None, run_folder() / "control.sock"),
        ("/x/engine.sock", Path("/y/c"), Path("/y/c")),
        ("/x/engine.sock", Path("c"), Path.cwd() / "c"),
    ],
)
def test_the_socket_is_beside_the_engines_or_where_it_is_told(listen, control, path):
    """Gateway and command find it from the same settings."""
    assert control_path(settings(listen, control)) == path


def test_the_socket_is_private_held_by_one_and_gone_afterwards(tmp_path):
    """Its folder is made for this user alone; the option is named to a second gateway."""
    path = tmp_path / "run" / "control.sock"
    with control_listener(path):
        assert path.parent.stat().st_mode & 0o777 == 0o700
        held_by = f"Another gateway .process {os.getpid()}. listens on"
        with pytest.raises(StartError, match=held_by) as caught, control_listener(path):
            pass
        assert "gateway.control_socket" in caught.value.next_step
        assert path.is_socket()
    assert not path.exists()


def test_a_path_of_100_bytes_fits_and_one_more_does_not():
    """The option is named, before anything is made."""
    fits = Path("/nobody" + "x" * 93)
    with pytest.raises(StartError, match="folder / "), control_listener(fits):
        pass
    too_long = r"gateway\.control_socket is 101 bytes long"
    with pytest.raises(StartError, match=too_long), control_listener(Path(f"{fits}x")):
        pass


def ask(gateway, method: str, path: str) -> tuple[int, list[bytes]]:
    """Ask at a gateway's control socket."""
    address = gateway.settings.gateway.control_socket
    with contextlib.closing(connection(address, WAIT_SECONDS)) as asked:
        asked.request(method, path)
        answer = asked.getresponse()
        return answer.status, answer.read().splitlines()


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/drain", 405), ("POST", "/", 404)])
def test_the_control_socket_serves_nothing_else(gateway, method, path, status):
    """Looking begins no drain."""
    assert ask(gateway, method, path)[0] == status
    assert gateway.admin("/readyz").status == 200


@pytest.mark.parametrize("path", ["/", DRAIN])
def test_its_answers_have_the_headers_of_all_others(gateway, path):
    """Errors, and the stream of reports."""
    address = gateway.settings.gateway.control_socket
    with contextlib.closing(connection(address, WAIT_SECONDS)) as asked:
        asked.request("POST", path)
        names = {name.lower().encode() for name, _ in asked.getresponse().getheaders()}
    assert names >= dict(EVERYWHERE).keys() | {b"content-type"}


def test_a_drain_is_told_line_by_line(start_fast):
    """First it leaves, in the end it refuses and nothing is left."""
    _, gateway = start_fast(drain_grace_seconds=15)
    status, lines = ask(gateway, "POST", "/drain")
    assert status == 200
    reports = [msgspec.json.decode(line, type=Report) for line in lines]
    assert reports[0].phase is Phase.LEAVING
    assert reports[0].seconds == pytest.approx(15, abs=1)
    assert [report.is_over for report in reports] == [False] * (len(reports) - 1) + [True]
    assert (reports[-1].phase, reports[-1].requests) == (Phase.REFUSING, 0)
    assert gateway.chat().error["code"] == "shutting_down"


def test_a_drain_tells_how_near_its_limit_it_is(engine, start_gateway, wait_for):
    """As long as a request runs: whoever scrapes it sees it before the process ends."""
    gateway = start_gateway(drain_grace_seconds=0, drain_seconds=600)
    gateway.wait_ready()
    go = threading.Event()
    engine.play(held([delta_event(content="a")], go, [usage_event(), DONE]))
    with ThreadPoolExecutor(2) as pool:
        pool.submit(gateway.chat, stream=True)
        wait_for(lambda: gateway.metric("gateway_requests_running") == 1)
        assert gateway.metric("gateway_drain_used_ratio") == 0
        pool.submit(ask, gateway, "POST", DRAIN)
        wait_for(lambda: 0 < gateway.metric("gateway_drain_used_ratio") < 1)
        go.set()
    wait_for(lambda: gateway.metric("gateway_drain_used_ratio") == 0)

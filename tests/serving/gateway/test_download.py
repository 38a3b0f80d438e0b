"""Downloads go only where they may: every hop, every address, with decoys that would notice."""

import asyncio
import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from serving.gateway.download import Downloader
from serving.gateway.errors import BadRequest, Overloaded
from serving.gateway.media_kind import PICTURE, Place
from serving.options import GatewaySettings
from tests.fake_engine import WAIT_SECONDS
from tests.hostile import Decoys
from tests.hostile.urls import INWARD, LOOPBACK, NO_URLS

OPEN = "127.0.0.3"  # the only address that these tests' gateway may reach
FILE = b"x" * 100_000


class Site(http.server.BaseHTTPRequestHandler):
    """A web server whose paths are redirects: /to/URL; all others are a file."""

    hosts: list[str | None]

    def do_GET(self) -> None:
        """Serve by path."""
        self.hosts.append(self.headers["host"])
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(FILE)

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def decoys() -> Iterator[Decoys]:
    """Listen where nobody may connect to."""
    with Decoys() as listening:
        yield listening
        assert listening.connections == []


@pytest.fixture
def site(decoys: Decoys) -> Iterator[str]:
    """Run the web server on the open address, at the decoys' port; return where it is."""
    Site.hosts = []
    server = http.server.ThreadingHTTPServer((OPEN, decoys.port), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"{OPEN}:{decoys.port}"
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(url: str, reserve: Any = lambda _: None, **limits: Any) -> bytes:
    """Download a picture."""

    async def fetching() -> bytes:
        gateway = GatewaySettings(
            media_private_networks=(f"{OPEN}/32",), media_timeout_seconds=WAIT_SECONDS, **limits
        )
        web = Downloader(gateway)
        await web.open()
        try:
            return bytes(await web.fetch(url, Place(PICTURE, "url"), reserve))
        finally:
            await web.close()

    return asyncio.run(fetching())


def refusal(url: str, **limits: Any) -> tuple[str | None, str]:
    """Return the code and message that a URL is refused with."""
    with pytest.raises(BadRequest) as refused:
        fetch(url, **limits)
    return refused.value.code, refused.value.message


@pytest.mark.parametrize("direct", [True, False], ids=["asked for", "redirected to"])
@pytest.mark.parametrize("host", [*LOOPBACK, *INWARD])
def test_no_way_to_write_an_inward_address_is_taken(site, decoys, host, direct):
    """Numbers in all bases, IPv4 within IPv6, other scripts' digits, names and passwords."""
    url = f"http://{host}:{decoys.port}/x"
    code, _ = refusal(url if direct else f"http://{site}/to/{url}")
    assert code in ("invalid_image_url", "image_download_failed")
    assert len(Site.hosts) == (0 if direct else 1)


@pytest.mark.parametrize("url", [url for url in NO_URLS if "\0" not in url and url[:1] != " "])
def test_no_redirect_leaves_http(site, decoys, url):
    """Other schemes and broken URLs; what is relative stays on the site."""
    try:
        fetch(f"http://{site}/to/{url.replace('{port}', str(decoys.port))}")
    except BadRequest as refused:
        assert refused.code in ("invalid_image_url", "image_download_failed")
    assert set(Site.hosts) <= {site}


@pytest.mark.parametrize(
    "userinfo", ["user@", "user:secret@", ":secret@", "example.org@", "user:@"]
)
@pytest.mark.parametrize("direct", [True, False], ids=["asked for", "redirected to"])
def test_a_url_with_a_user_name_is_refused(site, userinfo, direct):
    """It makes people read another host, and nothing good is sent there."""
    url = f"http://{userinfo}{site}/x"
    code, message = refusal(url if direct else f"http://{site}/to/{url}")
    assert (code, "user name or password" in message) == ("invalid_image_url", True)


@pytest.mark.parametrize("domains", [(), (OPEN,), ("example.org", f"{OPEN}.")])
def test_a_host_that_is_named_is_fetched_from(site, domains):
    """Without a list, any host; the file comes whole."""
    assert fetch(f"http://{site}/to/http://{site}/x", media_domains=domains) == FILE


@pytest.mark.parametrize("direct", [True, False], ids=["asked for", "redirected to"])
def test_a_host_that_is_not_named_is_refused_at_every_hop(site, monkeypatch, direct):
    """Though its address would be allowed; its name is not even resolved."""
    asked: list[str] = []
    resolve(monkeypatch, [OPEN], asked)
    url = f"http://evil.test:{site.rpartition(':')[2]}/x"
    first = url if direct else f"http://good.test:{site.rpartition(':')[2]}/to/{url}"
    code, message = refusal(first, media_domains=("good.test",))
    assert (code, "a host that is not allowed" in message) == ("invalid_image_url", True)
    assert asked == ([] if direct else ["good.test"])


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.2", "::1"])
def test_a_named_host_gains_no_address(decoys, monkeypatch, name):
    """Who controls its name server does not control where the gateway connects to."""
    resolve(monkeypatch, [name])
    url = f"http://good.test:{decoys.port}/x"
    code, message = refusal(url, media_domains=("good.test",))
    assert (code, "not public" in message) == ("invalid_image_url", True)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1", OPEN], ["::1", OPEN], [OPEN, "127.0.0.2"], ["127.0.0.1", "::1", OPEN]],
)
def test_of_several_addresses_only_the_allowed_is_connected_to(site, monkeypatch, addresses):
    """Whatever their order, and however the connector races them."""
    resolve(monkeypatch, addresses)
    assert fetch(f"http://good.test:{site.rpartition(':')[2]}/x") == FILE


def test_a_name_that_changes_its_answer_gains_nothing(site, decoys, monkeypatch):
    """The address is judged when it is connected to, not before."""
    resolve(monkeypatch, [OPEN])
    port = decoys.port
    answers = iter([[OPEN], ["127.0.0.1"]])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found(next(answers), port))
    code, _ = refusal(f"http://a.test:{port}/to/http://b.test:{port}/x")
    assert (code, Site.hosts) == ("invalid_image_url", [f"a.test:{port}"])


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_no_proxy_connects_in_our_place(site, decoys, monkeypatch, name):
    """It would judge no address."""
    monkeypatch.setenv(name, f"http://127.0.0.1:{decoys.port}")
    assert fetch(f"http://{site}/x") == FILE


def test_each_piece_that_arrives_is_reserved(site):
    """The sum is the file's length."""
    pieces: list[int] = []
    fetch(f"http://{site}/x", pieces.append)
    assert sum(pieces) == len(FILE)


def test_memory_that_is_not_there_ends_a_download(site):
    """The error that says so goes to the client as it is."""

    def full(_: int) -> None:
        raise Overloaded("full")

    with pytest.raises(Overloaded):
        fetch(f"http://{site}/x", full)


def found(addresses: list[str], port: int) -> list[Any]:
    """Return addresses as the system's resolver does."""
    families = [(socket.AF_INET6 if ":" in each else socket.AF_INET) for each in addresses]
    return [
        (
            family,
            socket.SOCK_STREAM,
            socket.IPPROTO_TCP,
            "",
            (each, port, 0, 0)[: 4 if ":" in each else 2],
        )
        for family, each in zip(families, addresses, strict=True)
    ]


def resolve(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str], asked: list[str] | None = None
) -> None:
    """Let every name have these addresses: no test asks a real name server."""

    def answer(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if asked is not None:
            asked.append(host)
        return found(addresses, port)

    monkeypatch.setattr(socket, "getaddrinfo", answer)

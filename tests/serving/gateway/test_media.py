"""Pictures inline and by URL: what is fetched, from where, and what is refused."""

import base64
import http.server
import io
import json
import threading
from collections.abc import Iterator

import pytest
from PIL import Image

from serving.failure import StartError
from serving.gateway.media import AddressRule
from tests.fake_engine import UNARY, whole


def png(size: tuple[int, int] = (64, 64), noise: int = 0) -> bytes:
    """Return a picture file, made longer by `noise` bytes."""
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, "PNG")
    return buffer.getvalue() + b"\0" * noise


def data_url(data: bytes, kind: str = "png") -> str:
    """Return the inline form."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def asking(*urls: str, kind: str = "image_url") -> list[dict[str, object]]:
    """Return messages with pictures."""
    parts = [{"type": kind, kind: {"url": url}} for url in urls]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": "colour?"}]}]


class Pages(http.server.BaseHTTPRequestHandler):
    """A web server with pictures and traps."""

    def do_GET(self) -> None:
        """Serve by path."""
        path = self.path.partition("?")[0]
        if path.startswith("/hop/"):
            hops = int(path[5:])
            self.send_response(302)
            self.send_header("location", f"/hop/{hops - 1}" if hops > 1 else "/red.png")
            self.end_headers()
            return
        if path == "/inside":
            self.send_response(302)
            self.send_header("location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
            return
        if path == "/slow":
            threading.Event().wait(1.5)
        pages = {"/red.png": png(), "/big": png(noise=3000), "/text": b"<html>", "/slow": png()}
        self.send_response(200 if path in pages else 404)
        self.end_headers()
        self.wfile.write(pages.get(path, b""))

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def site() -> Iterator[str]:
    """Run the web server on loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif"])
def test_inline_pictures_pass_untouched(engine, gateway, kind):
    """A data URL reaches the engine as it came."""
    buffer = io.BytesIO()
    Image.new("RGB", (80, 60), "red").save(buffer, kind.upper())
    messages = asking(data_url(buffer.getvalue(), kind))
    engine.play(whole(UNARY))
    assert gateway.chat(messages=messages).status == 200
    assert engine.last().json["messages"] == messages


def test_escaped_slashes_in_a_data_url_are_understood(engine, gateway):
    """Some JSON writers escape every slash."""
    body = json.dumps({"messages": asking(data_url(png()))}).replace("/", "\\/").encode()
    engine.play(whole(UNARY))
    assert gateway.request("POST", "/v1/chat/completions", body).status == 200
    assert engine.last().json["messages"] == asking(data_url(png()))


@pytest.mark.parametrize("path", ["/red.png", "/red.png?a=1#f", "/hop/1", "/hop/3"])
def test_a_url_is_fetched_and_passed_on_inline(engine, start_gateway, site, path):
    """The engine sees a data URL; up to three redirects are followed."""
    gateway = start_gateway(media_private_networks=("127.0.0.0/8",))
    engine.play(whole(UNARY))
    assert gateway.chat(messages=asking(site + path)).status == 200
    assert engine.last().json["messages"] == asking(data_url(png()))


def test_a_picture_may_take_longer_than_a_body(engine, start_gateway, site):
    """The deadline of the body ends with the body."""
    gateway = start_gateway(media_private_networks=("127.0.0.0/8",), header_timeout_seconds=0.5)
    engine.play(whole(UNARY))
    assert gateway.chat(messages=asking(site + "/slow")).status == 200


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("/missing", "status 404", id="missing"),
        pytest.param("/text", "not a readable picture", id="no picture"),
        pytest.param("/big", "larger than 2000 bytes", id="too large"),
        pytest.param("/slow", "within 0.5 seconds", id="too slow"),
        pytest.param("/hop/4", "more than 3 times", id="too many redirects"),
        pytest.param("/inside", "not public", id="redirect inside"),
    ],
)
def test_a_url_that_fails_is_400_naming_the_part(engine, start_gateway, site, path, said):
    """Every way a fetch fails has its sentence, and the engine is not asked."""
    gateway = start_gateway(
        media_private_networks=("127.0.0.0/8",), max_media_bytes=2000, media_timeout_seconds=0.5
    )
    answer = gateway.chat(messages=asking(data_url(png()), site + path))
    assert answer.status == 400
    assert said in answer.error["message"]
    assert answer.error["param"] == "messages[0].content[1].image_url.url"
    assert not engine.requests


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param("http://127.0.0.1:9/x", "not public", id="loopback"),
        pytest.param("http://localhost:9/x", "not public", id="loopback by name"),
        pytest.param("http://[::1]:9/x", "not public", id="loopback v6"),
        pytest.param("http://[::ffff:10.0.0.1]/x", "not public", id="mapped"),
        pytest.param("http://0x7f000001/x", "", id="hexadecimal"),
        pytest.param("http://2130706433/x", "", id="decimal"),
        pytest.param("http://169.254.169.254/x", "not public", id="link-local"),
        pytest.param("file:///etc/passwd", "http:, https: or data:", id="file"),
        pytest.param("ftp://example.org/x", "http:, https: or data:", id="ftp"),
        pytest.param("", "http:, https: or data:", id="empty"),
        pytest.param("data:text/html;base64,AAAA", "is no data:image", id="no picture type"),
        pytest.param("data:image/png;base64,!", "", id="no base64"),
        pytest.param("data:image/png;base64,AAAAAAAA", "not a readable picture", id="no PNG"),
        pytest.param(data_url(png((5000, 8))), "5000 × 8 pixels; the limit is 4096", id="too wide"),
    ],
)
def test_bad_addresses_and_pictures_are_refused(engine, gateway, url, said):
    """Nothing inside is reached, nothing but a picture passes."""
    answer = gateway.chat(messages=asking(url))
    assert answer.status == 400
    assert said in answer.error["message"]
    assert not engine.requests


def test_too_many_pictures_name_the_limit(gateway):
    """The ninth picture is one too many."""
    answer = gateway.chat(messages=asking(*[data_url(png())] * 9))
    assert (answer.status, answer.error["code"]) == (400, "too_many_images")
    assert "the limit is 8" in answer.error["message"]


def test_videos_come_inline_only(engine, gateway):
    """A video URL is a clear 400; an inline one passes."""
    refused = gateway.chat(messages=asking("http://example.org/v.mp4", kind="video_url"))
    assert (refused.status, refused.error["code"]) == (400, "invalid_video_url")
    inline = asking("data:video/mp4;base64,AAAA", kind="video_url")
    engine.play(whole(UNARY))
    assert gateway.chat(messages=inline).status == 200
    assert engine.last().json["messages"] == inline


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        pytest.param("93.184.216.34", True, id="public"),
        pytest.param("2606:2800:220:1::1", True, id="public v6"),
        pytest.param("10.1.2.3", True, id="opened by the operator"),
        pytest.param("10.2.0.1", False, id="private"),
        pytest.param("172.16.0.1", False, id="private 172"),
        pytest.param("192.168.0.1", False, id="private 192"),
        pytest.param("127.0.0.1", False, id="loopback"),
        pytest.param("169.254.169.254", False, id="link-local"),
        pytest.param("100.64.0.1", False, id="carrier NAT"),
        pytest.param("0.0.0.0", False, id="unspecified"),  # noqa: S104
        pytest.param("224.0.0.1", False, id="multicast"),
        pytest.param("255.255.255.255", False, id="broadcast"),
        pytest.param("::1", False, id="loopback v6"),
        pytest.param("fd00::1", False, id="unique local"),
        pytest.param("fe80::1%eth0", False, id="link-local v6"),
        pytest.param("::ffff:192.168.0.1", False, id="mapped"),
        pytest.param("::ffff:10.1.0.1", True, id="mapped, opened"),
        pytest.param("2002:c0a8:0001::", False, id="6to4 of a private one"),
        pytest.param("64:ff9b::7f00:1", False, id="NAT64 of loopback"),
        pytest.param("64:ff9b:1::7f00:1", False, id="local NAT64"),
        pytest.param("::127.0.0.1", False, id="compatible"),
        pytest.param("fec0::1", False, id="site-local"),
    ],
)
def test_only_public_and_opened_addresses_are_allowed(address, allowed):
    """Every special range, and IPv4 hidden in IPv6."""
    assert AddressRule(["10.1.0.0/16"]).allows(address) is allowed


def test_a_bad_network_does_not_start():
    """The setting is named."""
    with pytest.raises(StartError, match="media_private_networks"):
        AddressRule(["10.0.0.0/33"])

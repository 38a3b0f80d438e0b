"""Pictures and videos inline and by URL: what is fetched, from where, and what is refused."""

import asyncio
import base64
import http.server
import io
import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from serving.gateway.body import Body
from serving.gateway.errors import BadRequest
from serving.gateway.media import Media, MediaFetcher
from serving.gateway.memory_budget import MemoryBudget
from serving.gateway.record import Record
from serving.options import EngineSettings, GatewaySettings
from tests.fake_engine import UNARY, whole
from tests.hostile.pictures import TAILS, drawn
from tests.hostile.videos import filmed, lasting
from tests.serving.gateway.turns import LARGE_SHARE, shared_turns

PARAM = "messages[0].content[1].image_url.url"
MP4 = filmed()  # 8 frames of 64 x 48 in 2 seconds


def png(size: tuple[int, int] = (64, 64), noise: int = 0) -> bytes:
    """Return a picture file, made longer by `noise` bytes."""
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, "PNG")
    return buffer.getvalue() + b"\0" * noise


def large_jpeg(metadata: int, noise: int = 0) -> bytes:
    """Return a JPEG file with this much before its size, and random bytes after its end."""
    buffer = io.BytesIO()
    Image.new("RGB", (321, 123), "red").save(buffer, "JPEG")
    segment = b"\xff\xe2" + (60_000).to_bytes(2, "big") + bytes(59_998)
    data = buffer.getvalue()
    return data[:2] + segment * (metadata // 60_000) + data[2:] + random.Random(2).randbytes(noise)


def data_url(data: bytes, kind: str = "image/png") -> str:
    """Return the inline form."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def read_piece(head: str, literal: bytes | memoryview) -> Media:
    """Ask for an inline picture as it stands in a body."""

    async def reading() -> Media:
        fetcher = MediaFetcher(GatewaySettings())
        try:
            return await fetcher.picture(head, literal, PARAM)
        finally:
            await fetcher.close()

    return asyncio.run(reading())


def split(url: str) -> tuple[str, bytes | memoryview]:
    """Take a URL out of a request's body."""
    body = Body(json.dumps({"url": url}).encode())
    return body.literal(json.loads(body.skeleton)["url"])


def read(url: str, kind: str = "picture", **limits: Any) -> Media:
    """Ask for the picture or video behind a URL."""

    async def reading() -> Media:
        fetcher = MediaFetcher(GatewaySettings(**limits))
        await fetcher.open()
        try:
            return await getattr(fetcher, kind)(*split(url), PARAM)
        finally:
            await fetcher.close()

    return asyncio.run(reading())


def refusal(url: str, kind: str = "picture", **limits: Any) -> tuple[str | None, str]:
    """Return the code and message that a URL is refused with; both name no URL but its field."""
    with pytest.raises(BadRequest) as refused:
        read(url, kind, **limits)
    error = refused.value
    assert error.param == PARAM
    assert error.message.startswith(f"{PARAM} ")
    assert not url or url not in error.message
    return error.code, error.message


class Pages(http.server.BaseHTTPRequestHandler):
    """A web server with pictures and traps."""

    seen: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        """Serve by path."""
        path = self.path.partition("?")[0]
        self.seen.append((path, self.headers["accept"]))
        if path.startswith("/hop/"):
            hops = int(path[5:])
            self.redirect(f"/hop/{hops - 1}" if hops > 1 else "/red.png")
        elif path == "/inside":
            self.redirect("http://169.254.169.254/latest/meta-data")
        elif path == "/file":
            self.redirect("file:///etc/passwd")
        else:
            self.page(path)

    def redirect(self, to: str) -> None:
        """Send elsewhere."""
        self.send_response(302)
        self.send_header("location", to)
        self.end_headers()

    def page(self, path: str) -> None:
        """Send a page, each trap in its own way."""
        if path == "/slow":
            threading.Event().wait(1.5)
        pages = {
            "/red.png": png(),
            "/slow": png(),
            "/big": png(noise=3000),
            "/announced": b"",
            "/cut": png(),
            "/text": b"hello",
            "/page": b"<!doctype html><p>Log in",
            "/v.mp4": MP4,
        }
        self.send_response({"/gone": 410, "/broken": 500}.get(path, 200 if path in pages else 404))
        if path in ("/announced", "/cut"):
            self.send_header("content-length", {"/announced": "3000", "/cut": "1000"}[path])
        self.end_headers()
        self.wfile.write(pages.get(path, b""))

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def site() -> Iterator[str]:
    """Run the web server on loopback."""
    Pages.seen = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


OPEN = {"media_private_networks": ("127.0.0.0/8",)}


@pytest.mark.parametrize("claimed", ["image/png", "image/jpeg", "application/octet-stream"])
@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "gif"])
def test_an_inline_picture_is_what_its_bytes_say(form, claimed):
    """The base64 goes on as it came, under its true type, with the tokens of its size."""
    buffer = io.BytesIO()
    Image.new("RGB", (1000, 700), "red").save(buffer, form.upper())
    found = read(data_url(buffer.getvalue(), claimed))
    assert found == Media(f"image/{form}", base64.b64encode(buffer.getvalue()), 32 * 22)


def test_inline_base64_is_not_copied():
    """What was cut out of the body is what goes to the engine."""
    head, literal = split(data_url(large_jpeg(0, noise=100_000)))
    found = read_piece(head, literal)
    assert found.base64 is literal


@pytest.mark.parametrize(("escapes", "taken"), [(False, 0), (True, 1)])
def test_a_copy_without_escapes_takes_memory_of_its_own(escapes, taken):
    """What stands in the body was counted with it; what is made of it is more."""
    data = png(noise=50_000)
    literal = base64.b64encode(data).replace(b"A", b"\\u0041" if escapes else b"A")
    budget = MemoryBudget(10**9)

    async def reading() -> None:
        fetcher = MediaFetcher(GatewaySettings())
        record = Record(id="request", time=0.0)
        try:
            await fetcher.within(budget.share(), record).picture("data:;base64,", literal, PARAM)
        finally:
            await fetcher.close()

    asyncio.run(reading())
    assert budget.taken_bytes == pytest.approx(taken * len(data) * 4 / 3, abs=8)


@pytest.mark.parametrize("noise", [0, 100_000])
def test_escaped_slashes_in_inline_base64_are_understood(noise):
    """Some JSON writers escape every slash."""
    data = large_jpeg(0, noise)
    body = Body(json.dumps({"url": data_url(data)}).replace("/", r"\/").encode())
    head, literal = body.literal(json.loads(body.skeleton)["url"])
    found = read_piece(head, literal)
    assert base64.b64decode(found.base64) == data


@pytest.mark.parametrize("metadata", [0, 100_000, 1_000_000, 3_900_000])
def test_a_size_behind_much_metadata_is_found(metadata):
    """A camera's previews and profiles stand before the size."""
    assert read(data_url(large_jpeg(metadata))).media_type == "image/jpeg"
    assert refusal(data_url(large_jpeg(metadata)), max_image_side=100)[0] == "image_too_large"


def test_20_mb_inline_leave_others_their_turns():
    """No turn takes a large part of the whole, even where the size comes late."""
    head, literal = split(data_url(large_jpeg(3_900_000, noise=15_000_000)))
    fetcher = MediaFetcher(GatewaySettings())
    turns, longest = shared_turns(lambda: fetcher.picture(head, literal, PARAM))
    asyncio.run(fetcher.close())
    assert turns > 20
    assert longest < LARGE_SHARE


@pytest.mark.parametrize(
    "path", ["/red.png", "/red.png?a=1#f", "/red.png?;base64,AA", "/hop/1", "/hop/3"]
)
def test_a_url_is_fetched_and_passed_on_inline(site, path):
    """The engine gets base64; up to three redirects are followed."""
    assert read(site + path, **OPEN) == Media("image/png", base64.b64encode(png()), 256)
    assert {accept for _, accept in Pages.seen} == {"image/*"}


def test_a_video_is_taken_inline_and_by_url(site):
    """Both ways give the same, and a server is told what is wanted."""
    expected = Media("video/mp4", base64.b64encode(MP4), 256 + 2 * 16)
    assert read(data_url(MP4, "video/quicktime"), "video") == expected
    assert read(site + "/v.mp4", "video", **OPEN) == expected
    assert Pages.seen == [("/v.mp4", "video/*")]


@pytest.mark.parametrize("kind", ["picture", "video"])
@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        pytest.param("/missing", "{}_not_found", "status 404", id="missing"),
        pytest.param("/gone", "{}_not_found", "status 410", id="gone"),
        pytest.param("/broken", "{}_download_failed", "status 500", id="broken"),
        pytest.param("/text", "{}_parse_error", "no readable", id="neither"),
        pytest.param("/page", "unsupported_{}_format", "holds HTML", id="page"),
        pytest.param("/big", "{}_too_large", "larger than 2000 bytes", id="too large"),
        pytest.param("/announced", "{}_too_large", "larger than 2000 bytes", id="announced"),
        pytest.param("/cut", "{}_download_failed", "to its end", id="cut off"),
        pytest.param("/slow", "{}_download_failed", "within 0.5 seconds", id="too slow"),
        pytest.param("/hop/4", "{}_download_failed", "more than 3 times", id="redirects"),
        pytest.param("/inside", "invalid_{}_url", "not public", id="redirect inside"),
        pytest.param("/file", "invalid_{}_url", "no http: or https:", id="redirect to a file"),
    ],
)
def test_a_url_that_fails_says_why(site, path, kind, code, said):
    """Every way a fetch fails has its code and its sentence."""
    limits = {"max_media_bytes": 2000, "media_timeout_seconds": 0.5 if path == "/slow" else 60}
    found, message = refusal(site + path, kind, **OPEN, **limits)
    assert found == code.format("image" if kind == "picture" else "video")
    assert said in message


def test_no_redirect_is_followed_where_none_is_allowed(site):
    """The limit may be zero."""
    code, message = refusal(site + "/hop/1", media_redirects=0, **OPEN)
    assert (code, "more than 0 times" in message) == ("image_download_failed", True)


@pytest.mark.parametrize("kind", ["picture", "video"])
@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param("http://127.0.0.1:9/x", "not public", id="loopback"),
        pytest.param("http://localhost:9/x", "not public", id="loopback by name"),
        pytest.param("http://[::1]:9/x", "not public", id="loopback v6"),
        pytest.param("http://[::ffff:10.0.0.1]/x", "not public", id="mapped"),
        pytest.param("HTTPS://169.254.169.254/x", "not public", id="link-local"),
        pytest.param("http://", "http: or https:", id="no host"),
        pytest.param("http://example.org:99999/x", "http: or https:", id="no port"),
        pytest.param("file:///etc/passwd", "http:, https: or data:", id="file"),
        pytest.param("ftp://example.org/x", "http:, https: or data:", id="ftp"),
        pytest.param("/red.png", "http:, https: or data:", id="path"),
        pytest.param("", "http:, https: or data:", id="empty"),
        pytest.param("data:image/png,%89PNG", "http:, https: or data:", id="data without base64"),
        pytest.param("http://example.org/" + "x" * 8192, "longer than 8192 bytes", id="long"),
    ],
)
def test_bad_urls_are_refused(url, said, kind):
    """Nothing inside is reached, and no other scheme is known."""
    code, message = refusal(url, kind)
    assert code == ("invalid_image_url" if kind == "picture" else "invalid_video_url")
    assert said in message


@pytest.mark.parametrize("url", ["http://0x7f000001/x", "http://2130706433/x", "http://127.1/x"])
def test_addresses_in_disguise_are_refused(url):
    """However the system reads them, they lead nowhere."""
    assert refusal(url)[0] in ("invalid_image_url", "image_download_failed")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_is_not_there_says_so(scheme):
    """A closed port and a host that is spoken to in the wrong protocol are one error."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as closed:
        port = closed.server_port
    code, message = refusal(f"{scheme}://127.0.0.1:{port}/x", **OPEN)
    assert (code, "could not be reached" in message) == ("image_download_failed", True)


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        pytest.param("data:image/png;base64,!", "{}_parse_error", "not valid base64", id="base64"),
        pytest.param("data:image/png;base64,AAA", "{}_parse_error", "padded", id="not padded"),
        pytest.param("data:image/png;base64,", "{}_parse_error", "no readable", id="empty"),
        pytest.param("data:image/png;base64,AAAAAAAA", "{}_parse_error", "no readable", id="what"),
        pytest.param(data_url(b"%PDF-1.4"), "unsupported_{}_format", "holds PDF", id="PDF"),
        pytest.param(data_url(png(noise=30_000)), "{}_too_large", "20000 bytes", id="too large"),
    ],
)
@pytest.mark.parametrize("kind", ["picture", "video"])
def test_inline_media_that_cannot_be_used_are_refused(url, code, said, kind):
    """Pictures and videos alike."""
    found, message = refusal(url, kind, max_media_bytes=20_000)
    assert found == code.format("image" if kind == "picture" else "video")
    assert said in message


@pytest.mark.parametrize("spare", [0, 1, 2])
def test_an_inline_picture_of_just_the_limit_passes(spare):
    """The limit counts the file's bytes, not those of its base64."""
    data = png(noise=1000 + spare)
    assert read(data_url(data), max_media_bytes=len(data)).media_type == "image/png"
    assert refusal(data_url(data), max_media_bytes=len(data) - 1)[0] == "image_too_large"


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        pytest.param(png((5000, 8)), "image_too_large", "5000 × 8 pixels; the limit", id="wide"),
        pytest.param(png((8, 4097)), "image_too_large", "limit is 4096 a side", id="high"),
        pytest.param(png((4096, 8)), "image_too_small", "at most 200 times", id="strip"),
        pytest.param(b"GIF89a\0\0\5\0", "image_too_small", "is 0 × 5 pixels", id="no width"),
        pytest.param(png()[:20], "image_parse_error", "cut off or damaged", id="cut PNG"),
        pytest.param(large_jpeg(9_000_000), "image_parse_error", "cut off or", id="hidden size"),
        pytest.param(MP4, "unsupported_image_format", "holds a video (MP4), not a p", id="video"),
    ],
)
def test_pictures_that_cannot_be_used_are_refused(data, code, said):
    """Each says what it is and what to do."""
    found, message = refusal(data_url(data))
    assert (found, said in message) == (code, True)


def test_a_picture_sent_as_a_video_is_refused():
    """It says what it is, and where it belongs."""
    code, message = refusal(data_url(png()), "video")
    assert code == "unsupported_video_format"
    assert "holds a picture (PNG), not a video. Send it as a picture." in message


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        pytest.param(png()[:-1], "image_parse_error", "cut off before its end", id="cut off"),
        pytest.param(png() + TAILS[0], "unsupported_image_format", "ZIP archive", id="polyglot"),
        pytest.param(drawn("GIF", frames=9), "image_too_large", "9 frames; the", id="animation"),
    ],
)
def test_what_a_worker_refuses_is_refused_by_name(data, code, said):
    """The field is named, and no pixel reaches the engine."""
    found, message = refusal(data_url(data), max_image_frames=8)
    assert (found, said in message) == (code, True)


def test_a_size_that_only_the_decoder_finds_is_held_to_the_limit():
    """A frame may be larger than the screen that the file begins with."""
    data = bytearray(drawn("GIF", (8, 8)))
    at = data.index(b",", 13 + (3 << (data[10] & 7) + 1))
    data[at + 5 : at + 9] = (5000).to_bytes(2, "little") + (600).to_bytes(2, "little")
    code, message = refusal(data_url(bytes(data)))
    assert (code, "is 5000 × 600 pixels; the limit" in message) == ("image_too_large", True)


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        pytest.param(filmed(size=(320, 32)), "video_too_large", "limit is 256 a side", id="wide"),
        pytest.param(filmed(frames=1), "video_too_small", "a single frame", id="one frame"),
        pytest.param(filmed()[:-1], "video_parse_error", "cut off before", id="cut off"),
        pytest.param(
            lasting(1e6, (64, 48)), "video_too_large", "frames; the limit is 108000", id="long"
        ),
    ],
)
def test_videos_that_cannot_be_used_are_refused(data, code, said):
    """Each says what it is and what to do."""
    found, message = refusal(data_url(data), "video", max_image_side=256)
    assert (found, said in message) == (code, True)


@pytest.mark.parametrize(("spare", "allowed"), [(0, True), (-1, False)])
def test_a_video_is_held_to_the_memory_of_its_sampled_frames(spare, allowed):
    """Two a second, at least four, at full size and three bytes a pixel."""
    limit = 4 * 64 * 48 * 3 + spare
    if allowed:
        assert read(data_url(MP4), "video", max_video_decoded_bytes=limit).tokens == 288
    else:
        code, message = refusal(data_url(MP4), "video", max_video_decoded_bytes=limit)
        assert (code, f"the limit is {limit}" in message) == ("video_too_large", True)


def test_a_video_is_counted_as_the_engine_is_set():
    """Fewer frames taken, fewer tokens."""

    async def reading() -> Media:
        fetcher = MediaFetcher(GatewaySettings(), EngineSettings(max_video_frames=4))
        try:
            return await fetcher.video(*split(data_url(lasting(100, (640, 480)))), PARAM)
        finally:
            await fetcher.close()

    assert asyncio.run(reading()).tokens == 2 * 20 * 15 + 2 * 18


def asking(*urls: str, kind: str = "image_url") -> list[dict[str, object]]:
    """Return messages with pictures."""
    parts = [{"type": kind, kind: {"url": url}} for url in urls]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": "colour?"}]}]


@pytest.mark.parametrize("noise", [0, 10_000])
@pytest.mark.parametrize(
    ("data", "media_type", "kind"),
    [
        pytest.param(png(), "image/png", "image_url", id="picture"),
        pytest.param(MP4, "video/mp4", "video_url", id="video"),
    ],
)
def test_inline_media_reach_the_engine(engine, gateway, data, media_type, kind, noise):
    """Short or cut out of the body, the engine gets the bytes that were sent."""
    messages = asking(data_url(data + bytes(noise), media_type), kind=kind)
    engine.play(whole(UNARY))
    assert gateway.chat(messages=messages).status == 200
    assert engine.last().json["messages"] == messages


def test_a_picture_may_take_longer_than_a_body(engine, start_gateway, site):
    """The deadline of the body ends with the body, and the engine sees a data URL."""
    gateway = start_gateway(**OPEN, header_timeout_seconds=0.5)
    engine.play(whole(UNARY))
    assert gateway.chat(messages=asking(site + "/slow")).status == 200
    assert engine.last().json["messages"] == asking(data_url(png()))


def test_a_refused_picture_keeps_the_request_from_the_engine(engine, gateway):
    """The error names the part, and the engine is not asked."""
    answer = gateway.chat(messages=asking(data_url(png()), "http://127.0.0.1:9/x"))
    assert (answer.status, answer.error["code"]) == (400, "invalid_image_url")
    assert answer.error["param"] == "messages[0].content[1].image_url.url"
    assert not engine.requests


def test_too_many_pictures_name_the_limit(gateway):
    """The ninth picture is one too many."""
    answer = gateway.chat(messages=asking(*[data_url(png())] * 9))
    assert (answer.status, answer.error["code"]) == (400, "too_many_images")
    assert "the limit is 8" in answer.error["message"]

"""GET / and its files, through the gateway's own port."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from serving.gateway.page.assets import ASSETS
from serving.gateway.page.samples import SAMPLES

Start = Callable[..., Any]
LINKED = re.compile(r'(?:src|href|data-picture)="(/page/[^"]+)"')
IMPORTED = re.compile(r'from "\./([^"]+)"')
ADDRESS = re.compile(r"https?://[^\s\"'<)]+")
# The name of a language, which nobody opens.
SVG = "http://www.w3.org/2000/svg"


@pytest.fixture(name="closed")
def _closed(start_gateway: Start) -> Any:
    """Return a gateway that lets nobody in without a key; its engine is not there."""
    return start_gateway(api_keys=("secret",))


def test_everybody_may_read_it(closed: Any) -> None:
    """No key is asked for; the browser may load nothing but this server's own files."""
    assert closed.request("GET", "/v1/models").status == 401
    page = closed.request("GET", "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert not re.search(rb"<script[^>]*>[^<]|<style|\sstyle=|\son\w+=", page.body)


def test_before_the_engine_is_ready_it_says_so(closed: Any) -> None:
    """The state is asked for anew while the page is looked at; nothing is made up meanwhile."""
    engine = closed.request("GET", "/page/engine").body.decode()
    assert "not ready: the engine was not ready yet" in engine
    assert engine.count("known once the engine is ready") == 2
    assert engine in closed.request("GET", "/").body.decode()


def test_every_file_it_names_is_there(gateway: Any) -> None:
    """Pictures, styles and modules, those that modules import too, all with their type."""
    named = set(LINKED.findall(gateway.request("GET", "/").body.decode()))
    modules = [path for path in ASSETS if path.endswith(".js")]
    for path in modules:
        named |= {f"/page/{name}" for name in IMPORTED.findall(ASSETS[path].content.decode())}
    assert named == set(ASSETS)
    for path in named:
        answer = gateway.request("GET", path)
        assert answer.status == 200
        assert answer.body == ASSETS[path].content
        assert answer.headers["content-type"] == ASSETS[path].media_type.decode()


def test_a_browser_keeps_what_has_not_changed(gateway: Any) -> None:
    """It asks each time, and gets 304 without a body for the version it has."""
    first = gateway.request("GET", "/page/page.css")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}'):
        again = gateway.request("GET", "/page/page.css", headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    other = gateway.request("GET", "/page/page.css", headers={"If-None-Match": '"other"'})
    assert other.body == first.body


def test_a_kept_connection_goes_on_after_304(gateway: Any) -> None:
    """An answer without a body leaves nothing behind that the next one would be read with."""
    connection = gateway.connect()
    for _ in range(2):
        tag = ASSETS["/page/page.js"].etag.decode()
        connection.request("GET", "/page/page.js", headers={"If-None-Match": tag})
        reply = connection.getresponse()
        assert (reply.status, reply.read()) == (304, b"")
    connection.close()


def test_nothing_comes_from_elsewhere(closed: Any) -> None:
    """No file names another host; samples of code name the one by which the reader came."""
    page = closed.request("GET", "/", headers={"Host": "model.example"}).body.decode()
    found = set(ADDRESS.findall(page))
    assert {address.split("/")[2] for address in found} == {"model.example"}
    for path, asset in ASSETS.items():
        if not path.endswith(".png"):
            assert set(ADDRESS.findall(asset.content.decode())) <= {SVG}, path


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        pytest.param({"Host": "10.0.0.1:8080"}, "http://10.0.0.1:8080", id="host"),
        pytest.param(
            {"Host": "model.example", "X-Forwarded-Proto": "https"},
            "https://model.example",
            id="behind TLS",
        ),
        pytest.param({"Host": 'x"><script>'}, "http://localhost", id="a host that is none"),
    ],
)
def test_samples_use_the_readers_address(closed: Any, headers: dict[str, str], base: str) -> None:
    """All three are made out to where the page was read."""
    text = closed.request("GET", "/", headers=headers).body.decode()
    for line in (
        f"curl -s {base}/v1/chat/completions",
        f'OpenAI(base_url="{base}/v1", api_key="KEY")',
        f'fetch("{base}/v1/chat/completions"',
    ):
        assert line in text


def test_who_needs_no_key_is_not_asked_for_one(gateway: Any, closed: Any) -> None:
    """The field for it is there for a day on which one is needed, and hidden until then."""
    assert '<details id="key" hidden>' in gateway.request("GET", "/").body.decode()
    assert '<details id="key" >' in closed.request("GET", "/").body.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/page/engine",
        "/page/performance",
        "/page/page.css",
        f"/page/samples/{SAMPLES[0].file}",
    ],
)
def test_an_operator_may_show_no_page(start_gateway: Start, path: str) -> None:
    """Then nothing of it is there, and the error says by which setting."""
    hidden = start_gateway(model_page=False).request("GET", path)
    assert (hidden.status, hidden.error["code"]) == (404, "unknown_url")
    assert "gateway.model_page" in hidden.error["message"]


def test_other_methods_are_refused(gateway: Any) -> None:
    """It is only read; HEAD answers what GET does but for the body."""
    assert gateway.request("POST", "/", b"{}").status == 405
    assert gateway.request("HEAD", "/").body == b""

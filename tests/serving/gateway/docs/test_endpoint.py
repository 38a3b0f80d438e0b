"""GET /openapi.json and /docs, through the gateway's own port."""

from collections.abc import Callable
from typing import Any

import pytest

Start = Callable[..., Any]


@pytest.fixture(name="closed")
def _closed(start_gateway: Start) -> Any:
    """Return a gateway that lets nobody in without a key; its engine is not there."""
    return start_gateway(api_keys=("secret",))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/openapi.json", "application/json", id="document"),
        pytest.param("/docs", "text/html; charset=utf-8", id="page"),
    ],
)
def test_everybody_may_read(closed: Any, path: str, kind: str) -> None:
    """No key is asked for, and HEAD answers what GET does but for the body."""
    assert closed.request("GET", "/v1/models").status == 401
    read, asked = (closed.request(method, path) for method in ("GET", "HEAD"))
    assert read.status == asked.status == 200
    assert read.headers["content-type"] == asked.headers["content-type"] == kind
    assert len(read.body) == int(read.headers["content-length"])
    assert asked.headers["content-length"] == read.headers["content-length"]
    assert asked.body == b""


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_other_methods_are_refused(closed: Any, path: str) -> None:
    """What is only read says so."""
    refused = closed.request("POST", path, b"{}")
    assert refused.status == 405
    assert refused.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        pytest.param({"Host": "model.example"}, "http://model.example", id="host"),
        pytest.param({"Host": "10.0.0.1:8080"}, "http://10.0.0.1:8080", id="address and port"),
        pytest.param({"Host": "[::1]:8000"}, "http://[::1]:8000", id="IPv6"),
        pytest.param(
            {"Host": "model.example", "X-Forwarded-Proto": "https"},
            "https://model.example",
            id="behind TLS",
        ),
        pytest.param(
            {"Host": 'x"><script>alert(1)</script>'}, "http://localhost", id="a host that is none"
        ),
        pytest.param(
            {"Host": "model.example", "X-Forwarded-Proto": "javascript"},
            "http://model.example",
            id="a scheme that is none",
        ),
    ],
)
def test_samples_use_the_readers_address(closed: Any, headers: dict[str, str], base: str) -> None:
    """The page's samples are made out to where it was read, and hold nothing else of a header."""
    text = closed.request("GET", "/docs", headers=headers).body.decode()
    assert f"curl -s {base}/v1/chat/completions" in text
    assert "<script" not in text
    assert "base.invalid" not in text


def test_page_may_load_nothing(closed: Any) -> None:
    """The browser is told so, too."""
    policy = closed.request("GET", "/docs").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")

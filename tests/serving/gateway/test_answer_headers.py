"""Security headers on answers of every kind."""

import json

import pytest

from serving.gateway.answer_headers import EVERYWHERE, with_security
from tests.fake_engine import UNARY, refusal, stream, whole
from tests.serving.gateway.conftest import CHAT

NAMES = {name.decode() for name, _ in EVERYWHERE}


def test_an_answers_own_headers_win():
    """Nothing is there twice, and TLS adds its own."""
    own = [(b"content-security-policy", b"mine"), (b"a", b"b")]
    plain, secure = with_security(own, tls=False), with_security(own, tls=True)
    assert plain[:2] == own
    assert len(dict(plain)) == len(plain)
    assert dict(plain).keys() == dict(EVERYWHERE).keys() | {b"a"}
    assert dict(secure).keys() - dict(plain).keys() == {b"strict-transport-security"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models", 200),
        ("HEAD", "/v1/models", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/docs", 200),
        ("GET", "/v1/nothing", 404),
        ("PUT", "/api/v1/messages", 405),
        ("POST", "/v1/chat/completions", 400),
    ],
)
def test_every_answer_has_them(gateway, engine, method, path, status):
    """Pages, answers and errors."""
    answer = gateway.request(method, path, b"{}" if method == "POST" else None)
    assert answer.status == status
    assert answer.headers.keys() >= NAMES
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("script", "fields", "status"),
    [
        (whole(UNARY), {}, 200),
        (stream([b"data: [DONE]\n\n"]), {"stream": True}, 200),
        (refusal(500, "why"), {}, 502),
    ],
)
def test_answers_of_the_engine_have_them(gateway, engine, script, fields, status):
    """Whole, streamed and failed."""
    engine.play(script)
    answer = gateway.request("POST", "/v1/chat/completions", json.dumps(CHAT | fields).encode())
    assert answer.status == status
    assert answer.headers.keys() >= NAMES


def test_the_docs_page_has_what_its_policy_allows(gateway):
    """Styles stand in the page; it asks for no script and nothing from elsewhere."""
    answer = gateway.request("GET", "/docs")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "frame-ancestors 'none'" in policy
    assert b"<style" in answer.body
    assert b"<script" not in answer.body
    assert b"<link" not in answer.body.replace(b'<link rel="icon" href="data:', b"")


def test_the_admin_port_has_them_too(gateway):
    """Its pages and its errors."""
    for path in ("/readyz", "/metrics", "/nothing"):
        assert gateway.admin(path).headers.keys() >= NAMES

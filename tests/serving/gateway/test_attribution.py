"""Whose application asks: what a client says of itself, made harmless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.attribution import MAX_CHARACTERS, app_of, plain


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, ("", ""), id="nothing said"),
        pytest.param({b"x-title": b" My app "}, ("My app", ""), id="a title"),
        pytest.param(
            {b"http-referer": b"https://shop.example/a?b"},
            ("shop.example", "https://shop.example/a"),
            id="an address alone",
        ),
        pytest.param(
            {b"x-title": b"App", b"referer": b"https://x.example/"},
            ("App", "https://x.example/"),
            id="a browser's own header",
        ),
        pytest.param({b"referer": b"https://[oops"}, ("", ""), id="no address"),
        pytest.param({b"referer": b"hello"}, ("", ""), id="no host"),
        pytest.param(
            {b"referer": b"https://me:secret@x.example:8443/a?token=1#part"},
            ("x.example", "https://x.example:8443/a"),
            id="what may be secret",
        ),
        pytest.param({b"x-title": "Bücher".encode()}, ("Bücher", ""), id="UTF-8"),
        pytest.param({b"x-title": "a\u202eb\u2066c".encode()}, ("abc", ""), id="turned around"),
        pytest.param({b"x-title": "אבג".encode()}, ("אבג", ""), id="written from the right"),
    ],
)
def test_what_a_client_calls_itself(headers, expected):
    """OpenRouter's headers are read; the host stands in for a title."""
    assert app_of(headers) == expected


@given(st.binary(max_size=400) | st.text(max_size=400))
def test_any_text_becomes_one_harmless_line(text):
    """No control character reaches a terminal or a database, and no novel either."""
    said = plain(text)
    assert len(said) <= MAX_CHARACTERS
    assert said.isprintable() or not any(ord(each) < 32 or each == "\x7f" for each in said)
    assert len(said.splitlines()) <= 1

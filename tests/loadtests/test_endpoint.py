"""Base URLs as users type them."""

import pytest

from loadtests.endpoint import parse_url
from loadtests.failure import LoadError


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        pytest.param("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1", id="host"),
        pytest.param("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1", id="slash"),
        pytest.param("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1", id="v1"),
        pytest.param("https://example.com/api/v1", "https://example.com:443/api/v1", id="dialect"),
        pytest.param("http://[::1]:80/x", "http://[::1]:80/x/v1", id="IPv6 and prefix"),
    ],
)
def test_a_base_url_ends_in_v1(typed, url):
    """With or without /v1, the same endpoint is meant."""
    assert parse_url(typed).url == url


@pytest.mark.parametrize(
    "typed",
    [
        "127.0.0.1:8000",
        "ftp://x",
        "http://",
        "http://x:port",
        "http://key@x",
        "http://:key@x",
        "http://x/?a=b",
        "",
        "http://a..b",
        "http://x/é",
        f"http://{'a' * 64}.de",
    ],
)
def test_what_is_no_base_url_is_refused(typed):
    """Anything but scheme, host, port and path is a sentence, not a request to somewhere."""
    with pytest.raises(LoadError):
        parse_url(typed)

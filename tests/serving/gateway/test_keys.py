"""Keys and the addresses that need them."""

import pytest

from serving.failure import StartError
from serving.gateway.errors import Unauthorized
from serving.gateway.keys import is_loopback, load_keys
from serving.options import GatewaySettings


def test_keys_come_from_file_and_settings(tmp_path):
    """Both sources open the door; comments and empty lines are no keys."""
    path = tmp_path / "keys"
    path.write_text("# ours\nfrom-file\n\n")
    ring = load_keys(GatewaySettings(api_keys=("from-settings",), api_keys_file=path))
    assert len(ring) == 2
    ring.admit({b"authorization": b"Bearer from-file"})
    ring.admit({b"authorization": b"Bearer from-settings"})
    with pytest.raises(Unauthorized):
        ring.admit({b"authorization": b"Bearer # ours"})


def test_no_keys_on_loopback_lets_everybody_in():
    """A laptop needs no key."""
    load_keys(GatewaySettings()).admit({})


@pytest.mark.parametrize(
    ("headers", "let_in"),
    [
        pytest.param({}, False, id="none"),
        pytest.param({"authorization": "Bearer key-1"}, True, id="bearer"),
        pytest.param({"authorization": "bearer  key-2 "}, True, id="lower case, blanks"),
        pytest.param({"x-api-key": "key-1"}, True, id="Anthropic's header"),
        pytest.param({"x-api-key": " key-2 "}, True, id="Anthropic's header, blanks"),
        pytest.param({"x-api-key": "other"}, False, id="Anthropic's header, wrong"),
        pytest.param({"x-api-key": ""}, False, id="Anthropic's header, empty"),
        pytest.param({"authorization": "Bearer key"}, False, id="a part of a key"),
        pytest.param({"authorization": "Bearer"}, False, id="no key"),
        pytest.param({"authorization": "Bearer "}, False, id="empty key"),
        pytest.param({"authorization": "key-1"}, False, id="no scheme"),
        pytest.param({"authorization": "Basic key-1"}, False, id="other scheme"),
        pytest.param({"authorization": "Basic x", "x-api-key": "key-1"}, True, id="both headers"),
        pytest.param({"authorization": "Bearer no", "x-api-key": "key-1"}, False, id="bearer wins"),
    ],
)
def test_a_key_is_taken_from_either_header(headers, let_in):
    """A bearer's, or Anthropic's; a refusal says how to send one, and repeats none."""
    ring = load_keys(GatewaySettings(api_keys=("key-1", "key-2")))
    raw = {name.encode(): value.encode() for name, value in headers.items()}
    if let_in:
        ring.admit(raw)
        return
    with pytest.raises(Unauthorized) as caught:
        ring.admit(raw)
    assert "key" in caught.value.message
    assert not any(value and value in caught.value.message for value in ("key-1", "other"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])  # noqa: S104  # refused
def test_an_open_address_without_keys_does_not_start(host):
    """The reason names the address and what to set."""
    with pytest.raises(StartError, match="no API key") as caught:
        load_keys(GatewaySettings(host=host))
    assert "gateway.api_keys" in caught.value.next_step
    load_keys(GatewaySettings(host=host, api_keys=("k",)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_recognised(host):
    """Names and numbers."""
    assert is_loopback(host)


@pytest.mark.parametrize("content", [None, b"", b"# only\n", b"\xff\xfe"])
def test_a_useless_key_file_does_not_start(tmp_path, content):
    """Missing, empty or unreadable: never an open door."""
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartError, match="api_keys_file"):
        load_keys(GatewaySettings(api_keys_file=path))


def test_an_empty_key_does_not_start():
    """An empty string must not open the door to `Bearer `."""
    with pytest.raises(StartError, match="empty key"):
        load_keys(GatewaySettings(api_keys=("",)))

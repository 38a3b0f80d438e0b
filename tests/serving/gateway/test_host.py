"""Which hosts media come from."""

import pytest
from yarl import URL

from serving.failure import StartError
from serving.gateway.host import HostRule


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        pytest.param("http://example.org/x", True, id="itself"),
        pytest.param("https://example.org:8443/x", True, id="port"),
        pytest.param("http://EXAMPLE.ORG/x", True, id="case"),
        pytest.param("http://example.org./x", True, id="trailing dot"),
        pytest.param("http://a.b.example.org/x", True, id="sub-domain"),
        pytest.param("http://bücher.test/x", True, id="other letters"),
        pytest.param("http://xn--bcher-kva.test/x", True, id="as they are sent"),
        pytest.param("http://ｅxample.org/x", True, id="wide letters are the same name"),
        pytest.param("http://192.0.2.1/x", True, id="address"),
        pytest.param("http://[2001:db8::1]/x", True, id="address v6"),
        pytest.param("http://evil.test/x", False, id="another"),
        pytest.param("http://evilexample.org/x", False, id="longer name"),
        pytest.param("http://example.org.evil.test/x", False, id="beginning"),
        pytest.param("http://org/x", False, id="parent"),
        pytest.param("http://evil.test/?example.org", False, id="query"),
        pytest.param("http://evil.test/#.example.org", False, id="fragment"),
        pytest.param("http://example.org@evil.test/x", False, id="user name"),
        pytest.param("http://evil.test:80/.example.org", False, id="path"),
        pytest.param("http://exаmple.org/x", False, id="a Cyrillic letter"),
        pytest.param("http://ex%61mple.org/x", False, id="escaped letter"),
        pytest.param("http://192.0.2.10/x", False, id="another address"),
        pytest.param("http://1.192.0.2.1/x", True, id="no address, never resolved as one"),
    ],
)
def test_named_hosts_and_what_is_below_them_are_allowed(url, allowed):
    """However they are written."""
    rule = HostRule(["Example.org", "bücher.test.", "192.0.2.1", "2001:db8::1"])
    assert rule.allows(URL(url)) is allowed


def test_where_no_host_is_named_all_are_allowed():
    """Addresses are judged on their own."""
    assert HostRule([]).allows(URL("http://anything.test/"))


@pytest.mark.parametrize(
    "name",
    ["", "https://x.test", "x.test/a", "*.x.test", "x.test:80", ".x.test", "u@x.test", "a b"],
)
def test_what_is_no_host_does_not_start(name):
    """The setting is named, and what belongs there."""
    with pytest.raises(StartError, match="media_domains"):
        HostRule([name])

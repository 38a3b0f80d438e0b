"""The limits of a request's head."""

import pytest

from serving.gateway.errors import BadRequest, HeadTooLarge, TargetTooLong
from serving.gateway.head import MAX_HEAD_BYTES, MAX_HEADERS, SINGLE, check_head

HOST = (b"host", b"x")


def scope(*headers: tuple[bytes, bytes], path: bytes = b"/", version: str = "1.1") -> dict:
    """Return what ASGI says of a head."""
    return {
        "raw_path": path,
        "query_string": b"",
        "headers": [*headers],
        "http_version": version,
    }


def test_usual_heads_pass():
    """Headers that lists may split over lines are no ambiguity."""
    twice = [(b"cookie", b"a"), (b"cookie", b"b"), (b"accept", b"a"), (b"accept", b"b")]
    check_head(scope(HOST, *twice, (b"transfer-encoding", b"Chunked")))
    check_head(scope(version="1.0"))


@pytest.mark.parametrize("name", sorted(SINGLE))
def test_what_must_be_single_is(name):
    """Even where both say the same."""
    value = b"chunked"
    others = [] if name == b"host" else [HOST]
    check_head(scope(*others, (name, value)))
    with pytest.raises(BadRequest, match=name.decode()):
        check_head(scope(*others, (name, value), (name, value)))


def test_the_errors_say_what_to_do():
    """Each names its limit and a next step."""
    with pytest.raises(TargetTooLong, match=r"8192 bytes\. Send"):
        check_head(scope(HOST, path=b"/" * 8193))
    with pytest.raises(HeadTooLarge, match=rf"{MAX_HEADERS} headers .* Send fewer"):
        check_head(scope(HOST, *[(b"a", b"")] * MAX_HEADERS))
    with pytest.raises(HeadTooLarge, match=f"{MAX_HEAD_BYTES} bytes"):
        check_head(scope(HOST, (b"a", b"b" * MAX_HEAD_BYTES)))
    with pytest.raises(BadRequest, match="Host is missing"):
        check_head(scope())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("localhost", 200),
        ("app.localhost:8000", 200),
        ("gateway:8000", 200),
        ("rebound.example", 403),
        ("rebound.example:8000", 403),
        ("rebound.example.", 403),
        ("127.0.0.1.rebound.example", 403),
    ],
)
def test_a_public_name_is_not_answered_where_nobody_needs_a_key(
    engine, start_gateway, host, status
):
    """A page that made its own name lead here gets nothing; with keys the name does not matter."""
    for path in ("/v1/models", "/"):
        assert start_gateway().request("GET", path, headers={"Host": host}).status == status
    closed = start_gateway(api_keys=["sk-one"])
    headers = {"Host": host, "Authorization": "Bearer sk-one"}
    assert closed.request("GET", "/v1/models", headers=headers).status == 200

"""HTTP framing: any chunking, one result; what is no HTTP is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.client.framing import MAX_HEADS, BadResponse, ChunkedBody, body_of, split_head

PIECES = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def pieces_of(data, cuts):
    """Cut bytes at these places."""
    cuts = sorted(min(cut, len(data)) for cut in cuts)
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def head_of(text):
    """Return a parsed head from its lines."""
    found = split_head(text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    assert found is not None
    return found[0]


@given(PIECES, st.lists(st.integers(0, 400), max_size=12), st.sampled_from([b"", b"X: y\r\n"]))
def test_any_chunking_gives_the_same_content(contents, cuts, trailer):
    """Where the network cuts a chunked body changes nothing, and its end is seen."""
    framed = b"".join(b"%X;note=1\r\n%b\r\n" % (len(c), c) for c in contents)
    framed += b"0\r\n" + trailer + b"\r\n"
    body = ChunkedBody()
    fed = []
    for piece in pieces_of(framed, cuts):
        assert not body.complete or not piece
        fed.append(body.feed(piece))
    assert b"".join(fed) == b"".join(contents)
    assert body.complete


@pytest.mark.parametrize(
    "framed",
    [
        pytest.param(b"zz\r\n", id="no number"),
        pytest.param(b"-5\r\nhello", id="negative"),
        pytest.param(b"\r\n", id="empty"),
        pytest.param(b"5" * 2000, id="endless size"),
    ],
)
def test_what_is_no_chunk_is_refused(framed):
    """A broken framing fails instead of becoming content."""
    with pytest.raises(BadResponse):
        ChunkedBody().feed(framed)


def test_a_head_is_split_off_when_it_is_whole():
    """Nothing is told before the blank line; what follows is the body's."""
    fields = b"Content-Type: Text/Event-Stream; charset=utf-8\r\nX-Request-Id: a"
    raw = b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\nrest"
    whole = raw.index(b"rest")
    assert all(split_head(raw[:n]) is None for n in range(whole))
    head, rest = split_head(raw)
    assert (head.status, head.media_type, rest) == (200, "text/event-stream", b"rest")
    assert head.fields["x-request-id"] == "a"


INTERIM = b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"


@pytest.mark.parametrize("count", [1, MAX_HEADS - 1])
def test_interim_responses_are_skipped(count):
    """The head is the final one's."""
    head, _ = split_head(INTERIM * count + b"HTTP/1.1 429 X\r\n\r\n")
    assert head.status == 429


@pytest.mark.parametrize("count", [MAX_HEADS, 3000])
def test_interim_responses_without_end_are_refused(count):
    """Not one more than the limit."""
    with pytest.raises(BadResponse, match="interim"):
        split_head(INTERIM * count + b"HTTP/1.1 429 X\r\n\r\n")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 OK\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, id="endless"),
    ],
)
def test_what_is_no_head_is_refused(raw):
    """Whatever is no HTTP/1.1 says so."""
    with pytest.raises(BadResponse):
        split_head(raw)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("HTTP/1.1 200 OK", True),
        ("HTTP/1.1 200 OK\nConnection: Close", False),
        ("HTTP/1.0 200 OK", False),
    ],
)
def test_a_server_says_whether_the_connection_stays(text, kept):
    """HTTP/1.1 keeps it unless it says otherwise."""
    assert head_of(text).keeps_alive is kept


@pytest.mark.parametrize(
    ("text", "fed", "content", "complete"),
    [
        pytest.param("Content-Length: 3", b"abcd", b"abc", True, id="length"),
        pytest.param("Content-Length: 5", b"abc", b"abc", False, id="not yet"),
        pytest.param("Content-Length: 0", b"", b"", True, id="nothing"),
        pytest.param("A: b", b"abc", b"abc", False, id="until it closes"),
        pytest.param("Transfer-Encoding: chunked", b"1\r\na\r\n", b"a", False, id="chunked"),
    ],
)
def test_a_body_is_as_long_as_its_head_says(text, fed, content, complete):
    """By length, by chunks, or up to the end of the connection."""
    body = body_of(head_of(f"HTTP/1.1 200 OK\n{text}"))
    assert (body.feed(fed), body.complete) == (content, complete)


@pytest.mark.parametrize("length", ["many", "9" * 19, "9" * 5000])
def test_a_length_that_is_none_is_refused(length):
    """A length must be a number, of no more digits than any body has."""
    with pytest.raises(BadResponse):
        body_of(head_of(f"HTTP/1.1 200 OK\nContent-Length: {length}"))


def test_the_longest_length_is_read():
    """Of eighteen digits."""
    assert not body_of(head_of(f"HTTP/1.1 200 OK\nContent-Length: {'9' * 18}")).complete

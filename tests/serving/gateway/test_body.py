"""Bodies with long literals cut out: put together again they are what was sent, byte for byte."""

import json
import re
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.body import MAX_QUOTES, MIN_CUT_BYTES, Body
from serving.gateway.errors import BadRequest

LONG = "QUJD" * (MIN_CUT_BYTES // 4)
ESCAPES = st.sampled_from(['\\"', "\\\\", "\\/", "\\u0022", "\\n", "A", "=", "ü", "~", "b64"])
MARK_LIKE = re.compile(rb"~[0-9a-f]{16}:\d+~")


@st.composite
def literals(draw: st.DrawFn) -> str:
    """Return a JSON string, quotes included: data URLs and other texts, short, long, escaped."""
    head = draw(
        st.sampled_from(
            ["data:image/png;base64,", "DATA:image\\/png;BASE64,", "data:;base64,", "data:", ""]
        )
    )
    size = draw(st.sampled_from([0, 1, MIN_CUT_BYTES - 1, MIN_CUT_BYTES, MIN_CUT_BYTES + 1, 9000]))
    middle = "".join(draw(st.lists(ESCAPES, max_size=4)))
    return f'"{head}{"B" * size}{middle}{"C" * draw(st.sampled_from([0, 5000]))}"'


VALUES = st.recursive(
    literals() | st.sampled_from(["1", "null", '"~0123456789abcdef:0~"', '""', '" "']),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda each: f"[{', '.join(each)}]")
        | st.lists(
            st.tuples(st.sampled_from(['"data"', '"data" ', '"url"', '"\\"data"']), inner),
            max_size=4,
        ).map(lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}")
    ),
    max_leaves=8,
)


@given(VALUES)
def test_restoring_the_skeleton_gives_the_body_back(text):
    """No byte is lost, moved or changed, whatever is cut and however it is escaped."""
    data = text.encode()
    body = Body(data)
    assert b"".join(body.restore(body.skeleton)) == data


@given(VALUES)
def test_json_made_from_the_skeleton_means_the_same(text):
    """Decoding and encoding between the cut and its repair is what the gateway does."""
    body = Body(text.encode())
    again = b"".join(body.restore(msgspec.json.encode(msgspec.json.decode(body.skeleton))))
    assert json.loads(again) == json.loads(text)


@given(VALUES)
def test_length_counts_what_was_cut(text):
    """A mark counts as what it stands for."""
    body = Body(text.encode())
    assert body.length(body.skeleton.decode()) == len(text.encode())


@pytest.mark.parametrize(
    ("text", "cuts"),
    [
        pytest.param(f'"data:image/png;base64,{LONG}"', 1, id="data URL"),
        pytest.param(f'"DATA:IMAGE/PNG;BASE64,{LONG}"', 1, id="in capitals"),
        pytest.param(f'"data:image\\/png;base64,{LONG}\\/"', 1, id="escaped as PHP does"),
        pytest.param(f'{{"data": "{LONG}"}}', 1, id="Anthropic's field"),
        pytest.param(f'{{"a":"data:;base64,{LONG}","b":"data:;base64,{LONG}"}}', 2, id="two"),
        pytest.param('"data:image/png;base64,QUJD"', 0, id="short"),
        pytest.param(f'"{LONG}"', 0, id="long text of another kind"),
        pytest.param(f'"data:image/png,{LONG}"', 0, id="no base64"),
        pytest.param(f'"data:image/png;base64,{LONG}\\""', 0, id="with a quote inside"),
    ],
)
def test_long_base64_is_cut_and_nothing_else(text, cuts):
    """What is parsed holds a mark for each long literal and stays small."""
    skeleton = Body(text.encode()).skeleton
    assert len(MARK_LIKE.findall(skeleton)) == cuts
    assert not cuts or len(skeleton) < 200


@pytest.mark.parametrize("sign", [";base64,", ";BASE64,"])
@pytest.mark.parametrize("base64", ["QUJD", LONG], ids=["short", "cut"])
def test_a_url_splits_into_head_and_base64(sign, base64):
    """Whether it was cut makes no difference to whoever reads it."""
    body = Body(json.dumps([f"data:image/png{sign}{base64}"]).encode())
    [text] = msgspec.json.decode(body.skeleton)
    head, literal = body.literal(text)
    assert (head, bytes(literal)) == (f"data:image/png{sign}", base64.encode())


def test_other_texts_split_into_themselves():
    """A web address, bare base64 and a text about base64 have no head."""
    body = Body(json.dumps({"data": LONG}).encode())
    assert bytes(body.literal(msgspec.json.decode(body.skeleton)["data"])[1]) == LONG.encode()
    for text in ("https://x/y.png", "QUJD", "x" * 200 + ";base64,QUJD", ""):
        assert body.literal(text) == ("", text.encode())


def test_an_added_literal_is_put_in():
    """What the gateway fetched goes the way of what the client sent."""
    body = Body(b"{}")
    encoded = json.dumps({"url": "data:image/png;base64," + body.add(LONG.encode())}).encode()
    assert b"".join(body.restore(encoded)) == b'{"url": "data:image/png;base64,%s"}' % LONG.encode()


def test_what_was_handed_over_is_let_go():
    """Nothing holds a body's megabytes once whoever got the pieces is done with them."""
    data = bytearray(b'["data:;base64,%s"]' % LONG.encode())
    body = Body(data)
    pieces = body.hand_over(body.skeleton)
    with pytest.raises(BufferError):
        data.clear()
    pieces.clear()
    data.clear()


def test_a_mark_of_another_request_is_plain_text():
    """Marks cannot be guessed, so no client's text is taken for one."""
    other = Body(f'"data:;base64,{LONG}"'.encode())
    body = Body(b'[%s,"data:;base64,%s"]' % (other.skeleton, LONG.encode()))
    first, _ = json.loads(b"".join(body.restore(body.skeleton)))
    assert first == json.loads(other.skeleton)


@pytest.mark.parametrize("byte", [b"\n", b"\xff", b"\0", b"\\x"])
def test_a_cut_text_that_is_no_json_is_refused(byte):
    """What was cut and used as text gets the check that the parser did not give it."""
    body = Body(b'"data:;base64,%s%s%s"' % (LONG.encode(), byte, LONG.encode()))
    with pytest.raises(BadRequest) as caught:
        body.restore(body.skeleton)
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize("text", [b" ", LONG.encode()], ids=["short", "cut out"])
def test_text_has_a_limit(text):
    """What is left to be parsed counts, and so does a cut that turns out to be text."""
    data = b'[%s,"data:;base64,%s"]' % (b"1" * 100, text)
    fits = Body(data, len(data))
    assert b"".join(fits.restore(fits.skeleton)) == data
    with pytest.raises(BadRequest) as caught:
        body = Body(data, len(data) - 1)
        body.restore(body.skeleton)
    assert caught.value.code == "context_length_exceeded"
    assert str(len(data) - 1) in caught.value.message


def test_media_are_no_text():
    """The gateway puts megabytes of pictures in, whatever the limit of text."""
    body = Body(b"[]", 100)
    assert len(b"".join(body.restore(body.add(LONG.encode()).encode()))) > 100


@pytest.mark.parametrize(
    "unit", [b'"', b'\\"', b'"data":"', b'"data:;base64,', b"data:;base64,", b'"data:', b'" "'],
    ids=repr,
)  # fmt: skip
def test_time_grows_no_faster_than_the_body(unit):
    """Four times the quotes take at most some four times as long: no byte is looked at again."""

    def seconds(size: int) -> float:
        data = unit * (size // len(unit))
        started = time.thread_time()
        Body(data)
        return time.thread_time() - started

    size = 8 * MAX_QUOTES
    small = min(seconds(size) for _ in range(5))
    large = min(seconds(8 * size) for _ in range(5))
    assert large < 40 * small + 0.01

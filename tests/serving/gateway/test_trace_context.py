"""W3C Trace Context against its standard, and against OpenTelemetry's own reader of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from serving.gateway.trace_context import MAX_MEMBERS, TraceContext, read_context

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
HEXADECIMALS = "0123456789abcdef"


def read(parent: str, *states: str) -> TraceContext | None:
    """Read a context as it comes from a socket."""
    listed = [(b"tracestate", state.encode("latin-1")) for state in states]
    return read_context([(b"host", b"x"), (b"traceparent", parent.encode("latin-1")), *listed])


def ids(length: int) -> st.SearchStrategy[str]:
    """Return ids, none of which is all zero."""
    digits = st.text(HEXADECIMALS, min_size=length, max_size=length)
    return digits.filter(lambda text: text.strip("0") != "")


@given(ids(32), ids(16), st.text(HEXADECIMALS, min_size=2, max_size=2))
def test_what_is_read_is_told_as_it_came(trace_id: str, span_id: str, flags: str) -> None:
    """A valid context keeps its bytes, its parts can be read, and OpenTelemetry reads the same."""
    parent = f"00-{trace_id}-{span_id}-{flags}"
    context = read(parent)

    assert context is not None
    assert context.headers == {"traceparent": parent}
    assert (context.trace_id, context.span_id) == (trace_id, span_id)
    assert context.sampled is bool(int(flags, 16) & 1)
    seen = get_current_span(TraceContextTextMapPropagator().extract(context.headers))
    assert seen.get_span_context().trace_id == int(trace_id, 16)
    assert seen.get_span_context().span_id == int(span_id, 16)
    assert seen.get_span_context().trace_flags.sampled is context.sampled


@given(ids(16), st.sampled_from(["00", "01", "02", "03", "ff"]))
def test_a_span_within_keeps_trace_and_known_flags(span_id: str, flags: str) -> None:
    """The next span is told in the version that we write, with the flags that we know."""
    context = read(f"00-{TRACE}-{SPAN}-{flags}", "a=1")

    assert context is not None
    inner = context.within(span_id)
    assert inner.traceparent == f"00-{TRACE}-{span_id}-{int(flags, 16) & 3:02x}"
    assert inner.tracestate == "a=1"
    assert read(inner.traceparent, inner.tracestate) == inner


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "x",
        PARENT[:-1],
        PARENT + "0",
        PARENT + "-",
        PARENT + "-00",
        PARENT.upper(),
        PARENT.replace("-", "_"),
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}é-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01x",
        f"01-{TRACE}-{SPAN}-01-é",
        f" {PARENT}",
        f"{PARENT}\n",
    ],
)
def test_a_malformed_context_is_none(parent: str) -> None:
    """A new trace is begun instead, and its state is nobody's."""
    assert read(parent, "a=1") is None


@pytest.mark.parametrize("rest", ["", "-", "-what-comes.then"])
def test_a_later_version_is_read_as_far_as_known(rest: str) -> None:
    """It goes on as it came; what we write in its place is version 0."""
    context = read(f"cc-{TRACE}-{SPAN}-01{rest}")

    assert context is not None
    assert context.headers == {"traceparent": f"cc-{TRACE}-{SPAN}-01{rest}"}
    assert context.sampled
    assert context.within("1" * 16).traceparent == f"00-{TRACE}-{'1' * 16}-01"


def test_two_contexts_are_none() -> None:
    """Whoever reads the first and whoever reads the last would join different traces."""
    assert read_context([(b"traceparent", PARENT.encode())] * 2) is None
    assert read_context([]) is None


@given(st.binary(max_size=80), st.lists(st.binary(max_size=40), max_size=4))
def test_no_bytes_make_it_fail(parent: bytes, states: list[bytes]) -> None:
    """Whatever comes, the reader returns, and what it returns can be sent on as headers."""
    for given_parent in (parent, PARENT.encode()):
        headers = [(b"tracestate", state) for state in states]
        context = read_context([(b"traceparent", given_parent), *headers])
        for value in context.headers.values() if context else ():
            assert value.isascii()
            assert value.isprintable()


KEYS = st.from_regex(r"[a-z0-9][a-z0-9_*/@-]{0,255}", fullmatch=True)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters=",="),
    min_size=1,
    max_size=256,
).filter(lambda value: value.strip(" ") == value)


@given(st.dictionaries(KEYS, VALUES, max_size=MAX_MEMBERS), st.integers(0, MAX_MEMBERS))
def test_state_is_kept_in_its_order(members: dict[str, str], split: int) -> None:
    """Several headers are one list; spaces and empty members between are nothing."""
    listed = [f"{key}={value}" for key, value in members.items()]
    context = read(PARENT, " ,\t".join(listed[:split]), ", ,".join(listed[split:]))

    assert context is not None
    assert context.tracestate == ",".join(listed)


@pytest.mark.parametrize(
    "state",
    [
        "a",
        "=1",
        "a=",
        "A=1",
        "a b=1",
        "a=1=2",
        "a=é",
        "a=1,a=2",
        "a=" + "x" * 257,
        "k" * 257 + "=1",
        ",".join(f"k{number}=1" for number in range(MAX_MEMBERS + 1)),
    ],
)
def test_malformed_state_is_dropped_whole(state: str) -> None:
    """The trace itself goes on."""
    assert read(PARENT, state) == TraceContext(PARENT)
    assert read(PARENT, "b=1", state) == TraceContext(PARENT)

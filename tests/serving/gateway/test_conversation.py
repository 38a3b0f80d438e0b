"""A chat's messages on their way to the engine: what is kept, inline, counted and refused."""

import asyncio
import base64
import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from serving.gateway.body import Body
from serving.gateway.chat_request import ChatRequest
from serving.gateway.conversation import Conversation, Question, read_conversation
from serving.gateway.errors import BadRequest
from serving.gateway.media import MediaFetcher
from serving.options import GatewaySettings
from tests.fake_engine import UNARY, whole
from tests.hostile.videos import filmed

MP4 = filmed()
HI = [{"role": "user", "content": "hi"}]


def png(side: int = 64, noise: int = 0) -> str:
    """Return a picture's base64."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue() + bytes(noise)).decode()


def picture(data: str, kind: str = "image/png") -> dict[str, Any]:
    """Return an inline picture's part."""
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}


def video() -> dict[str, Any]:
    """Return an inline video's part."""
    url = f"data:video/mp4;base64,{base64.b64encode(MP4).decode()}"
    return {"type": "video_url", "video_url": {"url": url}}


def read(
    messages: list[dict[str, Any]], names: dict[str, Any] | None = None, **fields: Any
) -> tuple[Conversation, Any]:
    """Return a conversation, and its messages as the engine would decode them."""
    body = Body(json.dumps({"messages": messages} | fields).encode())
    request = msgspec.json.decode(body.skeleton, type=ChatRequest)

    async def reading() -> Conversation:
        media = MediaFetcher(GatewaySettings())
        question = Question(request, body, **(names or {}))
        try:
            return await read_conversation(question, media, GatewaySettings())
        finally:
            await media.close()

    conversation = asyncio.run(reading())
    sent = b"".join(body.restore(msgspec.json.encode(conversation.messages)))
    return conversation, json.loads(sent)


def refusal(messages: list[dict[str, Any]], names: dict[str, Any] | None = None) -> BadRequest:
    """Return why messages are refused."""
    with pytest.raises(BadRequest) as caught:
        read(messages, names)
    return caught.value


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        pytest.param(
            {"role": "system", "content": "Be kind.", "name": "boss"},
            {"role": "system", "content": "Be kind."},
            id="system",
        ),
        pytest.param(
            {"role": "developer", "content": "Be kind."},
            {"role": "system", "content": "Be kind."},
            id="developer",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "text", "text": "a\u2028", "uuid": "steal"}]},
            {"role": "user", "content": [{"type": "text", "text": "a\u2028"}]},
            id="parts without extras",
        ),
        pytest.param(
            {"role": "assistant", "content": "5", "reasoning": "2 + 3", "annotations": []},
            {"role": "assistant", "content": "5", "reasoning": "2 + 3"},
            id="answer with its thought",
        ),
        pytest.param(
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
            id="refusal",
        ),
        pytest.param(
            {"role": "assistant", "content": None, "tool_calls": [CALL | {"index": 0}]},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            id="call",
        ),
        pytest.param(
            {"role": "assistant", "tool_calls": []},
            {"role": "assistant", "content": ""},
            id="nothing said",
        ),
        pytest.param(
            {"role": "tool", "content": "12 °C", "tool_call_id": "c1", "name": "f"},
            {"role": "tool", "content": "12 °C", "tool_call_id": "c1"},
            id="tool",
        ),
    ],
)
def test_messages_are_rebuilt_from_what_is_known(message, sent):
    """Nothing else of a message reaches the engine."""
    _, messages = read([message])
    assert messages == [sent]


def test_arguments_that_were_not_given_are_an_empty_object():
    """The engine's template reads an object."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    _, [message] = read([{"role": "assistant", "tool_calls": [call]}])
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    "arguments", ["{", "[]", "5", "null", '"x"', "{'a': 1}", "[" * 100_000, '{"a":' * 100_000]
)
def test_arguments_that_are_no_object_are_named(arguments):
    """A call of the history that nobody can have made."""
    call = {"function": {"name": "f", "arguments": arguments}}
    error = refusal([*HI, {"role": "assistant", "tool_calls": [CALL, call]}])
    assert error.param == "messages[1].tool_calls[1].function.arguments"
    assert error.code == "invalid_value"


@pytest.mark.parametrize("noise", [0, 20_000], ids=["short", "cut out"])
def test_a_picture_goes_to_the_engine_as_it_came(noise):
    """Its base64 is not touched, its type is what its bytes say."""
    data = png(noise=noise)
    text = {"type": "text", "text": "What is it?"}
    conversation, [message] = read(
        [{"role": "user", "content": [text, picture(data, "image/jpeg")]}]
    )
    assert message["content"] == [text, picture(data)]
    assert conversation.has_media


def test_all_media_of_all_messages_are_inlined_in_their_order():
    """Tool messages may hold pictures too."""
    first, second = png(32), png(48)
    conversation, messages = read(
        [
            {"role": "user", "content": [picture(first), video()]},
            {"role": "tool", "tool_call_id": "c", "content": [picture(second)]},
        ]
    )
    assert [part for each in messages for part in each["content"]] == [
        picture(first), video(), picture(second),
    ]  # fmt: skip
    assert conversation.has_media


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4), st.integers(1, 40))
def test_the_bound_covers_every_byte_of_text(texts, size):
    """No text has more tokens than bytes; tools are text too, however long their literals."""
    tool = {"function": {"name": "f", "description": "data:;base64," + "B" * 200 * size}}
    conversation, _ = read([{"role": "user", "content": text} for text in texts], tools=[tool])
    text_bytes = sum(len(text.encode()) for text in texts)
    assert conversation.max_prompt_tokens >= text_bytes + 200 * size


def test_a_picture_counts_as_its_tokens_not_as_its_bytes():
    """One token for 32 × 32 pixels, whatever the file weighs."""
    alone, _ = read(HI)
    for noise in (0, 60_000):
        content = [{"type": "text", "text": "hi"}, picture(png(1024, noise))]
        conversation, _ = read([{"role": "user", "content": content}])
        added = conversation.max_prompt_tokens - alone.max_prompt_tokens
        assert 32 * 32 <= added < 32 * 32 + 200


@pytest.mark.parametrize(
    ("parts", "code", "said"),
    [
        pytest.param([picture(png())] * 9, "too_many_images", "9 pictures; the limit is 8", id="9"),
        pytest.param([video()] * 2, "too_many_videos", "2 videos; the limit is 1", id="videos"),
    ],
)
def test_too_many_media_are_refused(parts, code, said):
    """Counted over all messages, with the limit in the message."""
    messages = [{"role": "user", "content": [part]} for part in parts]
    error = refusal(messages)
    assert (error.code, error.param) == (code, "messages")
    assert said in error.message
    assert read(messages[1:])[0].has_media


@pytest.mark.parametrize(
    ("names", "param"),
    [
        pytest.param({}, "messages[1].content[1].image_url.url", id="chat"),
        pytest.param(
            {"origins": ["system", "messages[0]"]},
            "messages[0].content[1].image_url.url",
            id="messages of another dialect",
        ),
        pytest.param(
            {"origins": ["a", "b"], "media_origins": ["input[0].content[3].image_url"]},
            "input[0].content[3].image_url",
            id="media of another dialect",
        ),
    ],
)
def test_a_bad_picture_is_named(names, param):
    """By its place in what the client sent."""
    content = [{"type": "text", "text": "hi"}, picture("QUJD" * 10)]
    error = refusal([*HI, {"role": "user", "content": content}], names)
    assert (error.code, error.param) == ("image_parse_error", param)
    assert param in error.message


def test_one_bad_picture_among_good_ones_ends_the_request(engine, gateway):
    """The engine is not asked."""
    engine.play(whole(UNARY))
    content = [picture(png()), picture("QUJD" * 10), picture(png())]
    answer = gateway.chat(messages=[{"role": "user", "content": content}])
    assert (answer.status, answer.error["code"]) == (400, "image_parse_error")
    assert not engine.requests


def test_a_text_that_was_cut_out_arrives_whole(engine, gateway):
    """Base64 that is no picture but text is text."""
    text = "data:image/png;base64," + "QUJD" * 5000
    engine.play(whole(UNARY))
    assert gateway.chat(messages=[{"role": "user", "content": text}]).status == 200
    assert engine.last().json["messages"][0]["content"] == text

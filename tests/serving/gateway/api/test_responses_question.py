"""A request for a response becomes the chat request that asks the same, each field by its name."""

import json
from typing import Any

import msgspec
import openrouter
import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

from serving.gateway.api.responses import IGNORED, read_response_request, use_own_names
from serving.gateway.api.responses_question import question_of
from serving.gateway.api.responses_request import ResponsesRequest, with_types
from serving.gateway.body import Body
from serving.gateway.conversation import Question
from serving.gateway.dialect import OPENAI, OPENROUTER
from serving.gateway.errors import BadRequest
from serving.gateway.reading import ROUTING

Json = dict[str, Any]

PICTURE = "https://example.com/a.png"
USER = {"role": "user", "content": "hi"}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "no"}]}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x":1}'}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "sunny"}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}


def thought(*texts: str) -> Json:
    content = [{"type": "reasoning_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "rs_1", "summary": [], "content": content}


def question(**fields: Any) -> Question:
    """Read a request as the endpoint does."""
    body = Body(json.dumps({"input": "hi", **fields}).encode())
    return question_of(read_response_request(body, OPENAI), body)


def refused(**fields: Any) -> BadRequest:
    """Return what a request is refused for."""
    with pytest.raises(BadRequest) as caught:
        question(**fields)
    return caught.value


def asked(**fields: Any) -> Json:
    """Return the fields of the chat request that a request becomes, unset ones left out."""
    chat = msgspec.to_builtins(question(**fields).request)
    return {name: value for name, value in chat.items() if value is not None}


def messages_of(chat: Json) -> list[Json]:
    """Return a chat's messages, unset fields left out."""
    return [{n: v for n, v in message.items() if v is not None} for message in chat["messages"]]


def messages(*items: Any, **fields: Any) -> list[Json]:
    """Return the messages that items become."""
    return messages_of(asked(input=list(items), **fields))


def test_text_is_a_question():
    """A text alone is what the user says."""
    assert messages_of(asked(input="hi")) == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("sent", "become"),
    [
        pytest.param([USER], [{"role": "user", "content": "hi"}], id="without a type"),
        pytest.param([USER | {"type": None}], [{"role": "user", "content": "hi"}], id="null type"),
        pytest.param(
            [USER | {"role": "system"}, USER | {"role": "developer"}, USER],
            [{"role": role, "content": "hi"} for role in ("system", "developer", "user")],
            id="roles",
        ),
        pytest.param(
            [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}],
            [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
            id="text part",
        ),
        pytest.param(
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_image", "image_url": PICTURE, "detail": "low"},
                        {"type": "input_video", "video_url": "https://example.com/v"},
                    ],
                }
            ],
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": PICTURE}},
                        {"type": "video_url", "video_url": {"url": "https://example.com/v"}},
                    ],
                }
            ],
            id="picture and video",
        ),
        pytest.param([SAID], [{"role": "assistant", "content": "no"}], id="answer"),
        pytest.param(
            [SAID | {"content": [*SAID["content"], {"type": "refusal", "refusal": "!"}]}],
            [{"role": "assistant", "content": "no!"}],
            id="answer in parts",
        ),
        pytest.param(
            [SAID | {"content": None}], [{"role": "assistant", "content": ""}], id="empty answer"
        ),
        pytest.param(
            [thought("so", "-so"), SAID],
            [{"role": "assistant", "reasoning": "so-so", "content": "no"}],
            id="thought of an answer",
        ),
        pytest.param(
            [
                {
                    "type": "reasoning",
                    "summary": [{"type": "summary_text", "text": "in short"}],
                    "encrypted_content": "gAAA",
                },
                SAID,
            ],
            [{"role": "assistant", "reasoning": "in short", "content": "no"}],
            id="summary of a thought",
        ),
        pytest.param(
            [{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}, USER],
            [{"role": "user", "content": "hi"}],
            id="thought without words",
        ),
        pytest.param(
            [thought("a"), CALL, CALL | {"call_id": "c2"}, RESULT],
            [
                {
                    "role": "assistant",
                    "reasoning": "a",
                    "tool_calls": [
                        {
                            "type": "function",
                            "id": name,
                            "function": {"name": "f", "arguments": '{"x":1}'},
                        }
                        for name in ("c1", "c2")
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
            ],
            id="thought, calls and a result",
        ),
        pytest.param(
            [RESULT | {"output": [{"type": "input_image", "image_url": PICTURE}]}],
            [
                {
                    "role": "tool",
                    "tool_call_id": "c1",
                    "content": [{"type": "image_url", "image_url": {"url": PICTURE}}],
                }
            ],
            id="picture as a result",
        ),
    ],
)
def test_items_become_messages(sent: list[Json], become: list[Json]):
    """Every kind of item has its place in the chat."""
    assert messages(*sent) == become


def test_a_turn_is_a_thought_then_a_text_then_calls():
    """What comes in that order is one message; anything else begins the next one."""
    turns = messages(thought("a"), SAID, CALL, thought("b"), CALL, SAID, SAID, USER)
    shapes = [sorted(turn.keys() - {"role"}) for turn in turns]
    assert shapes == [
        ["content", "reasoning", "tool_calls"],
        ["reasoning", "tool_calls"],
        ["content"],
        ["content"],
        ["content"],
    ]


def test_instructions_come_first():
    """They are a system message before all others."""
    assert messages(USER, instructions="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]


@pytest.mark.parametrize(
    ("sent", "become"),
    [
        pytest.param({"max_output_tokens": 9}, {"max_tokens": 9}, id="limit"),
        pytest.param({"stream": True}, {"stream": True}, id="stream"),
        pytest.param(
            {"temperature": 0.5, "top_p": 0.5, "top_k": 3, "seed": 1, "stop": "x", "min_p": 0.1},
            {"temperature": 0.5, "top_p": 0.5, "top_k": 3, "seed": 1, "stop": "x", "min_p": 0.1},
            id="sampling",
        ),
        pytest.param(
            {"reasoning": {"effort": "low", "summary": "auto", "exclude": True}},
            {
                "reasoning": {
                    "effort": "low",
                    "max_tokens": None,
                    "exclude": True,
                    "enabled": None,
                }
            },
            id="reasoning",
        ),
        pytest.param(
            {"include_reasoning": False, "thinking_token_budget": 5},
            {"include_reasoning": False, "thinking_token_budget": 5},
            id="names of vLLM's",
        ),
        pytest.param(
            {"tools": [{"type": "function", **FUNCTION}]},
            {"tools": [{"type": "function", "function": FUNCTION}]},
            id="function",
        ),
        pytest.param({"tools": []}, {}, id="no tools"),
        pytest.param({"tool_choice": "required"}, {"tool_choice": "required"}, id="tool choice"),
        pytest.param(
            {"tool_choice": {"type": "function", "name": "f"}},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            id="named function",
        ),
        pytest.param({"parallel_tool_calls": False}, {"parallel_tool_calls": False}, id="one call"),
        pytest.param({"text": {"verbosity": "low"}}, {}, id="verbosity"),
        pytest.param(
            {"text": {"format": {"type": "json_object"}}},
            {"response_format": {"type": "json_object"}},
            id="json",
        ),
        pytest.param(
            {
                "text": {
                    "format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}
                }
            },
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": {}, "strict": True},
                }
            },
            id="schema",
        ),
        pytest.param({"top_logprobs": 2}, {}, id="top logprobs alone"),
        pytest.param(
            {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
            {"logprobs": True, "top_logprobs": 2},
            id="logprobs",
        ),
        pytest.param({"include": ["reasoning.encrypted_content"]}, {}, id="include of others"),
        pytest.param({"background": False, "store": True, "truncation": "auto"}, {}, id="ignored"),
    ],
)
def test_fields_become_those_of_a_chat(sent: Json, become: Json):
    """Every field that has an effect has it through the chat request's own."""
    assert asked(**sent) == {"messages": asked()["messages"], **become}


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        pytest.param({"input": None}, "input", "invalid_value", id="no input"),
        pytest.param({"input": ""}, "input", "invalid_value", id="empty text"),
        pytest.param({"input": []}, "input", "invalid_value", id="no items"),
        pytest.param({"input": [1]}, "input[0]", "invalid_value", id="item is no object"),
        pytest.param(
            {"input": [{"content": "hi"}]}, "input[0].role", "missing_parameter", id="no role"
        ),
        pytest.param(
            {"input": [USER | {"role": "tool"}]}, "input[0].role", "invalid_value", id="chat's role"
        ),
        pytest.param(
            {"input": [{"role": "user"}]}, "input[0].content", "missing_parameter", id="no content"
        ),
        pytest.param(
            {"input": [USER, {"type": "item_reference", "id": "msg_1"}]},
            "input[1].type",
            "invalid_value",
            id="item of the server's memory",
        ),
        pytest.param(
            {"input": [USER | {"content": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].content[0].type",
            "invalid_value",
            id="file",
        ),
        pytest.param(
            {"input": [USER, USER | {"content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[1].content[0].file_id",
            "unsupported_parameter",
            id="picture as a file",
        ),
        pytest.param(
            {"input": [RESULT | {"output": [{"type": "input_image"}]}]},
            "input[0].output[0].image_url",
            "missing_parameter",
            id="picture that is nowhere",
        ),
        pytest.param(
            {"input": [USER, CALL | {"arguments": "[1]"}]},
            "input[1].arguments",
            "invalid_value",
            id="arguments are no object",
        ),
        pytest.param(
            {"input": [USER, thought("hm")]}, "input[1]", "invalid_value", id="thought at the end"
        ),
        pytest.param(
            {"input": [thought("hm"), USER]}, "input[0]", "invalid_value", id="thought of a user"
        ),
        pytest.param(
            {"previous_response_id": "resp_1"},
            "previous_response_id",
            "unsupported_parameter",
            id="earlier response",
        ),
        pytest.param(
            {"conversation": "conv_1"}, "conversation", "unsupported_parameter", id="conversation"
        ),
        pytest.param({"prompt": {"id": "pmpt"}}, "prompt", "unsupported_parameter", id="prompt"),
        pytest.param({"background": True}, "background", "unsupported_parameter", id="background"),
        pytest.param(
            {"tools": [{"type": "web_search"}]}, "tools[0].type", "invalid_value", id="hosted tool"
        ),
        pytest.param(
            {"tool_choice": {"type": "mcp", "server_label": "x"}},
            "tool_choice.type",
            "invalid_value",
            id="choice of a hosted tool",
        ),
        pytest.param({"n": 2}, "n", "invalid_value", id="two answers"),
        pytest.param({"max_output_tokens": 0}, "max_output_tokens", "invalid_value", id="limit"),
        pytest.param({"messages": [USER]}, "messages", "unknown_parameter", id="field of a chat"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(fields: Json, param: str, code: str):
    """The error names the field in the client's own words."""
    error = refused(**fields)
    assert (error.status, error.param, error.code) == (400, param, code)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"tools": [{"type": "web_search"}]}, "'web_search'", id="hosted tool"),
        pytest.param({"tools": [{"type": "mcp"}]}, "run them in the client", id="instead of it"),
        pytest.param(
            {"tool_choice": {"type": "allowed_tools"}}, "by its name", id="choice of several"
        ),
        pytest.param({"messages": [USER]}, "here it is 'input'", id="messages"),
        pytest.param({"max_tokens": 9}, "here it is 'max_output_tokens'", id="limit"),
        pytest.param(
            {"input": [{"type": "item_reference"}]}, "reasoning; this server keeps none", id="item"
        ),
        pytest.param(
            {"input": [USER | {"content": [{"type": "input_file"}]}]}, "as its text", id="document"
        ),
        pytest.param({"tempreature": 1}, "Did you mean 'temperature'?", id="misspelt field"),
    ],
)
def test_a_refusal_says_what_to_send_instead(fields: Json, said: str):
    """The next step is in the message."""
    assert said in refused(**fields).message


def test_places_have_the_names_of_the_request():
    """Messages and media keep the names of the items and parts that they come from."""
    picture = {"type": "input_image", "image_url": PICTURE}
    video = {"type": "input_video", "video_url": "https://example.com/v"}
    found = question(
        instructions="Be brief.",
        input=[
            USER | {"content": [{"type": "input_text", "text": "a"}, picture]},
            thought("b"),
            CALL,
            RESULT | {"output": [video]},
        ],
    )
    assert found.origins == ["instructions", "input[0]", "input[1]", "input[3]"]
    assert found.media_origins == ["input[0].content[1].image_url", "input[3].output[0].video_url"]


@pytest.mark.parametrize(
    ("message", "param", "own_message", "own_param"),
    [
        pytest.param(
            "'max_tokens' is 9; lower max_tokens.",
            "max_tokens",
            "'max_output_tokens' is 9; lower max_output_tokens.",
            "max_output_tokens",
            id="limit",
        ),
        pytest.param(
            "'reasoning.max_tokens' is 9.",
            "reasoning.max_tokens",
            "'reasoning.max_tokens' is 9.",
            "reasoning.max_tokens",
            id="budget",
        ),
        pytest.param("Too long.", "messages", "Too long.", "input", id="messages"),
        pytest.param("No.", None, "No.", None, id="no field"),
    ],
)
def test_errors_of_the_chat_speak_of_the_own_fields(
    message: str, param: str | None, own_message: str, own_param: str | None
):
    """What later steps say of the chat request names the fields that the client sent."""
    error = BadRequest(message, param=param)
    use_own_names(error)
    assert (error.message, error.param) == (own_message, own_param)


def published() -> list[str]:
    """Return all fields of OpenAI's published request."""
    return sorted(ResponseCreateParamsStreaming.__annotations__)


@pytest.mark.parametrize("name", published())
def test_every_published_field_is_known(name: str):
    """OpenAI's own fields are read, or ignored by name; none is an unknown one."""
    assert name in {*ResponsesRequest.__struct_encode_fields__, *IGNORED}


@pytest.mark.parametrize("name", sorted(openrouter.components.ResponsesRequest.model_fields))
def test_every_field_of_openrouters_is_known(name: str):
    """OpenRouter's own fields are read, ignored by name, or told to need a router."""
    known = {*ResponsesRequest.__struct_encode_fields__, *IGNORED, *ROUTING}
    assert name.lower() in known


def test_openrouter_drops_what_it_does_not_know():
    """Under /api/v1 a field of another server does no harm, unless all are to count."""
    body = Body(b'{"input":"hi","of_another_server":1}')
    assert read_response_request(body, OPENROUTER).input == "hi"
    body = Body(b'{"input":"hi","of_another_server":1,"provider":{"require_parameters":true}}')
    with pytest.raises(BadRequest, match="of_another_server"):
        read_response_request(body, OPENROUTER)


@pytest.mark.parametrize(
    "skeleton",
    [
        pytest.param(b'{"input":"hi"}', id="text"),
        pytest.param(b'{"input":[{"type":"message"}]}', id="typed"),
        pytest.param(b'{"input":[1]}', id="no objects"),
        pytest.param(b'{"model":"m"}', id="no input"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"input":[', id="no JSON"),
        pytest.param(b'{"input":[{"\xff":1}]}', id="no UTF-8"),
        pytest.param(b'{"input":' + b"[" * 10_000, id="too deep"),
    ],
)
def test_types_are_added_to_items_alone(skeleton: bytes):
    """Whatever is not a list with bare items is left as it is, for the reader to judge."""
    assert with_types(skeleton) == skeleton


def test_an_added_type_changes_nothing_else():
    """Other items and fields stay as they are, in their order."""
    sent = {"model": "m", "input": [CALL, USER, {"type": None, **USER}], "seed": 1}
    typed = json.loads(with_types(json.dumps(sent).encode()))
    message = USER | {"type": "message"}
    assert typed == sent | {"input": [CALL, message, message]}
    assert list(typed) == list(sent)

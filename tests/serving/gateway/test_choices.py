"""Names of fields lead to the values that their types allow."""

import pytest

from serving.gateway.api.messages_request import MessagesRequest
from serving.gateway.api.responses_request import ResponsesRequest
from serving.gateway.chat_request import ChatRequest
from serving.gateway.choices import choices


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        pytest.param(
            ChatRequest,
            "messages[0].role",
            {"system", "developer", "user", "assistant", "tool"},
            id="a tag",
        ),
        pytest.param(
            ChatRequest,
            "messages[3].content[1].type",
            {"text", "image_url", "video_url", "refusal"},
            id="the same tags by several ways",
        ),
        pytest.param(
            MessagesRequest, "messages[0].content[0].type", set(), id="not the same for every role"
        ),
        pytest.param(
            ChatRequest,
            "messages[0].content[0].image_url.detail",
            {"auto", "low", "high", "original"},
            id="a literal",
        ),
        pytest.param(ChatRequest, "tool_choice", {"none", "auto", "required"}, id="or an object"),
        pytest.param(ResponsesRequest, "n", {"1"}, id="a number"),
        pytest.param(ChatRequest, "logit_bias[...]", set(), id="an object's value"),
        pytest.param(ChatRequest, "temperature", set(), id="no closed list"),
        pytest.param(ChatRequest, "nowhere[0].else", set(), id="no field"),
    ],
)
def test_a_name_leads_to_its_values(kind, name, values):
    """All of them, or none where another field decides."""
    assert set(choices(kind, name)) == values

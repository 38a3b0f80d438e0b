"""Ids: from any form that a client has seen back to its request."""

import pytest

from serving.gateway.answer_id import generation_id, request_ids


@pytest.mark.parametrize("start", ["gen-", "chatcmpl-", "cmpl-", "resp_", "msg_"])
@pytest.mark.parametrize("request_id", ["req_0123abc", "my-own.id_7"])
def test_every_form_of_an_answers_id_leads_to_its_request(start: str, request_id: str) -> None:
    """Whether the gateway or the client named the request."""
    shown = start + request_id.removeprefix("req_")
    assert request_id in request_ids(shown)


def test_a_requests_own_id_is_looked_for_first() -> None:
    """Also one that a client chose to look like an answer's."""
    assert request_ids("req_1") == ("req_1",)
    assert request_ids("gen-1")[0] == "gen-1"


def test_openrouters_form() -> None:
    """The gateway's own prefix gives way, a client's id stays whole."""
    assert generation_id("req_1") == "gen-1"
    assert generation_id("mine") == "gen-mine"

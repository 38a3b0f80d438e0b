"""What the user reads when the endpoint is not what it should be."""

import random
from dataclasses import replace
from itertools import islice

import pytest

from loadtests.allowance import Prices
from loadtests.client.chat import Limits
from loadtests.endpoint import parse_url
from loadtests.failure import LoadError
from loadtests.probe import ask_once, look
from loadtests.prompt import Request
from loadtests.scenarios import find_scenario
from loadtests.workloads import encoded

LIMITS = Limits()
NO_KEY = {"error": {"message": "Give an API key."}}


def ask(url, model=None):
    """Look at an endpoint and ask it one question."""
    endpoint = parse_url(url)
    served = look(endpoint, model, LIMITS)
    [prompt] = islice(find_scenario("short-chat").prompts(random.Random(1), served), 1)
    request = Request(0, prompt, encoded(prompt, served.model_asked))
    return ask_once(endpoint, request, served, LIMITS)


def test_a_look_tells_what_is_served(server):
    """Model, context, version, prices and the rest that /version tells, and the round trip."""
    pricing = {"prompt": "0.000000117", "completion": "0.000001365"}
    card = {"id": "qwen/alias", "max_model_len": 4096, "pricing": pricing}
    server.pages["/v1/models"] = (200, {"data": [card, {"id": "other"}]})
    server.pages["/version"] = (200, {"version": "0.32.0", "image": "i@sha256:1"})
    served = look(parse_url(server.url), None, LIMITS)
    assert 0 < served.round_trip_seconds < 1
    assert (served.model_asked, served.max_model_len) == ("qwen/alias", 4096)
    assert (served.vllm_version, dict(served.build)) == ("0.32.0", {"image": "i@sha256:1"})
    assert served.prices == Prices(pytest.approx(0.117), pytest.approx(1.365))


def test_prices_may_stand_under_openrouters_path(server):
    """An OpenAI card has none; the same server may tell them elsewhere."""
    assert look(parse_url(server.url), None, LIMITS).prices is None
    card = {"id": "scripted", "pricing": {"prompt": "0.000001", "completion": "0.000002"}}
    server.pages["/api/v1/models"] = (200, {"data": [card]})
    assert look(parse_url(server.url), None, LIMITS).prices == Prices(1.0, 2.0)


def test_prices_are_those_of_the_model_asked(server):
    """Of several; a list of one names it by whichever name it likes, and no price is below 0."""
    pages = server.pages
    dear, cheap = ({"prompt": n, "completion": n} for n in ("0.000002", "0.000001"))
    cards = [{"id": "dear", "pricing": dear}, {"id": "cheap", "pricing": cheap}]
    pages["/api/v1/models"] = (200, {"data": cards})
    assert look(parse_url(server.url), "cheap", LIMITS).prices == Prices(1.0, 1.0)
    assert look(parse_url(server.url), "unknown", LIMITS).prices is None
    pages["/api/v1/models"] = (200, {"data": cards[:1]})
    assert look(parse_url(server.url), "alias", LIMITS).prices == Prices(2.0, 2.0)
    pages["/api/v1/models"] = (200, {"data": [{"id": "any", "pricing": dear | {"prompt": "-1"}}]})
    assert look(parse_url(server.url), None, LIMITS).prices is None


def test_the_first_answer_tells_who_answered(server):
    """The model that answers is what counts, and the answer is measured like any other."""
    served, record = ask(server.url, "qwen/alias")
    assert server.sent.bodies[0]["model"] == "qwen/alias"
    assert (served.model_asked, served.model_served) == ("qwen/alias", "scripted")
    assert (record.outcome, record.completion_tokens) == ("answered", 5)


def test_the_version_may_come_from_the_fingerprint(server):
    """Without /version the engine's fingerprint tells it, and without both it stays open."""
    del server.pages["/version"]
    assert ask(server.url)[0].vllm_version is None

    def with_fingerprint(stream):
        stream.head()
        stream.chunk(b'data: {"system_fingerprint": "vllm-0.32.0-tp2-1a2b3c4d"}\n\n')
        stream.event(content="19")
        stream.finish()

    server.script = with_fingerprint
    assert ask(server.url)[0].vllm_version == "0.32.0"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        pytest.param((401, NO_KEY), r"wants a key \(401: Give an API key", id="no key"),
        pytest.param((404, {}), "check the URL", id="wrong URL"),
        pytest.param((200, ["hello"]), "check the URL", id="another service"),
        pytest.param((200, {"data": []}), "check the URL", id="no model"),
        pytest.param((503, {}), "answered 503", id="not ready"),
    ],
)
def test_a_bad_list_of_models_is_one_sentence(server, page, words):
    """The list of models tells most mistakes before a question is asked."""
    server.pages["/v1/models"] = page
    with pytest.raises(LoadError, match=words):
        look(parse_url(server.url), None, LIMITS)
    assert server.sent.bodies == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        pytest.param(401, r"wants another key \(401: Sorry", id="wrong key"),
        pytest.param(404, r"no chat API with this model \(404: Sorry", id="unknown model"),
        pytest.param(500, r"answered 500: Sorry", id="broken"),
    ],
)
def test_a_refused_question_is_one_sentence(server, status, words):
    """What the endpoint says of it is passed on."""
    server.script = lambda stream: stream.json(status, {"error": {"message": "Sorry"}})
    endpoint = replace(parse_url(server.url), key="secret")
    served = look(endpoint, "unknown", LIMITS)
    with pytest.raises(LoadError, match=words):
        ask_once(endpoint, _request(), served, LIMITS)


def test_a_cut_answer_is_one_sentence(server):
    """An endpoint that cannot finish one answer is not loaded."""

    def cut(stream):
        stream.head()
        stream.cut()

    server.script = cut
    with pytest.raises(LoadError, match="did not finish one answer"):
        ask(server.url)


def test_nobody_there_is_one_sentence(unused_url):
    """With what to do."""
    with pytest.raises(LoadError, match=r"does not answer.*make serve"):
        look(parse_url(unused_url), None, LIMITS)


def _request():
    return Request(0, None, b'{"model": "unknown", "messages": []}')

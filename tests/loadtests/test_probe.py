"""What the user reads when the endpoint is not what it should be."""

import pytest

from loadtests.client import Limits
from loadtests.endpoint import parse_url
from loadtests.failure import LoadError
from loadtests.probe import Served, probe

LIMITS = Limits()
NO_KEY = {"error": {"message": "Give an API key."}}


def test_the_probe_tells_model_and_version(server):
    """The first model is asked for; the one that answers is what counts."""
    server.pages["/v1/models"] = (200, {"data": [{"id": "qwen/alias"}, {"id": "other"}]})
    assert probe(parse_url(server.url), None, LIMITS) == Served("qwen/alias", "scripted", "0.0.1")
    assert server.sent.bodies[0]["model"] == "qwen/alias"


def test_the_version_may_come_from_the_fingerprint(server):
    """Without /version the engine's fingerprint tells it, and without both it stays open."""
    del server.pages["/version"]
    assert probe(parse_url(server.url), "m", LIMITS).vllm_version is None
    good = server.script

    def with_fingerprint(stream):
        stream.head()
        stream.chunk(b'data: {"system_fingerprint": "vllm-0.32.0-tp2-1a2b3c4d"}\n\n')
        stream.event(content="19")
        stream.finish()

    server.script = with_fingerprint
    assert probe(parse_url(server.url), "m", LIMITS).vllm_version == "0.32.0"
    server.script = good


@pytest.mark.parametrize(
    ("page", "words"),
    [
        pytest.param((401, NO_KEY), "wants a key", id="no key"),
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
        probe(parse_url(server.url), None, LIMITS)
    assert server.sent.bodies == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        pytest.param(401, r"wants another key \(401: Sorry", id="wrong key"),
        pytest.param(404, r"no chat API with this model \(404: Sorry", id="unknown model"),
        pytest.param(500, "answered 500: Sorry", id="engine down"),
    ],
)
def test_a_bad_answer_is_one_sentence(server, status, words):
    """A refused question ends the run with the server's own reason."""
    server.script = lambda stream: stream.json(status, {"error": {"message": "Sorry"}})
    with pytest.raises(LoadError, match=words):
        probe(parse_url(server.url, "sk-canary"), "m", LIMITS)


def test_a_broken_stream_is_one_sentence(server):
    """An endpoint that cannot finish one answer is not loaded."""

    def cut(stream):
        stream.head()
        stream.cut()

    server.script = cut
    with pytest.raises(LoadError, match="did not finish one answer"):
        probe(parse_url(server.url), "m", LIMITS)

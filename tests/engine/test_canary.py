"""The engine's own log: it repeats nothing of what it was asked or has said."""

from tests.engine.conftest import Endpoint
from tests.serving.gateway.canary import Canaries

CHAT = "/v1/chat/completions"


def requests(canaries: Canaries) -> list[dict[str, object]]:
    """Return chat requests that the engine answers or refuses, with words in each."""
    wrong_type = {"type": "nonsense", "description": canaries["fault"]}
    wrong_pattern = {"type": "string", "pattern": f"({canaries['fault']}"}
    refused = [
        {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        for schema in (wrong_type, {"type": "object", "properties": {"a": wrong_pattern}})
    ]
    return [
        canaries.chat(max_tokens=16),
        canaries.chat(max_tokens=16, stream=True),
        *(canaries.chat(max_tokens=16, response_format=form) for form in refused),
        canaries.chat(messages=[{"role": "user", "content": canaries["prompt"] * 3000}]),
    ]


def test_the_engine_logs_no_word_of_a_request(endpoint: Endpoint) -> None:
    """Answered, streamed, refused and broken off: neither log nor metrics have the words."""
    canaries = Canaries()
    statuses = []
    for request in requests(canaries):
        reply = endpoint.http.post(endpoint.url + CHAT, json=request, headers=canaries.headers())
        statuses.append(reply.status_code)
    assert statuses[:2] == [200, 200]
    assert all(400 <= status < 500 for status in statuses[2:]), statuses
    endless = canaries.chat(max_tokens=2000, stream=True)
    with endpoint.http.stream("POST", endpoint.url + CHAT, json=endless) as stream:
        next(stream.iter_bytes())
    logs = [endpoint.output, *endpoint.output.parent.rglob("engine-*.log")]
    assert len(logs) > 1, "the engine's log was not found"
    for log in logs:
        assert not canaries.found_in(log.read_bytes()), log
    for page in ("/metrics", "/engine/metrics"):
        text = endpoint.http.get(endpoint.admin_url + page).content
        assert not canaries.found_in(text), page

"""The other routes: completions, models, request ids, and what is not there."""

from typing import Any

import openai
import pytest

MODEL = "tiny-qwen3-vl"


def test_completion_continues_its_prompt(client: openai.OpenAI, tokenizer: Any) -> None:
    """A plain completion gets the raw output, and its prompt is counted as it stands."""
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is 12 + 7?"}], add_generation_prompt=True, tokenize=False
    )
    reply = client.completions.create(model=MODEL, prompt=prompt, max_tokens=64)
    assert reply.choices[0].text.endswith("</think>\n\n19")
    assert reply.usage.prompt_tokens == len(tokenizer.encode(prompt, add_special_tokens=False))


def test_models_names_what_is_served(client: openai.OpenAI) -> None:
    """The one model is listed under its own name, with its context."""
    [model] = client.models.list().data
    assert model.id == MODEL
    assert model.model_extra["max_model_len"] == 16_384


def test_request_id_is_kept_or_made(endpoint: Any) -> None:
    """A request's own id comes back; one that has none, or an odd one, gets a new one."""
    own = endpoint.http.get(f"{endpoint.url}/v1/models", headers={"X-Request-Id": "order-66.a"})
    assert own.headers["x-request-id"] == "order-66.a"
    made = [
        endpoint.http.get(f"{endpoint.url}/v1/models", headers=headers).headers["x-request-id"]
        for headers in ({}, {"X-Request-Id": "no spaces, please"})
    ]
    assert len({*made, ""}) == 3


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/tokenize", "/invocations", "/metrics", "/v1/load_lora_adapter"]
)
def test_unknown_route_is_404_in_openais_form(endpoint: Any, path: str) -> None:
    """What the gateway does not serve is not there, whatever the engine has."""
    reply = endpoint.http.post(f"{endpoint.url}{path}", json={})
    assert reply.status_code == 404
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"]

"""Answers in OpenRouter's dialect against its published schemas, field by field."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

SCHEMAS = Path(__file__).resolve().parents[3] / "shared" / "contracts" / "openrouter_schemas.txt"
FIELD = re.compile(r"^  (?P<name>\w+)(?P<required>\*?): (?P<type>.*?)  // ", re.MULTILINE)
# Documented in OpenRouter's guides, not in its schemas; and the thought's older name.
GUIDES = {"provider", "native_finish_reason", "reasoning_content"}
# What OpenRouter's SDK asks for, and these schemas, which are older, do not have.
NEWER = {"native_tools", "service_tier", "supports_diarization", "supports_tool_choice"}
ENGINE_NULLS = {"prompt_token_ids", "prompt_text", "token_ids", "stop_reason"}
WORDS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}

Schemas = dict[str, dict[str, tuple[bool, str]]]


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    """Return each schema's fields: whether they must be there, and their type's text."""
    if not SCHEMAS.exists():
        pytest.skip("OpenRouter's schemas are not part of this repository; nothing enables this")
    found: Schemas = {}
    for section in SCHEMAS.read_text().split("\n### ")[0:]:
        name = section.removeprefix("### ").split()[0]
        fields = FIELD.finditer(section + "\n")
        found[name] = {f["name"]: (bool(f["required"]), f["type"]) for f in fields}
    return found


def check(value: dict[str, Any], name: str, schemas: Schemas) -> None:
    """Check required fields, unknown fields, and the types that the schema spells out."""
    fields = schemas[name]
    assert fields
    missing = {n for n, (required, _) in fields.items() if required} - value.keys()
    assert not missing, f"{name} lacks {missing}"
    unknown = value.keys() - fields.keys() - GUIDES - NEWER
    assert {n for n in unknown if value[n] is not None or n not in ENGINE_NULLS} == set(), name
    for field in value.keys() & fields.keys():
        spelled = [re.sub(r"\(.*", "", word.strip()) for word in fields[field][1].split("|")]
        if all(word in WORDS or word.startswith('"') for word in spelled):
            fits = any(
                WORDS[word](value[field]) if word in WORDS else value[field] == word.strip('"')
                for word in spelled
            )
            assert fits, f"{name}.{field} is {value[field]!r}, not {fields[field][1]}"


def check_usage(usage: dict[str, Any], schemas: Schemas) -> None:
    """Check usage with its costs."""
    check(usage, "ChatUsage", schemas)
    check(usage["cost_details"], "CostDetails", schemas)


def ask(endpoint: Any, **fields: Any) -> httpx.Response:
    """Ask a question with a thought."""
    question = {"messages": [{"role": "user", "content": "What is 12 + 7?"}], **fields}
    return endpoint.http.post(f"{endpoint.url}/api/v1/chat/completions", json=question)


def test_whole_answer_keeps_the_schema(endpoint: Any, schemas: Schemas) -> None:
    """ChatResult with all that it holds."""
    answer = ask(endpoint).raise_for_status().json()
    check(answer, "ChatResult", schemas)
    check(answer["choices"][0], "ChatChoice", schemas)
    check(answer["choices"][0]["message"], "ChatAssistantMessage", schemas)
    for detail in answer["choices"][0]["message"]["reasoning_details"]:
        check(detail, "ReasoningDetailText", schemas)
    check_usage(answer["usage"], schemas)


def test_stream_keeps_the_schema(endpoint: Any, schemas: Schemas) -> None:
    """Every ChatStreamChunk, the one with usage too."""
    lines = ask(endpoint, stream=True).raise_for_status().text.splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert len(chunks) > 5
    for chunk in chunks:
        check(chunk, "ChatStreamChunk", schemas)
        for choice in chunk["choices"]:
            check(choice, "ChatStreamChoice", schemas)
            check(choice["delta"], "ChatStreamDelta", schemas)
    check_usage(chunks[-1]["usage"], schemas)


def test_models_keep_the_schema(endpoint: Any, schemas: Schemas) -> None:
    """Model with architecture, prices, provider and reasoning block."""
    models = endpoint.http.get(f"{endpoint.url}/api/v1/models").raise_for_status().json()["data"]
    for model in models:
        check(model, "Model", schemas)
        check(model["architecture"], "ModelArchitecture", schemas)
        check(model["pricing"], "PublicPricing", schemas)
        check(model["top_provider"], "TopProviderInfo", schemas)
        check(model["default_parameters"], "DefaultParameters", schemas)
        check(model["reasoning"], "ModelReasoning", schemas)


def test_endpoints_keep_the_schema(endpoint: Any, schemas: Schemas) -> None:
    """PublicEndpoint, with the figures that are known so far."""
    url = f"{endpoint.url}/api/v1/models/qwen/qwen3-vl-8b-thinking/endpoints"
    [listed] = endpoint.http.get(url).raise_for_status().json()["data"]["endpoints"]
    check(listed, "PublicEndpoint", schemas)
    check(listed["pricing"], "PublicPricing", schemas)
    for name in ("latency_last_30m", "throughput_last_30m"):
        if listed[name] is not None:
            check(listed[name], "PercentileStats", schemas)


def test_responses_usage_keeps_the_schema(endpoint: Any, schemas: Schemas) -> None:
    """The usage of /responses, and its reasoning item."""
    answer = endpoint.http.post(
        f"{endpoint.url}/api/v1/responses", json={"input": "What is 12 + 7?"}
    )
    usage = answer.raise_for_status().json()["usage"]
    fields = schemas["OpenAIResponsesUsage"]
    assert {n for n, (required, _) in fields.items() if required} <= usage.keys()
    assert usage["cost"] == 0

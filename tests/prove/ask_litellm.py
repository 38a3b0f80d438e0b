"""Asks with LiteLLM through three of its providers; prints what is seen as one JSON object.

Reads {"url", "picture"} from stdin; runs in the environment of `deploy/requirements/prove.txt`.
"""

import json
import os
import sys
from typing import Any

# Otherwise the import asks a host for a list of prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from pydantic import BaseModel

ORDER = json.load(sys.stdin)
SLUG = "qwen/qwen3-vl-8b-thinking"
BASES = {"openai": "/v1", "hosted_vllm": "/v1", "openrouter": "/api/v1"}
SUM = [{"role": "user", "content": "What is 12 + 7?"}]
WEATHER_QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class Scene(BaseModel):
    """What a picture shows."""

    colour: str
    kind: str
    count: int


litellm.suppress_debug_info = True  # which it prints to stdout


def complete(provider: str, messages: list[Any], **options: Any) -> Any:
    return litellm.completion(
        **{
            "model": f"{provider}/{SLUG}",
            "api_base": ORDER["url"] + BASES[provider],
            "api_key": "none",
            "num_retries": 0,
            "messages": messages,
            **options,
        }
    )


def seen(reply: Any) -> dict[str, Any]:
    [choice] = reply.choices
    return {
        "text": choice.message.content,
        "reasoning": getattr(choice.message, "reasoning_content", None),
        "finish": choice.finish_reason,
        "usage": reply.usage.model_dump(),
        "model": reply.model,
    }


def stream(provider: str) -> dict[str, Any]:
    chunks = list(complete(provider, SUM, stream=True, stream_options={"include_usage": True}))
    return seen(litellm.stream_chunk_builder(chunks, messages=SUM))


def tool_loop(provider: str) -> dict[str, Any]:
    asked = complete(provider, [WEATHER_QUESTION], tools=[WEATHER]).choices[0]
    [call] = asked.message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    history = [WEATHER_QUESTION, asked.message.model_dump(exclude_none=True), result]
    answer = complete(provider, history, tools=[WEATHER])
    called = [call.function.name, json.loads(call.function.arguments)]
    return {"call": called, "asked": asked.finish_reason, **seen(answer)}


def described(provider: str) -> dict[str, Any]:
    picture = {"type": "image_url", "image_url": {"url": ORDER["picture"]}}
    question = {"type": "text", "text": "Describe the picture as JSON."}
    messages = [{"role": "user", "content": [picture, question]}]
    return seen(complete(provider, messages, response_format=Scene))


def refused(provider: str) -> dict[str, Any]:
    try:
        complete(provider, SUM, model=f"{provider}/gpt-9")
    except litellm.NotFoundError as error:
        return {"status": error.status_code, "said": str(error)}
    raise SystemExit("a model that is not served answered")


def main() -> None:
    """Ask all questions; a failure of one is a failure of the program."""
    answers = {
        provider: {
            "whole": seen(complete(provider, SUM)),
            "stream": stream(provider),
            "tool": tool_loop(provider),
            "object": described(provider),
            "refused": refused(provider),
        }
        for provider in BASES
    }
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()

"""Asks with LangChain's ChatOpenAI and prints what an application would see, as one JSON object.

Reads {"url", "picture"} from stdin; runs in the environment of `deploy/requirements/prove.txt`.
"""

import json
import sys
from typing import Any

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

ORDER = json.load(sys.stdin)
SUM = "What is 12 + 7?"
RESPONSES: dict[str, Any] = {"use_responses_api": True, "output_version": "responses/v1"}


class Scene(BaseModel):
    """What a picture shows."""

    colour: str
    kind: str
    count: int


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city"""
    return "sunny" if city == "Paris" else "unknown"


def model(**options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=f"{ORDER['url']}/v1",
        api_key="none",
        model="qwen/qwen3-vl-8b-thinking",
        max_retries=0,
        **options,
    )


def seen(message: Any) -> dict[str, Any]:
    blocks = [block for block in message.content if isinstance(block, dict)]
    items = [block for block in blocks if block["type"] == "reasoning"]
    return {
        "text": message.text,
        "reasoning": "".join(part["text"] for item in items for part in item["content"]),
        "finish": message.response_metadata.get("finish_reason"),
        "usage": message.usage_metadata,
    }


def picture_question() -> list[HumanMessage]:
    picture = {"type": "image_url", "image_url": {"url": ORDER["picture"]}}
    return [HumanMessage([picture, {"type": "text", "text": "Describe the picture as JSON."}])]


def tool_loop() -> dict[str, Any]:
    chat = model().bind_tools([get_weather])
    messages: list[Any] = [HumanMessage("What is the weather in Paris?")]
    asked = chat.invoke(messages)
    [call] = asked.tool_calls
    messages += [asked, ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])]
    return {"call": [call["name"], call["args"]], **seen(chat.invoke(messages))}


def stream(**options: Any) -> dict[str, Any]:
    first, *rest = model(stream_usage=True, **options).stream(SUM)
    return seen(sum(rest, first))


def refused() -> dict[str, Any]:
    try:
        model().invoke(SUM, model="gpt-9")
    except openai.NotFoundError as error:
        return {"code": error.code, "message": str(error)}
    raise SystemExit("a model that is not served answered")


def main() -> None:
    """Ask all questions; a failure of one is a failure of the program."""
    structured = model().with_structured_output(Scene, method="json_schema")
    answers = {
        "whole": seen(model().invoke(SUM)),
        "stream": stream(),
        "responses": seen(model(**RESPONSES).invoke(SUM)),
        "responses stream": stream(**RESPONSES),
        "tool": tool_loop(),
        "object": structured.invoke(picture_question()).model_dump(),
        "refused": refused(),
    }
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()

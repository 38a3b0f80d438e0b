"""The endpoint against transformers itself: same checkpoint, same messages, nothing of vLLM's.

Template, picture processing, network and decoding are transformers' own, in float32; the endpoint
computes in the engine's type.
"""

import base64
import io
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image

import serving.tiny_model
from serving.tiny_model.exam import question

CHECKPOINT = Path(serving.tiny_model.__file__).with_name("checkpoint")
MODEL = "tiny-qwen3-vl"
MAX_TOKENS = 640
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": f"get_{subject}",
            "description": f"Get the {subject} of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
    for subject in ("weather", "time")
]
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
}
SUM_AND_ANSWER = [
    {"role": "user", "content": "What is 3 + 4?"},
    {"role": "assistant", "content": "7", "reasoning": "3 plus 4 is 7."},
]

Answer = tuple[str, str, int, int]


@pytest.fixture(scope="module")
def reference(endpoint: Any) -> Callable[[dict[str, Any]], Answer]:
    """Return what answers with transformers: thought, answer, prompt and completion tokens."""
    import torch  # noqa: PLC0415 — seconds that a skip saves
    from transformers import (  # noqa: PLC0415
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
    )

    processor = Qwen3VLProcessor.from_pretrained(CHECKPOINT)
    network = Qwen3VLForConditionalGeneration.from_pretrained(CHECKPOINT, dtype=torch.float32)

    def answer(body: dict[str, Any]) -> Answer:
        pictures = pictures_of(body["messages"])
        prompt = processor.apply_chat_template(
            deepcopy(body["messages"]),  # whose picture parts it rewrites
            tools=body.get("tools"),
            add_generation_prompt=True,
            tokenize=False,
        )
        inputs = processor(text=[prompt], images=pictures or None, return_tensors="pt")
        with torch.inference_mode():
            output = network.generate(**inputs, do_sample=False, max_new_tokens=MAX_TOKENS)
        read = inputs["input_ids"].shape[1]
        written = output[0, read:]
        text = processor.tokenizer.decode(written, skip_special_tokens=False)
        thought, mark, said = text.removesuffix("<|im_end|>").partition("</think>")
        assert mark, text
        return thought, said.lstrip("\n"), read, len(written)

    return answer


def pictures_of(messages: list[dict[str, Any]]) -> list[Image.Image]:
    """Decode the pictures of a conversation, in their order."""
    parts = [part for m in messages if isinstance(m["content"], list) for part in m["content"]]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"messages": [{"role": "user", "content": "What is 12 + 7?"}]}, id="text"),
        pytest.param(
            {"messages": [{"role": "user", "content": "Count aloud to 30."}]}, id="long thought"
        ),
        pytest.param(question("describe", 5).body, id="picture as large as it was trained on"),
        pytest.param(question("count", 0).body, id="picture to be enlarged"),
        pytest.param(question("kind", 14).body, id="picture to be made smaller"),
        pytest.param(
            {
                "messages": [
                    {"role": "system", "content": "Answer briefly."},
                    *SUM_AND_ANSWER,
                    *question("colour", 6).body["messages"][-1:],
                ]
            },
            id="picture after history",
        ),
        pytest.param(
            {
                "messages": [
                    *SUM_AND_ANSWER,
                    {"role": "user", "content": "What is the weather in Oslo?"},
                ],
                "tools": TOOLS,
            },
            id="call after history",
        ),
        pytest.param(
            {
                "messages": [
                    {"role": "system", "content": "Answer briefly."},
                    *SUM_AND_ANSWER,
                    {"role": "user", "content": "What is the weather in Oslo?"},
                    {
                        "role": "assistant",
                        "content": "",
                        "reasoning": "I need the weather in Oslo.",
                        "tool_calls": [CALL],
                    },
                    {"role": "tool", "tool_call_id": "call_1", "content": "rainy"},
                ],
                "tools": TOOLS,
            },
            id="answer after history and tools",
        ),
    ],
)
def test_greedy_answer_is_that_of_transformers(
    client: openai.OpenAI, reference: Callable[[dict[str, Any]], Answer], body: dict[str, Any]
) -> None:
    """Thought, answer or call, and both token counts are the same at temperature 0."""
    reply = client.chat.completions.create(
        model=MODEL, temperature=0, max_tokens=MAX_TOKENS, **body
    )
    message, usage = reply.choices[0].message, reply.usage
    thought, said, read, written = reference(body)
    assert message.model_extra["reasoning"].strip() == thought.strip()
    if message.tool_calls:
        [call] = message.tool_calls
        called = {"name": call.function.name, "arguments": json.loads(call.function.arguments)}
        inner = said.removeprefix("<tool_call>").removesuffix("</tool_call>")
        assert called == json.loads(inner)
    else:
        assert message.content == said
    assert (usage.prompt_tokens, usage.completion_tokens) == (read, written)

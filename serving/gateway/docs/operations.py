"""Every route of the API as the document describes it; the routes themselves are in `routes`."""

import base64
from importlib import resources
from typing import Any, Final

from serving.gateway.api import (
    chat,
    completions,
    credits,
    endpoints,
    generation,
    key_answers,
    messages,
    responses,
)
from serving.gateway.api.messages_request import CountTokensRequest, MessagesRequest
from serving.gateway.api.responses_request import ResponsesRequest
from serving.gateway.chat_request import ChatRequest, CompletionRequest
from serving.gateway.docs import chat_answers, messages_answers, models_answers, responses_answers
from serving.gateway.docs.operation import Answer, Operation

SAMPLE: Final = resources.files("serving").joinpath("sample.png").read_bytes()
PICTURE: Final = base64.b64encode(SAMPLE).decode()
QUESTION: Final = "What is 12 + 7?"
SEEN: Final = "What is in this image?"

Json = dict[str, Any]


def _asked(content: str | list[Json]) -> list[Json]:
    return [{"role": "user", "content": content}]


OPERATIONS: Final = {
    "/chat/completions": Operation(
        "chat_completions",
        "Answer a conversation, with pictures and tools",
        Answer(chat_answers.ChatCompletion, chat_answers.ChatCompletionChunk),
        Answer(chat_answers.OpenRouterChatCompletion, chat_answers.ChatCompletionChunk),
        ChatRequest,
        chat.IGNORED,
        {
            "a question": {"messages": _asked(QUESTION)},
            "a picture": {
                "messages": _asked(
                    [
                        {
                            "type": "image_url",
                            "image_url": {"url": f"data:image/png;base64,{PICTURE}"},
                        },
                        {"type": "text", "text": SEEN},
                    ]
                )
            },
            "a stream with a budget for the thought": {
                "messages": _asked(QUESTION),
                "reasoning": {"max_tokens": 64},
                "stream": True,
            },
        },
    ),
    "/completions": Operation(
        "completions",
        "Continue a text as the model writes it, thought and answer in one",
        Answer(chat_answers.Completion, chat_answers.CompletionChunk),
        Answer(chat_answers.OpenRouterCompletion, chat_answers.CompletionChunk),
        CompletionRequest,
        completions.IGNORED,
        {"a text": {"prompt": "Once upon a time", "max_tokens": 16}},
    ),
    "/responses": Operation(
        "responses",
        "Answer in OpenAI's newer form; nothing is kept between requests",
        Answer(responses_answers.ResponseAnswer, responses_answers.ResponseEvent),
        Answer(responses_answers.ResponseAnswer, responses_answers.ResponseEvent),
        ResponsesRequest,
        responses.IGNORED,
        {
            "a question": {"input": QUESTION},
            "a picture": {
                "input": _asked(
                    [
                        {
                            "type": "input_image",
                            "image_url": f"data:image/png;base64,{PICTURE}",
                        },
                        {"type": "input_text", "text": SEEN},
                    ]
                )
            },
        },
    ),
    "/messages": Operation(
        "messages",
        "Answer in Anthropic's form",
        Answer(messages_answers.MessageAnswer, messages_answers.MessageEvent),
        Answer(messages_answers.OpenRouterMessageAnswer, messages_answers.MessageEvent),
        MessagesRequest,
        messages.IGNORED,
        {
            "a question": {"messages": _asked(QUESTION), "max_tokens": 512},
            "a picture, and the thought shown": {
                "messages": _asked(
                    [
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "data": PICTURE,
                            },
                        },
                        {"type": "text", "text": SEEN},
                    ]
                ),
                "max_tokens": 2048,
                "thinking": {"type": "enabled", "budget_tokens": 1024},
            },
        },
        speaks_anthropic=True,
    ),
    "/messages/count_tokens": Operation(
        "count_tokens",
        "Count a prompt's tokens, pictures and tools included",
        Answer(messages_answers.TokenCount),
        Answer(messages_answers.TokenCount),
        CountTokensRequest,
        messages.IGNORED,
        {"a question": {"messages": _asked(QUESTION)}},
        speaks_anthropic=True,
    ),
    "/models": Operation(
        "models",
        "List what is served",
        Answer(models_answers.ModelList),
        Answer(models_answers.OpenRouterModelList),
    ),
    "/models/{model}": Operation(
        "model",
        "Show what is served, asked for by any of its names",
        Answer(models_answers.Model),
        Answer(models_answers.OpenRouterModelAnswer),
    ),
    "/models/{model}/endpoints": Operation(
        "model_endpoints",
        "Show uptime, latency and throughput of what is served",
        None,
        Answer(endpoints.EndpointsAnswer),
    ),
    "/generation": Operation(
        "generation",
        "Show what became of a request of this key: its tokens, times and cost",
        None,
        Answer(generation.GenerationAnswer),
        query={"id": "the id of its answer, such as gen-…, or its X-Request-Id"},
        reads_usage=True,
    ),
    "/credits": Operation(
        "credits",
        "Show what the key that asks has spent and may spend, in USD",
        None,
        Answer(credits.CreditsAnswer),
        reads_usage=True,
    ),
    "/key": Operation(
        "key",
        "Show what the key that asks may do, and what it has spent",
        None,
        Answer(key_answers.KeyAnswer),
    ),
    "/keys": Operation(
        "keys",
        "List all keys and what they have spent, for those who hold an admin's",
        None,
        Answer(key_answers.KeyList),
        needs_admin=True,
    ),
}

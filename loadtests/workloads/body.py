"""A prompt as the body of a chat request."""

import msgspec

from loadtests.prompt import Prompt


def encoded(prompt: Prompt, model: str) -> bytes:
    """Encode the request; sampling is left to the endpoint's defaults for the model."""
    return msgspec.json.encode(
        {
            "model": model,
            "messages": prompt.messages,
            "max_tokens": prompt.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            **prompt.parameters,
        }
    )

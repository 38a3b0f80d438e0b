"""Canaries: words that stand for what a client sends, one for each place where it can be said."""

import base64
import io
import json
import secrets
from dataclasses import dataclass, field

from PIL import Image

from tests.fake_engine import delta_event, event

PLACES = (
    "answer",
    "bearer",
    "cookie",
    "engine_error",
    "fault",
    "header",
    "picture",
    "picture_url",
    "prompt",
    "query",
    "stop",
    "system",
    "thought",
    "title",
    "tool",
    "user",
    "x_api_key",
)


@dataclass(frozen=True)
class Canaries:
    """One word for each place, new for every run."""

    words: dict[str, str] = field(
        default_factory=lambda: {
            place: f"canary{place.replace('_', '')}{secrets.token_hex(6)}" for place in PLACES
        }
    )

    def __getitem__(self, place: str) -> str:
        return self.words[place]

    def found_in(self, text: bytes) -> set[str]:
        """Return the places whose words stand in a text, plain, in base64 or as hexadecimals."""
        return {
            place
            for place, word in self.words.items()
            if any(form in text for form in _forms(word.encode()))
        }

    def headers(self) -> dict[str, str]:
        """Return headers with a word in every value that is free."""
        return {
            "authorization": f"Bearer {self['bearer']}",
            "x-api-key": self["x_api_key"],
            "cookie": f"session={self['cookie']}",
            "user-agent": self["header"],
            "x-forwarded-for": self["header"],
            "x-anything": self["header"],
            "accept-language": self["header"],
            "x-title": self["title"],
            "x-openrouter-title": self["title"],
            "http-referer": f"https://{self['title']}.test/",
            "referer": f"https://{self['title']}.test/",
            "traceparent": self["header"],
        }

    def picture(self) -> str:
        """Return a picture as a data URL, with a word behind its last byte."""
        written = io.BytesIO()
        Image.new("RGB", (64, 64)).save(written, "PNG")
        text = base64.b64encode(written.getvalue() + self["picture"].encode())
        return f"data:image/png;base64,{text.decode()}"

    def chat(self, **fields: object) -> dict[str, object]:
        """Return a chat request with words wherever text is free."""
        parts = [
            {"type": "text", "text": self["prompt"]},
            {"type": "image_url", "image_url": {"url": self.picture()}},
        ]
        parameters = {"type": "object", "properties": {self["tool"]: {"type": "string"}}}
        function = {"name": "f", "description": self["tool"], "parameters": parameters}
        request = {
            "model": "tiny-qwen3-vl",
            "messages": [
                {"role": "system", "content": self["system"]},
                {"role": "user", "content": parts},
            ],
            "stop": [self["stop"]],
            "user": self["user"],
            "metadata": {"k": self["user"]},
            "tools": [{"type": "function", "function": function}],
        }
        return request | fields

    def events(self) -> list[bytes]:
        """Return the start of an engine's stream that says words as thought, answer and call."""
        call = {
            "index": 0,
            "id": "c1",
            "type": "function",
            "function": {"name": "f", "arguments": json.dumps({"a": self["tool"]})},
        }
        return [
            delta_event(role="assistant", content=""),
            delta_event(reasoning=self["thought"]),
            delta_event(content=self["answer"]),
            delta_event(tool_calls=[call]),
        ]

    def failure(self) -> bytes:
        """Return an error in the engine's form, whose message holds words."""
        words = f"{self['engine_error']} {self['prompt']}"
        return json.dumps({"error": {"message": words, "type": "X", "code": 500}}).encode()

    def failed_event(self) -> bytes:
        """Return the same within a stream."""
        return event(error={"message": self["engine_error"], "type": "X", "code": 500})


def _forms(word: bytes) -> set[bytes]:
    """A word's tail in base64 depends on where it starts; the middle of each is looked for."""
    shifted = (base64.b64encode(b"\0" * shift + word)[4:-4] for shift in range(3))
    return {word, word.hex().encode(), *shifted}

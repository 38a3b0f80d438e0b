"""One hostile request and what must become of it."""

import base64
import json
from dataclasses import dataclass, field

MODEL = "tiny-qwen3-vl"


@dataclass(frozen=True, slots=True)
class Case:
    """A body for POST /v1/chat/completions, and the verdicts on it that are right."""

    name: str
    body: bytes = field(repr=False)
    codes: frozenset[str]
    may_pass: bool = False  # harmless after all, for all the gateway can know

    def judge(self, status: int, code: str | None) -> str | None:
        """Return what is wrong with an answer; None where nothing is."""
        if status == 200 and self.may_pass:
            return None
        if not 400 <= status < 500:
            return f"{self.name}: status {status}"
        return None if code in self.codes else f"{self.name}: {code}, not one of {self.codes}"


def chat(*parts: dict[str, object], **fields: object) -> bytes:
    """Return a chat request with these parts before its text; few tokens, should it be served."""
    content = [*parts, {"type": "text", "text": "colour?"}]
    messages = [{"role": "user", "content": content}]
    return json.dumps({"model": MODEL, "max_tokens": 1, "messages": messages, **fields}).encode()


def picture(url: str) -> dict[str, object]:
    """Return a picture's part."""
    return {"type": "image_url", "image_url": {"url": url}}


def video(url: str) -> dict[str, object]:
    """Return a video's part."""
    return {"type": "video_url", "video_url": {"url": url}}


def data_url(data: bytes, media_type: str) -> str:
    """Return a file inline."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"

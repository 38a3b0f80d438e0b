"""A scripted deployment that does everything right; a fault is a subclass with one change."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web

ROOT = Path(__file__).parents[3]
MANIFEST = json.loads((ROOT / "serving/verify/pictures/manifest.json").read_text())
MODEL = "tiny-qwen3-vl"
CONTEXT = 64  # words, which are this deployment's tokens
KEY = "sesame"
COST = 0.00001  # USD an answer
MAX_PICTURES = 8
WAIT_SECONDS = 60
FIELDS = {
    "model", "messages", "max_tokens", "temperature", "presence_penalty", "seed", "stream",
    "stream_options", "reasoning", "include_reasoning", "stop", "tools", "tool_choice",
    "response_format",
}  # fmt: skip
OPENAI, OPENROUTER, ANTHROPIC = "openai", "openrouter", "anthropic"
ANTHROPIC_TYPES = {401: "authentication_error", 404: "not_found_error"}
PATHS = ("chat/completions", "completions", "responses", "messages", "models")


class Refusal(Exception):
    """A request that is not served."""

    def __init__(
        self, status: int, code: str, message: str = "no", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param


@dataclass(frozen=True)
class Said:
    """What the model says to one question."""

    thought: str
    content: str = ""
    call: tuple[str, dict[str, str]] | None = None
    prompt_tokens: int = 20
    budget_hit: bool = False

    @property
    def thought_tokens(self) -> int:
        return len(self.thought.split())

    @property
    def completion_tokens(self) -> int:
        return self.thought_tokens + 2 + len(self.content.split())

    @property
    def finish_reason(self) -> str:
        return "tool_calls" if self.call else "stop"


class Deployment:
    """The good one; `with` starts it on a free port."""

    key: str | None = None
    model = MODEL

    def __init__(self) -> None:
        self.url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open, self._thread = (
            threading.Event(),
            threading.Thread(target=self._run, daemon=True),
        )

    def __enter__(self) -> Deployment:
        self._thread.start()
        assert self._open.wait(WAIT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._open.set()
        await self._ended.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        base, _, path = request.path.removeprefix("/").rpartition("v1/")
        dialect = ANTHROPIC if path.startswith("messages") else OPENAI
        dialect = OPENROUTER if base == "api/" else dialect
        try:
            self.admit(request)
            return await self.route(request, dialect, path)
        except Refusal as refusal:
            body = self.envelope(dialect, refusal)
            return web.json_response(body, status=refusal.status)

    def admit(self, request: web.Request) -> None:
        """Check the key."""
        key = request.headers.get("x-api-key")
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.key is not None and self.key not in (key, bearer):
            raise Refusal(401, "invalid_api_key")

    async def route(self, request: web.Request, dialect: str, path: str) -> web.StreamResponse:
        """Serve one path."""
        if path == "generation":
            return web.json_response({"data": self.generation(request.query["id"])})
        if request.method == "GET":
            return self.page(request.path, dialect)
        if path not in ("chat/completions", "responses", "messages", "messages/count_tokens"):
            raise Refusal(404, "unknown_url")
        try:
            body = json.loads(await request.read())
        except ValueError:
            raise Refusal(400, "invalid_json") from None
        if path == "messages/count_tokens":
            return web.json_response({"input_tokens": self.say(self.asked(body)).prompt_tokens})
        self.check(dialect, path, body)
        said = self.say(self.asked(body))
        view = {
            "chat/completions": (self.chat, self.chat_events),
            "responses": (self.response, self.response_events),
            "messages": (self.message, self.message_events),
        }[path]
        if not body.get("stream"):
            return web.json_response(view[0](dialect, body, said))
        return await self.stream(request, view[1](dialect, body, said))

    def page(self, path: str, dialect: str) -> web.Response:
        """Serve what is only looked at."""
        pages = {
            "/v1/models": {"object": "list", "data": [self.card(dialect)]},
            "/api/v1/models": {"object": "list", "data": [self.card(dialect)]},
            f"/v1/models/{self.model}": self.card(dialect),
            f"/api/v1/models/{self.model}/endpoints": {"data": {"endpoints": self.endpoints()}},
            "/openapi.json": {"openapi": "3.1.0", "paths": {f"/v1/{name}": {} for name in PATHS}},
        }
        if path == "/docs":
            return web.Response(text="<html>", content_type="text/html")
        if path not in pages:
            raise Refusal(404, "unknown_url")
        return web.json_response(pages[path])

    def generation(self, identity: str) -> dict[str, Any]:
        """Tell an answer's counts, which its id holds, and its cost."""
        _, _, prompt, completion = identity.split("-")
        tokens = {"native_tokens_prompt": int(prompt), "native_tokens_completion": int(completion)}
        return {"id": identity, "total_cost": COST, **tokens}

    def endpoints(self) -> list[dict[str, Any]]:
        """Describe the one endpoint, of which little is known yet."""
        uptimes = {f"uptime_last_{time}": None for time in ("5m", "30m", "1d")}
        figures = {"latency_last_30m": None, "throughput_last_30m": {"p50": 30.0}}
        return [{"status": 0, **uptimes, **figures}]

    async def stream(self, request: web.Request, events: Iterator[Any]) -> web.StreamResponse:
        """Send events; a client may leave."""
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            for event in events:
                named = isinstance(event, dict) and "type" in event
                name = f"event: {event['type']}\n" if named else ""
                data = event if isinstance(event, str) else json.dumps(event)
                await response.write(f": still here\n\n{name}data: {data}\n\n".encode())
                await asyncio.sleep(0)
        return response

    def check(self, dialect: str, path: str, body: dict[str, Any]) -> None:
        """Refuse what cannot be served."""
        if body.get("model") != self.model:
            raise Refusal(404, "model_not_found", f"this server has {self.model}")
        if path == "responses" and "previous_response_id" in body:
            raise Refusal(400, "unsupported_parameter", param="previous_response_id")
        if path != "chat/completions":
            return
        self.check_fields(dialect, body)
        asked = self.asked(body)
        if asked.text is None:
            raise Refusal(400, "invalid_value", "messages is empty")
        if len(asked.text.split()) > CONTEXT:
            raise Refusal(400, "context_length_exceeded")
        if len(asked.pictures) > MAX_PICTURES:
            raise Refusal(400, "too_many_images")
        for url in asked.pictures:
            self.check_picture(url)

    def check_fields(self, dialect: str, body: dict[str, Any]) -> None:
        """Refuse fields that are unknown or hold what cannot be."""
        if dialect == OPENAI and set(body) - FIELDS:
            raise Refusal(400, "unknown_parameter")
        if not isinstance(body["temperature"], int | float):
            raise Refusal(400, "invalid_value")
        if body["max_tokens"] > 100_000:
            raise Refusal(400, "max_tokens_exceeded")
        if (body.get("reasoning") or {}).get("max_tokens", 0) >= body["max_tokens"]:
            raise Refusal(400, "invalid_value")

    def check_picture(self, url: str) -> None:
        """Refuse what is no picture or not public."""
        if url.startswith("http"):
            raise Refusal(400, "invalid_image_url", "leads to an address that is not public")
        if shown(url) is None:
            raise Refusal(400, "image_parse_error", "is not a readable picture")

    def asked(self, body: dict[str, Any]) -> Asked:
        """Find the question in a request of any dialect."""
        last = [{"content": body["input"]}] if "input" in body else body["messages"]
        if not last:
            return Asked(body, None, ())
        content = last[-1]["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        text = " ".join(part["text"] for part in parts if part["type"] == "text")
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        sources = [part["source"] for part in parts if part["type"] == "image"]
        urls += [f"data:{s['media_type']};base64,{s['data']}" for s in sources]
        return Asked(body, text, tuple(urls), last[-1].get("role") == "tool")

    def say(self, asked: Asked) -> Said:
        """Think and answer."""
        body = asked.body
        if asked.has_result:
            return Said("The tool says so.", f"It is {asked.text} in Paris.")
        if body.get("tools"):
            return Said("I need the weather.", call=("get_weather", {"city": "Paris"}))
        if asked.pictures:
            entry = shown(asked.pictures[0])
            assert entry is not None
            words = [group[0] for group in entry["accepted"]]
            if "response_format" in body:
                count, colour, kind = words
                found = {"colour": colour, "kind": kind, "count": int(count)}
                return Said("I see shapes.", json.dumps(found))
            return Said("I see shapes.", " ".join(words))
        if "Count" in (asked.text or ""):
            said = Said(" ".join(map(str, range(1, 31))), "30")
        else:
            said = Said("12 plus 7 is 19.", "19")
        budget = (body.get("reasoning") or {}).get("max_tokens", 1000)
        if said.thought_tokens > budget:
            thought = " ".join(said.thought.split()[:budget])
            said = replace(said, thought=thought, budget_hit=True)
        return self.stopped(said, body.get("stop") or [])

    def stopped(self, said: Said, stops: list[str]) -> Said:
        """End the answer, and nothing else, at a stop text."""
        for stop in stops:
            said = replace(said, content=said.content.partition(stop)[0])
        return said

    def card(self, dialect: str) -> dict[str, Any]:
        """Describe the model."""
        card = {"id": self.model, "object": "model", "created": 1, "max_model_len": CONTEXT}
        if dialect == OPENROUTER:
            card |= {"name": "tiny", "context_length": CONTEXT, "top_provider": {}}
            card |= {"supported_parameters": ["seed"], "architecture": {}, "pricing": {}}
            card["architecture"] = {"input_modalities": ["text", "image"]}
            card["pricing"] = {"prompt": "0.00000018", "completion": "0.0000021"}
        return card

    def envelope(self, dialect: str, refusal: Refusal) -> dict[str, Any]:
        """Write an error in a dialect's form."""
        if dialect == ANTHROPIC:
            kind = ANTHROPIC_TYPES.get(refusal.status, "invalid_request_error")
            error = {"type": kind, "message": refusal.message}
            return {"type": "error", "error": error, "request_id": "req_1"}
        if dialect == OPENROUTER:
            metadata = {"error_type": refusal.code}
            error = {"code": refusal.status, "message": refusal.message, "metadata": metadata}
            return {"error": error}
        error = {"message": refusal.message, "type": "invalid_request_error"}
        return {"error": error | {"param": refusal.param, "code": refusal.code}}

    def usage(self, dialect: str, said: Said) -> dict[str, Any]:
        """Count a chat's tokens."""
        details = {"reasoning_tokens": said.thought_tokens}
        usage: dict[str, Any] = {
            "prompt_tokens": said.prompt_tokens,
            "completion_tokens": said.completion_tokens,
            "total_tokens": said.prompt_tokens + said.completion_tokens,
            "completion_tokens_details": details | {"reasoning_budget_hit": said.budget_hit},
        }
        return usage | ({"cost": COST} if dialect == OPENROUTER else {})

    def thought_fields(self, dialect: str, body: dict[str, Any], thought: str) -> dict[str, Any]:
        """Show a thought, or a piece of it, unless it is to be hidden."""
        hidden = (body.get("reasoning") or {}).get("exclude")
        if hidden or body.get("include_reasoning") is False or not thought:
            return {}
        fields: dict[str, Any] = {"reasoning": thought, "reasoning_content": thought}
        if dialect == OPENROUTER:
            detail = {"type": "reasoning.text", "text": thought, "format": "unknown", "index": 0}
            fields["reasoning_details"] = [detail]
        return fields

    def frame(self, dialect: str) -> dict[str, Any]:
        """Return what whole chats and chunks have in common."""
        if dialect == OPENROUTER:
            return {"id": "gen-1", "model": self.model, "provider": "here"}
        return {"id": "chatcmpl-1", "model": self.model}

    def calls(self, said: Said) -> list[dict[str, Any]]:
        """Write a chat's tool calls."""
        if said.call is None:
            return []
        function = {"name": said.call[0], "arguments": json.dumps(said.call[1])}
        return [{"index": 0, "id": "call_1", "type": "function", "function": function}]

    def chat(self, dialect: str, body: dict[str, Any], said: Said) -> dict[str, Any]:
        """Write a whole chat completion."""
        message = {"role": "assistant", "content": said.content or None}
        message |= self.thought_fields(dialect, body, said.thought)
        if said.call:
            message["tool_calls"] = self.calls(said)
        choice = {"index": 0, "message": message, "finish_reason": said.finish_reason}
        choice |= {"native_finish_reason": "stop"} if dialect == OPENROUTER else {}
        frame = self.frame(dialect)
        frame["id"] += f"-{said.prompt_tokens}-{said.completion_tokens}" * (dialect == OPENROUTER)
        return {**frame, "choices": [choice], "usage": self.usage(dialect, said)}

    def chat_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        """Write the same as a stream."""
        deltas: list[dict[str, Any]] = [{"role": "assistant"}]
        deltas += [self.thought_fields(dialect, body, letter) for letter in said.thought]
        deltas += [{"content": letter} for letter in said.content]
        deltas += [{"tool_calls": [call]} for call in self.calls(said)]
        for delta in deltas:
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            yield {**self.frame(dialect), "choices": [choice]}
        end = {"index": 0, "delta": {}, "finish_reason": said.finish_reason}
        yield {**self.frame(dialect), "choices": [end]}
        if dialect == OPENROUTER or (body.get("stream_options") or {}).get("include_usage"):
            yield {**self.frame(dialect), "choices": [], "usage": self.usage(dialect, said)}
        yield "[DONE]"

    def response(self, dialect: str, body: dict[str, Any], said: Said) -> dict[str, Any]:
        """Write a whole response."""
        content = [{"type": "output_text", "text": said.content}]
        output: list[dict[str, Any]] = []
        if said.thought:
            output.append({"type": "reasoning", "content": []})
        if said.call:
            name, arguments = said.call
            call = {"type": "function_call", "name": name, "arguments": json.dumps(arguments)}
            output.append(call)
        else:
            output.append({"type": "message", "content": content})
        usage = {
            "input_tokens": said.prompt_tokens,
            "output_tokens": said.completion_tokens,
            "total_tokens": said.prompt_tokens + said.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": said.thought_tokens},
        }
        return {"object": "response", "status": "completed", "output": output, "usage": usage}

    def response_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        """Write the same as a stream."""
        texts = [{"type": "response.output_text.delta", "delta": c} for c in said.content]
        whole = self.response(dialect, body, said)
        events = [
            {"type": "response.created"},
            *texts,
            {"type": "response.completed", "response": whole},
        ]
        for number, event in enumerate(events):
            yield {**event, "sequence_number": number}

    def message(self, dialect: str, body: dict[str, Any], said: Said) -> dict[str, Any]:
        """Write a whole message."""
        blocks: list[dict[str, Any]] = [{"type": "text", "text": said.content}]
        if said.call:
            blocks = [{"type": "tool_use", "name": said.call[0], "input": said.call[1]}]
        if "thinking" in body:
            blocks.insert(0, {"type": "thinking", "thinking": said.thought, "signature": ""})
        usage = {"input_tokens": said.prompt_tokens, "output_tokens": said.completion_tokens}
        head = {"type": "message", "role": "assistant", "content": blocks, "usage": usage}
        return {**head, "stop_reason": "tool_use" if said.call else "end_turn"}

    def message_events(self, dialect: str, body: dict[str, Any], said: Said) -> Iterator[Any]:
        """Write the same as a stream."""
        yield {"type": "message_start"}
        yield {"type": "ping"}
        yield {"type": "content_block_start", "index": 0}
        for letter in said.content:
            delta = {"type": "text_delta", "text": letter}
            yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        yield {"type": "message_stop"}


@dataclass(frozen=True)
class Asked:
    """A question: its text, its pictures, and whether it is a tool's result."""

    body: dict[str, Any]
    text: str | None
    pictures: tuple[str, ...]
    has_result: bool = False


def shown(url: str) -> dict[str, Any] | None:
    """Return the manifest's entry of a picture, None for all else."""
    return PICTURES.get(url)


def _data_url(name: str) -> str:
    data = (ROOT / "serving/verify/pictures" / name).read_bytes()
    kind = name.rpartition(".")[2]
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


PICTURES = {_data_url(entry["file"]): entry for entry in MANIFEST}

"""What cannot be served is refused with the status, the code and a sentence, and never fetched."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from serving.verify.answer import CHAT, SUM, question
from serving.verify.check import Check
from serving.verify.client import Body, Endpoint, Reply
from serving.verify.judgement import shipped_pictures
from serving.verify.verdict import Skipped, expect, pick

ERROR_FIELDS = {"message", "type", "param", "code"}
TOO_MANY_TOKENS = 10_000_000
TOO_MANY_PICTURES = 100
NO_PICTURE = "data:image/png;base64,aGVsbG8sIHdvcmxk"
INTERNAL = (
    ("127.0.0.1", "http://127.0.0.1:9000/metrics"),
    ("::1", "http://[::1]:9000/metrics"),
    ("10.0.0.1", "http://10.0.0.1/"),
    ("169.254.169.254", "http://169.254.169.254/latest/meta-data/"),
)
REFUSED_ADDRESS = "not public"

Request = Callable[[Endpoint], Body]


def pictured(url: str, count: int = 1) -> list[dict[str, Any]]:
    """Write a user message's content with pictures."""
    pictures = [{"type": "image_url", "image_url": {"url": url}}] * count
    return [*pictures, {"type": "text", "text": "What colour is it?"}]


def with_fields(**fields: Any) -> Request:
    """Return a sum's request with fields changed."""
    return lambda endpoint: question(endpoint, SUM, **fields)


def with_picture(url: str) -> Request:
    """Return a request about a picture."""
    return lambda endpoint: question(endpoint, pictured(url))


def too_many_pictures(endpoint: Endpoint) -> Body:
    """Write a request with more pictures than any deployment takes, all of them small."""
    smallest = min(shipped_pictures(), key=lambda picture: len(picture.base64))
    return question(endpoint, pictured(smallest.url, TOO_MANY_PICTURES))


def budget_without_room(endpoint: Endpoint) -> Body:
    """Write a request whose thought may take all of its output."""
    if not endpoint.thinks:
        raise Skipped(f"{endpoint.served} does not think")
    return question(endpoint, SUM, max_tokens=64, reasoning={"max_tokens": 64})


def over_the_context(endpoint: Endpoint) -> Body:
    """Write a prompt that is longer than the context: each sum is more than five tokens."""
    if endpoint.max_model_len is None:
        raise Skipped("the model's card does not say max_model_len")
    return question(endpoint, f"{SUM} " * (endpoint.max_model_len // 4))


def expect_error(reply: Reply, status: int, code: str) -> str:
    """Judge a refusal in OpenAI's form; return it in words."""
    error = pick(reply.json(), "error")
    message = pick(error, "message")
    seen = f"{reply.status} {pick(error, 'code')}: {message}"
    expect((reply.status, error["code"]) == (status, code), seen)
    expect(set(error) == ERROR_FIELDS and bool(message), f"not OpenAI's form: {reply.words()}")
    return seen


def refusal_check(name: str, request: Request, status: int, code: str) -> Check:
    """Return the check of one refused request."""

    async def send(endpoint: Endpoint) -> str:
        return expect_error(await endpoint.post(CHAT, request(endpoint)), status, code)

    return Check(f"refused: {name}", f"{status} {code}", send)


def address_check(address: str, url: str) -> Check:
    """Return the check of one address that is nobody's business."""

    async def send(endpoint: Endpoint) -> str:
        if any(ip_address(address) in network for network in endpoint.open_networks):
            raise Skipped(f"--private-network opens {address}")
        reply = await endpoint.post(CHAT, question(endpoint, pictured(url)))
        seen = expect_error(reply, 400, "invalid_image_url")
        expect(REFUSED_ADDRESS in seen, f"perhaps fetched: {seen}")
        return seen

    return Check(f"not fetched: {address}", f"400 invalid_image_url, {REFUSED_ADDRESS}", send)


async def unknown_route(endpoint: Endpoint) -> str:
    """What is not served is not there."""
    return expect_error(await endpoint.post("/v1/nothing", {}), 404, "unknown_url")


CHECKS = (
    refusal_check("unknown model", with_fields(model="no-such-model"), 404, "model_not_found"),
    refusal_check("malformed JSON", lambda _: b'{"model": ', 400, "invalid_json"),
    refusal_check("unknown parameter", with_fields(temprature=0), 400, "unknown_parameter"),
    refusal_check("wrong type", with_fields(temperature="hot"), 400, "invalid_value"),
    refusal_check("empty messages", with_fields(messages=[]), 400, "invalid_value"),
    refusal_check(
        "too many tokens", with_fields(max_tokens=TOO_MANY_TOKENS), 400, "max_tokens_exceeded"
    ),
    refusal_check("budget without room", budget_without_room, 400, "invalid_value"),
    refusal_check("prompt over the context", over_the_context, 400, "context_length_exceeded"),
    refusal_check("not a picture", with_picture(NO_PICTURE), 400, "image_parse_error"),
    refusal_check("too many pictures", too_many_pictures, 400, "too_many_images"),
    Check("refused: unknown route", "404 unknown_url", unknown_route),
    *(address_check(address, url) for address, url in INTERNAL),
)

"""The deployment as a whole: its models, its description, its keys, its first token, hanging up."""

import asyncio
import re
import time
from contextlib import aclosing

from serving.verify.answer import CHAT, SUM, ask, expect_sum, question
from serving.verify.check import Check
from serving.verify.client import DONE, Endpoint
from serving.verify.verdict import Failed, Skipped, expect, pick, short

PATHS = ("/chat/completions", "/completions", "/responses", "/messages", "/models")
# A script or style sheet that a network without a way out cannot load.
ELSEWHERE = re.compile(rb'(?:src|href)=["\']?((?:https?:)?//[^"\' >]+\.(?:m?js|css))')
HUNG_UP = 8  # streams at once
LONG = "Count aloud to 90."
LONG_TOKENS = 4096


async def models(endpoint: Endpoint) -> str:
    """The list names the model, and the model has a card of its own."""
    listed = (await endpoint.get("/v1/models")).answered()
    expect(listed.get("object") == "list", f"object is {listed.get('object')}")
    ids = [pick(card, "id") for card in pick(listed, "data")]
    expect(endpoint.served in ids, f"{endpoint.served} is not among {ids}")
    card = (await endpoint.get(f"/v1/models/{endpoint.served}")).answered()
    expect(pick(card, "id") == endpoint.served, f"the card is of {pick(card, 'id')}")
    return ", ".join(ids)


async def description(endpoint: Endpoint) -> str:
    """The page for programs lists every family; the one for people needs no other server."""
    described = (await endpoint.get("/openapi.json")).answered()
    version = str(pick(described, "openapi"))
    expect(version.startswith("3."), f"openapi {version}")
    paths = list(pick(described, "paths"))
    missing = [path for path in PATHS if not any(known.endswith(path) for known in paths)]
    expect(not missing, f"no {', '.join(missing)} among {len(paths)} paths")
    page = await endpoint.get("/docs")
    kind = page.headers.get("content-type", "none")
    expect(page.status == 200 and kind.startswith("text/html"), f"/docs: {page.status} {kind}")
    elsewhere = ELSEWHERE.search(page.body)
    expect(elsewhere is None, f"/docs loads {elsewhere and elsewhere[1].decode()}")
    return f"OpenAPI {version}, {len(paths)} paths; /docs is a page"


async def wrong_key(endpoint: Endpoint) -> str:
    """A key that nobody was given opens nothing, in either header."""
    if endpoint.key is None:
        raise Skipped("no key was given, and this deployment lets everybody in")
    bearer = await endpoint.post(CHAT, question(endpoint, SUM), {"authorization": "Bearer wrong"})
    code = pick(bearer.json(), "error", "code")
    expect((bearer.status, code) == (401, "invalid_api_key"), bearer.words())
    other = await endpoint.post("/v1/messages", question(endpoint, SUM), {"x-api-key": "wrong"})
    kind = pick(other.json(), "error", "type")
    expect((other.status, kind) == (401, "authentication_error"), other.words())
    return f"401 {code}; x-api-key: 401 {kind}"


async def first_answer_token(endpoint: Endpoint) -> str:
    """How long the thought lets wait is shown, and judged by nobody."""
    began = time.perf_counter()
    first: float | None = None
    async with aclosing(endpoint.events(CHAT, question(endpoint, SUM))) as events:
        async for event in events:
            if event.data == DONE:
                break
            for choice in pick(event.data, "choices"):
                delta = pick(choice, "delta")
                now = time.perf_counter() - began
                if first is None and (delta.get("reasoning") or delta.get("content")):
                    first = now
                if delta.get("content"):
                    return f"answer after {now:.2f} s, first token after {first or now:.2f} s"
    raise Failed("the stream ended without an answer")


async def hang_up(endpoint: Endpoint) -> str:
    """Clients that go away in mid-stream leave an endpoint that answers the next one."""
    await asyncio.gather(*(_leave(endpoint) for _ in range(HUNG_UP)))
    began = time.perf_counter()
    answer = await ask(endpoint, SUM)
    expect_sum(answer.content)
    return f"{short(answer.content)} after {time.perf_counter() - began:.2f} s"


async def _leave(endpoint: Endpoint) -> None:
    body = question(endpoint, LONG, max_tokens=LONG_TOKENS)
    async with aclosing(endpoint.events(CHAT, body)) as events:
        async for _ in events:
            return


CHECKS = (
    Check("endpoint: first answer token", "an answer; its time is shown", first_answer_token, True),
    Check("endpoint: hang up", f"19 at once, after {HUNG_UP} streams were left", hang_up, True),
    Check("endpoint: models", "a list with the model, and its card", models),
    Check("endpoint: description", "/openapi.json with every family, and /docs", description),
    Check("endpoint: wrong key", "401 in each dialect", wrong_key),
)

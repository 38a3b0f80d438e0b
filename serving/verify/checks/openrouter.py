"""OpenRouter's dialect under /api/v1: its ids, details of the thought, costs and errors."""

from typing import Any

from serving.verify.answer import SUM, Answer, answer_from, ask_streamed, expect_sum, question
from serving.verify.check import Check
from serving.verify.client import Endpoint
from serving.verify.verdict import Skipped, expect, pick, pick_text

CHAT = "/api/v1/chat/completions"
ID_PREFIX = "gen-"
THOUGHT_FIELDS = ("reasoning", "reasoning_content", "reasoning_details")
USAGE_NOT_KEPT = b"usage_not_kept"
FIGURES = (
    "uptime_last_5m", "uptime_last_30m", "uptime_last_1d", "latency_last_30m",
    "throughput_last_30m",
)  # fmt: skip
CARD_FIELDS = (
    "id", "name", "created", "architecture", "pricing", "top_provider", "context_length",
    "supported_parameters",
)  # fmt: skip


async def answer(endpoint: Endpoint) -> str:
    """A whole answer has what OpenRouter adds to OpenAI's form."""
    body = (await endpoint.post(CHAT, question(endpoint, SUM))).answered()
    said = answer_from(body)
    expect_sum(said.content)
    identity, provider = pick_text(body, "id"), pick_text(body, "provider")
    expect(identity.startswith(ID_PREFIX), f"id {identity}")
    expect(bool(provider), "an empty provider")
    native = pick(body, "choices", 0, "native_finish_reason")
    cost = _cost(said)
    if endpoint.thinks:
        details = pick(said.message, "reasoning_details")
        _expect_details(details, said.reasoning)
    return f"{said.content}; {identity}, {provider}, {native}, {cost} USD"


async def stream(endpoint: Endpoint) -> str:
    """A stream has the same in its chunks, and always ends with usage."""
    said, chunks = await ask_streamed(endpoint, SUM, CHAT)
    expect_sum(said.content)
    odd = [
        pick(chunk, "id") for chunk in chunks if not pick_text(chunk, "id").startswith(ID_PREFIX)
    ]
    expect(not odd, f"ids {odd}")
    expect(bool(chunks[-1].get("usage")), "no usage in the last chunk")
    cost = _cost(said)
    if endpoint.thinks:
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        _expect_details(
            [d for delta in deltas for d in delta.get("reasoning_details") or ()], said.reasoning
        )
    return f"{said.content}; {cost} USD in the last of {len(chunks)} chunks"


async def hidden_thought(endpoint: Endpoint) -> str:
    """A client that wants no thought gets none, and the model thinks all the same."""
    if not endpoint.thinks:
        raise Skipped(f"{endpoint.served} does not think")
    seen = []
    for fields in ({"reasoning": {"exclude": True}}, {"include_reasoning": False}):
        body = (await endpoint.post(CHAT, question(endpoint, SUM, **fields))).answered()
        said = answer_from(body)
        shown = [name for name in THOUGHT_FIELDS if said.message.get(name)]
        expect(not shown, f"{fields} shows {', '.join(shown)}")
        expect_sum(said.content)
        expect(said.reasoning_tokens > 0, f"{fields}: no reasoning tokens")
        seen.append(f"{said.content} after {said.reasoning_tokens} hidden tokens")
    return "; ".join(seen)


async def error(endpoint: Endpoint) -> str:
    """A refusal is in OpenRouter's envelope, with its status and type."""
    reply = await endpoint.post(CHAT, question(endpoint, SUM, max_tokens=10_000_000))
    refused = pick(reply.json(), "error")
    kind = pick(refused, "metadata", "error_type")
    seen = (reply.status, pick(refused, "code"), kind)
    expect(seen == (400, 400, "max_tokens_exceeded"), reply.words())
    expect(bool(pick_text(refused, "message")), reply.words())
    return f"{reply.status} {kind}"


async def models(endpoint: Endpoint) -> str:
    """The card says what the model takes and costs."""
    listed = (await endpoint.get("/api/v1/models")).answered()
    [card] = [each for each in pick(listed, "data") if each.get("id") == endpoint.served] or [{}]
    missing = [name for name in CARD_FIELDS if card.get(name) is None]
    expect(not missing, f"{endpoint.served} without {', '.join(missing)}")
    takes = pick(card, "architecture", "input_modalities")
    expect({"text", "image"} <= set(takes), f"takes {takes}")
    prices = [pick_text(card, "pricing", kind) for kind in ("prompt", "completion")]
    expect(all(float(price) >= 0 for price in prices), f"prices {prices}")
    return f"takes {', '.join(takes)}; {' / '.join(prices)} USD a token"


async def generation(endpoint: Endpoint) -> str:
    """An answer can be looked up by its id right after it, with the same counts and cost."""
    body = (await endpoint.post(CHAT, question(endpoint, SUM))).answered()
    identity, usage = pick_text(body, "id"), pick(body, "usage")
    reply = await endpoint.get(f"/api/v1/generation?id={identity}")
    if reply.status == 404 and USAGE_NOT_KEPT in reply.body:
        raise Skipped("this deployment keeps no usage")
    told = pick(reply.answered(), "data")
    expect(pick(told, "id") == identity, f"asked for {identity}, got {pick(told, 'id')}")
    counts = [pick(usage, kind) for kind in ("prompt_tokens", "completion_tokens")]
    again = [pick(told, f"native_tokens_{kind}") for kind in ("prompt", "completion")]
    expect(again == counts, f"tokens {counts} in the answer, {again} afterwards")
    costs = pick(usage, "cost"), pick(told, "total_cost")
    expect(costs[0] == costs[1], f"cost {costs[0]} in the answer, {costs[1]} afterwards")
    return f"{' + '.join(map(str, again))} tokens, {costs[1]} USD"


async def endpoints(endpoint: Endpoint) -> str:
    """The model's one endpoint serves, and shows how it does."""
    listed = (await endpoint.get(f"/api/v1/models/{endpoint.served}/endpoints")).answered()
    [own, *others] = pick(listed, "data", "endpoints") or [{}]
    expect(not others, f"{1 + len(others)} endpoints")
    missing = [name for name in FIGURES if name not in own]
    expect(not missing, f"an endpoint without {', '.join(missing)}")
    expect(own.get("status") == 0, f"status {own.get('status')}")
    known = [f"{name} {own[name]}" for name in FIGURES if own[name] is not None]
    return "; ".join(known) or "too few requests for figures"


def _cost(said: Answer) -> float:
    cost = pick(said.usage, "cost")
    expect(isinstance(cost, int | float) and cost >= 0, f"usage.cost {cost}")
    return float(cost)


def _expect_details(details: list[Any], thought: str) -> None:
    kinds = {pick(detail, "type") for detail in details}
    expect(kinds == {"reasoning.text"}, f"reasoning_details of types {kinds or 'none'}")
    missing = {"format", "index"} - set(details[0])
    expect(not missing, f"reasoning_details without {missing}")
    text = "".join(pick_text(detail, "text") for detail in details)
    expect(bool(text) and text == thought, f"details {text!r}, reasoning {thought!r}")


CHECKS = (
    Check("openrouter: answer", f"19, {ID_PREFIX}…, provider, details, cost", answer),
    Check("openrouter: stream", "19, details in the deltas, cost at the end", stream),
    Check("openrouter: hidden thought", "19 and no thought shown", hidden_thought),
    Check("openrouter: error", "400 max_tokens_exceeded in its envelope", error),
    Check("openrouter: models", "a card with prices and modalities", models),
    Check("openrouter: generation", "tokens and cost of an answer by its id", generation),
    Check("openrouter: endpoints", "one, which serves, with its figures", endpoints),
)

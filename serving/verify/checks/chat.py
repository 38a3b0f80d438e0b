"""Chat completions as OpenAI's clients read them: the thought apart, streams, counts, budgets."""

from typing import Any

from serving.verify.answer import SUM, Answer, ask, ask_streamed, expect_sum
from serving.verify.check import Check
from serving.verify.client import Endpoint
from serving.verify.judgement import names
from serving.verify.verdict import Failed, Skipped, expect, pick, short

PAIRS = 3
COUNTING, COUNTED = "Count aloud to 30.", ("30", "thirty")
BUDGET = 16  # tokens; counting to 30 takes any model more
END_TEXT = 48  # tokens that the text which ends a thought may add
SMALL = 48  # tokens: what a client allows that knows nothing of thoughts
STOP = "9"
HISTORY = [
    {"role": "system", "content": "Answer briefly."},
    {"role": "user", "content": "What is 3 + 4?"},
    {"role": "assistant", "content": "7", "reasoning": "3 plus 4 is 7."},
    {"role": "user", "content": SUM},
]


async def thought_apart(endpoint: Endpoint) -> str:
    """The answer is the content, the thought is beside it."""
    answer = await ask(endpoint, SUM)
    expect_sum(answer.content)
    expect(answer.finish_reason == "stop", f"finish_reason {answer.finish_reason}")
    thought = answer.reasoning.strip()
    if not endpoint.thinks:
        expect(not thought, f"a thought of a model that does not think: {thought}")
        return f"content: {answer.content}; no thought, as this model has none"
    expect(bool(thought), "no thought in message.reasoning")
    expect(thought not in answer.content, f"the thought in the content: {answer.content}")
    alias = answer.message.get("reasoning_content")
    expect(alias in (None, answer.reasoning), f"reasoning_content differs: {alias}")
    return f"content: {answer.content}; thought: {thought}"


async def usage_sums(endpoint: Endpoint) -> str:
    """Prompt and completion make the total, and the thought is part of the completion."""
    answer = await ask(endpoint, SUM)
    prompt, completion, total, reasoning = answer.counts
    seen = f"{prompt} + {completion} = {total}, of which {reasoning} thought"
    expect(prompt > 0 and prompt + completion == total, seen)
    expect(reasoning < completion and (reasoning > 0) == endpoint.thinks, seen)
    return seen


async def streamed_equals_whole(endpoint: Endpoint) -> str:
    """A stream says what a whole answer says.

    Floating-point sums depend on what else the engine computes, so that a large model may well
    word an answer otherwise; a fault of the stream differs every time.
    """
    fields: dict[str, Any] = {"reasoning": {"max_tokens": SMALL}} if endpoint.thinks else {}
    for _ in range(PAIRS):
        whole = await ask(endpoint, SUM, **fields)
        streamed, _ = await ask_streamed(
            endpoint, SUM, stream_options={"include_usage": True}, **fields
        )
        difference = _difference(whole, streamed)
        if not difference:
            expect_sum(streamed.content)
            return f"equal: {streamed.content}"
    raise Failed(difference)


def _difference(whole: Answer, streamed: Answer) -> str:
    for name in ("content", "reasoning", "finish_reason", "counts"):
        pair = getattr(whole, name), getattr(streamed, name)
        if pair[0] != pair[1]:
            return short(f"{name}: whole {pair[0]!r}, streamed {pair[1]!r}")
    return ""


async def usage_only_if_asked(endpoint: Endpoint) -> str:
    """A stream counts for a client that asks, and bothers no other."""
    _, silent = await ask_streamed(endpoint, SUM)
    expect(not any(chunk.get("usage") for chunk in silent), "usage that was not asked for")
    _, counted = await ask_streamed(endpoint, SUM, stream_options={"include_usage": True})
    last = counted[-1]
    expect(pick(last, "choices") == [] and bool(last.get("usage")), f"the last chunk: {last}")
    return f"none; then {pick(last, 'usage', 'total_tokens')} tokens in the last chunk"


async def budget_cuts(endpoint: Endpoint) -> str:
    """A thought over its budget is ended, said to be, and answered all the same."""
    if not endpoint.thinks:
        raise Skipped(f"{endpoint.served} does not think")
    answer = await ask(endpoint, COUNTING, reasoning={"max_tokens": BUDGET})
    hit = pick(answer.usage, "completion_tokens_details").get("reasoning_budget_hit")
    seen = f"{answer.content}; {answer.reasoning_tokens} tokens of thought, budget hit: {hit}"
    expect(answer.reasoning_tokens <= BUDGET + END_TEXT, seen)
    expect(names(answer.content, COUNTED), seen)
    expect(hit is True, seen)
    return seen


async def small_max_tokens(endpoint: Endpoint) -> str:
    """A client that knows nothing of thoughts gets an answer from the few tokens it allows."""
    answer = await ask(endpoint, SUM, max_tokens=SMALL)
    completion = answer.counts[1]
    expect(bool(answer.content.strip()), f"an empty content after {completion} tokens")
    expect(completion <= SMALL, f"{completion} tokens")
    return f"{answer.content} in {completion} tokens"


async def stop_leaves_the_thought(endpoint: Endpoint) -> str:
    """A stop text ends the answer; the thought may hold it."""
    answer = await ask(endpoint, SUM, stop=[STOP])
    seen = f"content: {answer.content}; thought: {answer.reasoning}"
    expect(bool(answer.content) and STOP not in answer.content, seen)
    expect(answer.finish_reason == "stop", f"finish_reason {answer.finish_reason}")
    expect(STOP in answer.reasoning or not endpoint.thinks, seen)
    return seen


async def history(endpoint: Endpoint) -> str:
    """Earlier turns, a thought among them, lead to the answer of the last."""
    answer = await ask(endpoint, None, messages=HISTORY)
    expect_sum(answer.content)
    return answer.content


CHECKS = (
    Check(
        "chat: streamed equals whole",
        f"the same, in one of {PAIRS} pairs",
        streamed_equals_whole,
        alone=True,
    ),
    Check("chat: thought apart", "content 19, a thought beside it", thought_apart),
    Check("chat: usage sums", "prompt + completion = total > thought", usage_sums),
    Check("chat: usage of a stream", "in the last chunk, if asked for", usage_only_if_asked),
    Check("chat: thinking budget", "30, and the budget said to be hit", budget_cuts),
    Check("chat: small max_tokens", f"an answer within {SMALL} tokens", small_max_tokens),
    Check("chat: stop", f"an answer cut before {STOP}, the thought whole", stop_leaves_the_thought),
    Check("chat: history", "19 after an earlier turn", history),
)

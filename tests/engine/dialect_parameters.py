"""The effects of the parameters that responses and messages alone have, a row each."""

from typing import Any

from tests.engine.asking import COUNT_TOKENS, MESSAGES, RESPONSES, Reply
from tests.engine.effects import (
    SUM,
    Row,
    answers,
    calls,
    calls_nothing,
    counts_alike,
    counts_less,
    differs,
    ends_after,
    hides,
    is_object,
    reads_more,
    refuses,
    same,
    thinks_less,
)
from tests.engine.parameters import (
    COLOUR,
    COUNT,
    MODEL,
    NO_CALL,
    SEVENS,
    STORY,
    TOOLS,
    TWO_CALLS,
    WEATHER,
)

OF_RESPONSES, OF_MESSAGES, COUNTING = (RESPONSES,), (MESSAGES,), (COUNT_TOKENS,)
OFFERED = WEATHER | {"tools": [{"type": "function", **tool["function"]} for tool in TOOLS]}
LOGPROBS = "message.output_text.logprobs"

SHOWN = {"thinking": {"type": "adaptive"}}
SYSTEM = {"system": "Answer briefly."}
HANDED = {
    "tools": [
        {"name": tool["function"]["name"], "input_schema": tool["function"]["parameters"]}
        for tool in TOOLS
    ]
}
OFFERS = WEATHER | HANDED
ALOUD = {"question": "Count aloud to 99.", "max_tokens": 400}


def logprobs(reply: Reply) -> list[dict[str, Any]]:
    """Return the log probabilities of a response's answer."""
    [entries] = [
        item["content"][0]["logprobs"] for item in reply.body["output"] if item["type"] == "message"
    ]
    return list(entries)


RESPONSE_ROWS = (
    Row(
        "input",
        "the last message is answered",
        {"input": [{"role": "user", "content": "What is 2 + 3?"}]},
        lambda without, with_it: (without.only.text, with_it.only.text) == ("19", "5"),
        on=OF_RESPONSES,
    ),
    Row(
        "instructions",
        "the model reads them",
        {"instructions": "Answer briefly."},
        reads_more,
        on=OF_RESPONSES,
    ),
    Row(
        "max_output_tokens",
        "the output ends there",
        {"max_output_tokens": 9},
        ends_after(9),
        SEVENS,
        on=OF_RESPONSES,
    ),
    Row("n", "1 is what there is", {"n": 1}, same, on=OF_RESPONSES),
    Row(
        "text",
        "text changes nothing",
        {"text": {"format": {"type": "text"}, "verbosity": "low"}},
        same,
        on=OF_RESPONSES,
    ),
    Row(
        "text.format",
        "json_object: the answer is an object",
        {"text": {"format": {"type": "json_object"}}},
        answers(is_object),
        SUM | {"max_tokens": 200},
        on=OF_RESPONSES,
    ),
    Row(
        "text.format",
        "json_schema: the answer keeps the schema",
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": COLOUR}}},
        answers('{"colour":"red"}'.__eq__),
        on=OF_RESPONSES,
    ),
    Row(
        "tools",
        "the model calls one",
        {"tools": OFFERED["tools"]},
        calls("get_weather"),
        WEATHER,
        on=OF_RESPONSES,
    ),
    Row(
        "tool_choice",
        "auto: the model decides",
        {"tool_choice": "auto"},
        calls("get_weather"),
        OFFERED,
        on=OF_RESPONSES,
    ),
    Row(
        "tool_choice",
        "none: no call, and no sign of one",
        {"tool_choice": "none"},
        calls_nothing,
        OFFERED,
        on=OF_RESPONSES,
    ),
    Row(
        "tool_choice",
        "required: a call even where none is likely",
        {"tool_choice": "required"},
        lambda without, with_it: not without.only.calls and bool(with_it.only.calls),
        OFFERED | NO_CALL,
        on=OF_RESPONSES,
    ),
    Row(
        "tool_choice",
        "a name: that one is called",
        {"tool_choice": {"type": "function", "name": "get_time"}},
        calls("get_time"),
        OFFERED,
        on=OF_RESPONSES,
    ),
    Row(
        "parallel_tool_calls",
        "false returns the first alone",
        {"parallel_tool_calls": False},
        lambda without, with_it: (len(without.only.calls), len(with_it.only.calls)) == (2, 1),
        OFFERED | TWO_CALLS,
        on=OF_RESPONSES,
    ),
    Row(
        "include",
        "adds the answer's log probabilities",
        {"include": [LOGPROBS]},
        lambda without, with_it: (len(logprobs(without)), len(logprobs(with_it))) == (0, 2),
        on=OF_RESPONSES,
    ),
    Row(
        "top_logprobs",
        "so many beside each token",
        {"top_logprobs": 3},
        lambda _, with_it: {len(entry["top_logprobs"]) for entry in logprobs(with_it)} == {3},
        SUM | {"include": [LOGPROBS]},
        on=OF_RESPONSES,
    ),
    Row(
        "return_tokens_as_token_ids",
        "tokens are named by id",
        {"return_tokens_as_token_ids": True},
        lambda _, with_it: {e["token"][:9] for e in logprobs(with_it)} == {"token_id:"},
        SUM | {"include": [LOGPROBS]},
        on=OF_RESPONSES,
    ),
    Row("return_token_ids", "none", {"return_token_ids": True}, same, on=OF_RESPONSES),
    *(
        Row(name, "refused", {name: value}, refuses(name), on=OF_RESPONSES, refused=True)
        for name, value in (
            ("previous_response_id", "resp_1"),
            ("conversation", "conv_1"),
            ("prompt", {"id": "pmpt_1"}),
            ("background", True),
        )
    ),
)

MESSAGE_ROWS = (
    Row(
        "messages",
        "the last question is answered",
        {"messages": [{"role": "user", "content": "What is 2 + 3?"}]},
        lambda without, with_it: (without.only.text, with_it.only.text) == ("19", "5"),
        on=OF_MESSAGES,
    ),
    Row(
        "model",
        "a hosted model's name is an alias; the answer names what is served",
        {"model": "qwen/qwen3-vl-8b-thinking"},
        lambda without, with_it: same(without, with_it) and with_it.body["model"] == MODEL,
        on=OF_MESSAGES,
    ),
    Row("system", "the model reads it", SYSTEM, reads_more, on=OF_MESSAGES),
    Row("temperature", "2 says other words", {"temperature": 2}, differs, STORY, on=OF_MESSAGES),
    Row("top_k", "1 is greedy", {"temperature": 2, "top_k": 1}, same, STORY, on=OF_MESSAGES),
    Row("top_p", "0 is greedy", {"temperature": 2, "top_p": 0}, same, STORY, on=OF_MESSAGES),
    Row(
        "max_tokens",
        "the output ends there",
        {"max_tokens": 9},
        ends_after(9),
        STORY,
        on=OF_MESSAGES,
    ),
    Row(
        "stop_sequences",
        "end the answer and not the thought",
        {"stop_sequences": ["5", "2"]},
        lambda without, with_it: (
            with_it.only.thought == without.only.thought
            and (with_it.only.text, with_it.body["stop_sequence"]) == ("1", "2")
        ),
        COUNT | SHOWN,
        on=OF_MESSAGES,
    ),
    Row(
        "stream",
        "the same words, as events",
        {"stream": True},
        lambda without, with_it: same(without, with_it) and with_it.events > 2 > without.events,
        on=OF_MESSAGES,
    ),
    Row(
        "thinking",
        "adaptive shows the thought",
        SHOWN,
        lambda without, with_it: hides(with_it, without),
        on=OF_MESSAGES,
    ),
    Row(
        "thinking",
        "enabled shows the thought, within its budget",
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        lambda without, with_it: hides(with_it, without),
        SUM | {"max_tokens": 1200},
        on=OF_MESSAGES,
    ),
    Row(
        "thinking",
        "display omitted: the thought is hidden, not skipped",
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        hides,
        SUM | SHOWN,
        on=OF_MESSAGES,
    ),
    Row(
        "output_config.effort",
        "low thinks less",
        {"output_config": {"effort": "low"}},
        thinks_less,
        ALOUD | SHOWN,
        on=OF_MESSAGES,
    ),
    Row(
        "output_config.format",
        "the answer keeps the schema",
        {"output_config": {"format": {"type": "json_schema", "schema": COLOUR}}},
        answers('{"colour":"red"}'.__eq__),
        on=OF_MESSAGES,
    ),
    Row(
        "tools",
        "the model calls one",
        HANDED,
        calls("get_weather"),
        WEATHER,
        on=OF_MESSAGES,
    ),
    Row(
        "tool_choice",
        "auto: the model decides",
        {"tool_choice": {"type": "auto"}},
        calls("get_weather"),
        OFFERS,
        on=OF_MESSAGES,
    ),
    Row(
        "tool_choice",
        "none: no call, and no sign of one",
        {"tool_choice": {"type": "none"}},
        calls_nothing,
        OFFERS,
        on=OF_MESSAGES,
    ),
    Row(
        "tool_choice",
        "any: some call",
        {"tool_choice": {"type": "any"}},
        calls("get_weather"),
        OFFERS,
        on=OF_MESSAGES,
    ),
    Row(
        "tool_choice",
        "tool: that one is called",
        {"tool_choice": {"type": "tool", "name": "get_time"}},
        calls("get_time"),
        OFFERS,
        on=OF_MESSAGES,
    ),
)

COUNTED = {"question": "What is the weather in Paris?"}
COUNT_ROWS = (
    Row("messages", "their tokens count", {"question": "What?"}, counts_less, COUNTED, COUNTING),
    Row("system", "its tokens count", {"system": None}, counts_less, COUNTED | SYSTEM, COUNTING),
    Row("tools", "their tokens count", {"tools": None}, counts_less, COUNTED | HANDED, COUNTING),
    Row(
        "tool_choice",
        "none: tools do not count",
        {"tool_choice": {"type": "none"}},
        counts_less,
        COUNTED | HANDED,
        COUNTING,
    ),
    Row("thinking", "none", SHOWN, counts_alike, COUNTED, COUNTING),
    Row(
        "output_config",
        "none",
        {"output_config": {"effort": "low"}},
        counts_alike,
        COUNTED,
        COUNTING,
    ),
    Row("model", "none", {"model": MODEL}, counts_alike, COUNTED, COUNTING),
)

ROWS = (*RESPONSE_ROWS, *MESSAGE_ROWS, *COUNT_ROWS)

"""The effects of every parameter of chat and plain completions, a row each."""

import base64
import json
import re
from pathlib import Path
from typing import Any

from tests.engine.asking import CHAT, COMPLETIONS, RESPONSES, TEMPLATE
from tests.engine.effects import (
    SUM,
    Row,
    answers,
    calls,
    calls_nothing,
    differs,
    ends_after,
    entries,
    hides,
    is_object,
    refuses,
    repeats_less,
    said,
    same,
    thinks_less,
    tokens,
)

SERVING = Path(__file__).resolve().parents[2] / "serving"
TOKENIZER = SERVING / "tiny_model" / "checkpoint" / "tokenizer.json"
VOCABULARY = json.loads(TOKENIZER.read_text())["model"]["vocab"]
PICTURE = base64.b64encode((SERVING / "sample.png").read_bytes()).decode()
SEEN = {"type": "text", "text": "What is in this image?"}
MODEL = "tiny-qwen3-vl"

COUNT = {"question": "Count aloud to 12.", "max_tokens": 64}
# The model has no answer to this, so at temperature 2 every seed says something else.
STORY = {"question": "Tell me a story about Paris.", "max_tokens": 24}
LOOSE = STORY | {"temperature": 2, "seed": 1}
SEVENS = SUM | {"logit_bias": {str(VOCABULARY["7"]): 100}}
# A thought without an end, and room for an effort to be seen above the answer's reserve.
LONG = SEVENS | {"max_tokens": 560}

COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
TAG = {"type": "structural_tag", "format": {"type": "const_string", "value": "hello"}}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": f"get_{subject}",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
    for subject in ("weather", "time")
]
WEATHER = {"question": "What is the weather in Paris?", "max_tokens": 96}
OFFER = WEATHER | {"tools": TOOLS}
NAMED = {"type": "function", "function": {"name": "get_time"}}
CALL = r'<tool_call>\n\{"name": "get_weather", "arguments": \{"city": "Rome"\}\}\n</tool_call>'
TWO_CALLS = {"structured_outputs": {"regex": rf"{CALL}\n{CALL}"}}
NO_CALL = {"logit_bias": {"1018": -100}}  # <tool_call>


def picture(detail: str) -> dict[str, Any]:
    """Return a message part that shows a picture in this detail."""
    url = f"data:image/png;base64,{PICTURE}"
    return {"type": "image_url", "image_url": {"url": url, "detail": detail}}


ROWS = (
    # What every generating endpoint samples by.
    Row("temperature", "2 says other words", {"temperature": 2, "seed": 1}, differs, STORY),
    Row("seed", "the same seed, the same words", {"seed": 1}, same, LOOSE),
    Row("seed", "another seed, other words", {"seed": 2}, differs, LOOSE),
    Row("top_k", "1 is greedy at temperature 2", LOOSE | {"top_k": 1}, same, STORY),
    Row("top_p", "0 is greedy at temperature 2", LOOSE | {"top_p": 0}, same, STORY),
    Row("min_p", "1 is greedy at temperature 2", LOOSE | {"min_p": 1}, same, STORY),
    Row("frequency_penalty", "fewer repetitions", {"frequency_penalty": 2}, repeats_less, COUNT),
    Row("presence_penalty", "other words", {"presence_penalty": 2}, differs, LOOSE),
    Row("repetition_penalty", "other words", {"repetition_penalty": 2}, differs, COUNT),
    Row(
        "logit_bias",
        "100 forces its token",
        {"logit_bias": SEVENS["logit_bias"]},
        lambda _, with_it: set(with_it.only.words) == {"7"},
    ),
    Row(
        "n",
        "so many choices, each sampled for itself",
        {"n": 3},
        lambda _, with_it: len(set(said(with_it))) == 3,
        LOOSE,
        on=(CHAT, COMPLETIONS),
    ),
    Row(
        "max_tokens",
        "the output ends there",
        {"max_tokens": 9},
        ends_after(9),
        SEVENS,
        on=(CHAT, COMPLETIONS),
    ),
    Row(
        "min_tokens",
        "no end before",
        {"min_tokens": 40},
        lambda without, with_it: with_it.tokens >= 40 > without.tokens,
    ),
    Row(
        "stop",
        "ends the answer and not the thought",
        {"stop": ["5", "2"]},
        lambda without, with_it: (
            with_it.only.thought == without.only.thought
            and (with_it.only.text, with_it.only.finish_reason) == ("1", "stop")
        ),
        COUNT,
        on=(CHAT, RESPONSES),
    ),
    Row(
        "stop",
        "ends the text, which is not split into thought and answer",
        {"stop": " 5"},
        lambda without, with_it: with_it.only.text == without.only.words.partition(" 5")[0],
        COUNT,
        on=(COMPLETIONS,),
    ),
    Row(
        "include_stop_str_in_output",
        "the stop text stays",
        {"include_stop_str_in_output": True},
        lambda without, with_it: with_it.only.text == without.only.text + "2",
        COUNT | {"stop": "2"},
    ),
    Row(
        "stop_token_ids",
        "ends the output",
        {"stop_token_ids": [VOCABULARY["5"]]},
        lambda _, with_it: with_it.only.words == "1 2 3 4 ",
        COUNT,
    ),
    Row(
        "allowed_token_ids",
        "no others come",
        {"allowed_token_ids": [VOCABULARY["1"], VOCABULARY["9"]]},
        lambda _, with_it: set(with_it.only.words) == {"1", "9"},
    ),
    Row(
        "bad_words",
        "do not come",
        {"bad_words": ["19"]},
        lambda without, with_it: "19" in without.only.words and "19" not in with_it.only.words,
    ),
    Row(
        "skip_special_tokens",
        "false shows them",
        {"skip_special_tokens": False},
        lambda without, with_it: (
            not without.only.words and set(with_it.only.words.split(">")) == {"<|vision_start|", ""}
        ),
        SUM | {"logit_bias": {"3": 100}},
    ),
    Row(
        "repetition_detection",
        "ends after four repetitions",
        {"repetition_detection": {"max_pattern_size": 2, "min_pattern_size": 1, "min_count": 4}},
        lambda _, with_it: (with_it.only.words, with_it.only.finish_reason) == ("7777", "stop"),
        SEVENS,
    ),
    Row(
        "return_token_ids",
        "the ids of all generated tokens",
        {"return_token_ids": True},
        lambda without, with_it: (
            "token_ids" not in without.only.raw
            and len(with_it.only.raw["token_ids"]) == with_it.tokens
        ),
        on=(CHAT, COMPLETIONS),
    ),
    Row(
        "return_tokens_as_token_ids",
        "tokens are named by id",
        {"return_tokens_as_token_ids": True},
        lambda _, with_it: all(token.startswith("token_id:") for token in tokens(with_it)),
        SUM | {"logprobs": True},
        on=(CHAT,),
    ),
    Row(
        "return_tokens_as_token_ids",
        "tokens are named by id",
        {"return_tokens_as_token_ids": True},
        lambda _, with_it: all(token.startswith("token_id:") for token in tokens(with_it)),
        SUM | {"logprobs": 1},
        on=(COMPLETIONS,),
    ),
    # What is answered, and how.
    Row(
        "model",
        "a hosted model's name is an alias; the answer names what is served",
        {"model": "qwen/qwen3-vl-8b-thinking"},
        lambda without, with_it: same(without, with_it) and with_it.body["model"] == MODEL,
    ),
    Row(
        "stream",
        "the same words, as events",
        {"stream": True},
        lambda without, with_it: same(without, with_it) and with_it.events > 2 > without.events,
    ),
    Row(
        "stream_options.include_usage",
        "the stream ends with its usage",
        {"stream_options": {"include_usage": True}},
        lambda without, with_it: "usage" not in without.body and with_it.tokens > 0,
        SUM | {"stream": True},
        on=(CHAT, COMPLETIONS),
    ),
    Row(
        "thinking_token_budget",
        "ends the thought",
        {"thinking_token_budget": 4},
        thinks_less,
        COUNT,
    ),
    Row(
        "structured_outputs.choice",
        "one of them is the answer",
        {"structured_outputs": {"choice": ["yes", "no"]}},
        answers({"yes", "no"}.__contains__),
    ),
    Row(
        "structured_outputs.regex",
        "the answer matches",
        {"structured_outputs": {"regex": "[a-c]{5}"}},
        answers(lambda text: re.fullmatch("[a-c]{5}", text) is not None),
    ),
    Row(
        "structured_outputs.json",
        "the answer keeps the schema",
        {"structured_outputs": {"json": COLOUR}},
        answers('{"colour":"red"}'.__eq__),
    ),
    Row(
        "structured_outputs.grammar",
        "the answer is derived from it",
        {"structured_outputs": {"grammar": 'root ::= "abc" | "x"'}},
        answers({"abc", "x"}.__contains__),
    ),
    Row(
        "structured_outputs.json_object",
        "the answer begins as an object",
        {"structured_outputs": {"json_object": True}},
        answers(lambda text: text.startswith("{")),
    ),
    Row(
        "structured_outputs.structural_tag",
        "the answer has its form",
        {"structured_outputs": {"structural_tag": json.dumps(TAG)}},
        answers("hello".__eq__),
    ),
    Row("user", "none", {"user": "someone"}, same),
    Row("metadata", "none", {"metadata": {"team": "vision"}}, same),
    # Chat alone.
    Row(
        "messages",
        "the last question is answered",
        {"messages": [{"role": "user", "content": "What is 2 + 3?"}]},
        lambda without, with_it: (without.only.text, with_it.only.text) == ("19", "5"),
        on=(CHAT,),
    ),
    Row(
        "messages",
        "detail of a picture: none",
        {"messages": [{"role": "user", "content": [picture("low"), SEEN]}]},
        same,
        {"messages": [{"role": "user", "content": [picture("high"), SEEN]}]},
        on=(CHAT,),
    ),
    Row(
        "max_completion_tokens",
        "wins over max_tokens",
        {"max_completion_tokens": 9},
        ends_after(9),
        SEVENS,
        on=(CHAT,),
    ),
    Row(
        "reasoning.effort",
        "low thinks less",
        {"reasoning": {"effort": "low"}},
        thinks_less,
        COUNT,
        on=(CHAT, RESPONSES),
    ),
    Row(
        "reasoning.max_tokens",
        "ends the thought",
        {"reasoning": {"max_tokens": 4}},
        thinks_less,
        COUNT,
        on=(CHAT, RESPONSES),
    ),
    Row(
        "reasoning.enabled",
        "true alone is medium effort",
        {"reasoning": {"enabled": True}},
        thinks_less,
        LONG,
        on=(CHAT, RESPONSES),
    ),
    Row(
        "reasoning.exclude",
        "the thought is hidden, not skipped",
        {"reasoning": {"exclude": True}},
        hides,
        on=(CHAT, RESPONSES),
    ),
    Row(
        "include_reasoning",
        "false is exclude",
        {"include_reasoning": False},
        hides,
        on=(CHAT, RESPONSES),
    ),
    Row(
        "reasoning_effort",
        "low thinks less",
        {"reasoning_effort": "low"},
        thinks_less,
        COUNT,
        on=(CHAT,),
    ),
    Row(
        "response_format",
        "text changes nothing",
        {"response_format": {"type": "text"}},
        same,
        on=(CHAT,),
    ),
    Row(
        "response_format",
        "json_object: the answer is an object",
        {"response_format": {"type": "json_object"}},
        answers(is_object),
        SUM | {"max_tokens": 200},
        on=(CHAT,),
    ),
    Row(
        "response_format",
        "json_schema: the answer keeps the schema",
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": COLOUR},
            }
        },
        answers('{"colour":"red"}'.__eq__),
        on=(CHAT,),
    ),
    Row(
        "tools", "the model calls one", {"tools": TOOLS}, calls("get_weather"), WEATHER, on=(CHAT,)
    ),
    Row(
        "tool_choice",
        "auto: the model decides",
        {"tool_choice": "auto"},
        calls("get_weather"),
        OFFER,
        on=(CHAT,),
    ),
    Row(
        "tool_choice",
        "none: no call, and no sign of one",
        {"tool_choice": "none"},
        calls_nothing,
        OFFER,
        on=(CHAT,),
    ),
    Row(
        "tool_choice",
        "required: a call even where none is needed",
        {"tool_choice": "required"},
        lambda without, with_it: not without.only.calls and bool(with_it.only.calls),
        OFFER | NO_CALL,
        on=(CHAT,),
    ),
    Row(
        "tool_choice",
        "a name: that one is called",
        {"tool_choice": NAMED},
        calls("get_time"),
        OFFER,
        on=(CHAT,),
    ),
    Row(
        "parallel_tool_calls",
        "false returns the first alone",
        {"parallel_tool_calls": False},
        lambda without, with_it: (len(without.only.calls), len(with_it.only.calls)) == (2, 1),
        OFFER | TWO_CALLS,
        on=(CHAT,),
    ),
    Row(
        "logprobs",
        "an entry for each token",
        {"logprobs": True},
        lambda without, with_it: (
            without.only.raw["logprobs"] is None and len(tokens(with_it)) == with_it.tokens
        ),
        on=(CHAT,),
    ),
    Row(
        "logprobs",
        "those of a hidden thought are hidden",
        {"include_reasoning": False},
        lambda without, with_it: tokens(with_it) == tokens(without)[without.thought_tokens + 1 :],
        SUM | {"logprobs": True, "return_tokens_as_token_ids": True},
        on=(CHAT,),
    ),
    Row(
        "top_logprobs",
        "so many beside each token",
        {"top_logprobs": 3},
        lambda _, with_it: {len(entry["top_logprobs"]) for entry in entries(with_it)} == {3},
        SUM | {"logprobs": True},
        on=(CHAT,),
    ),
    # Completions alone.
    Row(
        "prompt",
        "several prompts, a choice for each",
        {"prompt": [TEMPLATE.format("What is 2 + 3?"), TEMPLATE.format("What is 4 + 4?")]},
        lambda _, with_it: [choice.text for choice in with_it.choices] == ["5", "8"],
        on=(COMPLETIONS,),
    ),
    Row(
        "prompt",
        "token ids are continued like text",
        {"prompt": [VOCABULARY["1"], VOCABULARY["2"]]},
        same,
        {"prompt": "12", "max_tokens": 8},
        on=(COMPLETIONS,),
    ),
    Row(
        "echo",
        "the text begins with the prompt",
        {"echo": True},
        lambda without, with_it: (
            with_it.only.words.endswith(without.only.words)
            and SUM["question"] in with_it.only.words
        ),
        on=(COMPLETIONS,),
    ),
    Row(
        "suffix",
        "anything but null is refused",
        {"suffix": "the end"},
        refuses("suffix"),
        on=(COMPLETIONS,),
        refused=True,
    ),
    Row(
        "logprobs",
        "so many beside each token",
        {"logprobs": 3},
        lambda without, with_it: (
            without.only.raw["logprobs"] is None
            and {len(top) for top in with_it.only.raw["logprobs"]["top_logprobs"]} == {3}
        ),
        on=(COMPLETIONS,),
    ),
)

"""Every scenario yields seeded, valid chat requests, and is found by its name."""

import json
import random
import re
from itertools import islice

import msgspec
import pytest
from openai.types.chat import ChatCompletionMessageParam, completion_create_params
from pydantic import TypeAdapter

from loadtests.failure import LoadError
from loadtests.scenario import Served
from loadtests.scenarios import SCENARIOS, find_scenario, scenario_table
from loadtests.workloads import encoded
from serving.gateway.chat_request import ChatRequest

REAL = Served("asked", "Qwen3-VL-8B", 262_144)
# The largest pictures take seconds to draw and are tried beside the workload.
CHEAP = sorted(set(SCENARIOS) - {"picture"})
VIDEO_PART = "video_url"


def bodies(name, served=REAL, count=12, seed=7):
    """Return the first bodies of a scenario."""
    prompts = SCENARIOS[name].prompts(random.Random(seed), served)
    return [encoded(prompt, served.model_asked) for prompt in islice(prompts, count)]


@pytest.mark.parametrize("name", CHEAP)
def test_the_same_seed_gives_the_same_bytes(name):
    """A run can be repeated."""
    assert bodies(name) == bodies(name)


@pytest.mark.parametrize("name", ["short-chat", "json-schema", "tool-loop"])
def test_another_seed_is_another_run(name):
    """In words and in pictures."""
    assert not set(bodies(name, seed=8)) & set(bodies(name))


@pytest.mark.parametrize("name", CHEAP)
def test_bodies_are_valid_chat_requests(name):
    """By the gateway's own model and by the OpenAI client's types (which know no videos)."""
    messages = TypeAdapter(list[ChatCompletionMessageParam])
    parameters = TypeAdapter(completion_create_params.CompletionCreateParamsStreaming)
    for body in bodies(name):
        request = msgspec.json.decode(body, type=ChatRequest)
        assert (request.model, request.stream) == ("asked", True)
        assert request.stream_options.include_usage is True
        assert 0 < request.max_tokens <= 32_768
        value = json.loads(body)
        assert set(value) <= set(ChatRequest.__struct_fields__)
        if VIDEO_PART not in body.decode():
            messages.validate_python(value["messages"])
            parameters.validate_python(value)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios_say_what_they_ask(name):
    """A question in one sentence, kinds that do not repeat, and a shape that begins with a step."""
    scenario = find_scenario(name)
    assert scenario.name == name
    assert re.fullmatch(r"[A-Z].+\?", scenario.question)
    assert len(set(scenario.kinds)) == len(scenario.kinds)
    step = scenario.shape.next(())
    assert 0 <= step.settle_seconds < step.seconds
    assert step.drain_seconds > 0


@pytest.mark.parametrize("name", sorted(set(CHEAP) - {"mixed"}))
def test_prompts_name_the_kinds_that_are_announced(name):
    """All of them, within some rounds."""
    prompts = SCENARIOS[name].prompts(random.Random(1), REAL)
    assert {prompt.kind for prompt in islice(prompts, 60)} == set(SCENARIOS[name].kinds)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        pytest.param("mixd", "mixed", id="typo"),
        pytest.param("tool_loop", "tool-loop", id="underscore"),
        pytest.param("pictures", "picture", id="plural"),
    ],
)
def test_an_unknown_name_gets_the_nearest(name, nearest):
    """And the way to bring requests of one's own."""
    with pytest.raises(
        LoadError, match=rf"no scenario '{name}'; the nearest is '{nearest}'.*jsonl"
    ):
        find_scenario(name)


def test_a_file_of_requests_is_a_scenario(tmp_path):
    """Its kinds are those of its lines; a file that is not there is an error about the file."""
    path = tmp_path / "own.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "Hi"}], "kind": "greeting"}\n')
    scenario = find_scenario(str(path))
    assert (scenario.name, scenario.kinds) == (str(path), ("greeting",))
    [prompt] = islice(scenario.prompts(random.Random(1), REAL), 1)
    assert prompt.messages == ({"role": "user", "content": "Hi"},)
    with pytest.raises(LoadError, match=r"gone\.jsonl cannot be read"):
        find_scenario(str(tmp_path / "gone.jsonl"))


def test_the_table_names_every_scenario():
    """A line for each, with its question and kinds."""
    lines = scenario_table().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == list(SCENARIOS)
    assert all(SCENARIOS[line.split("`")[1]].question in line for line in lines)
    assert "| tool call, tool result |" in scenario_table()
    assert "short" not in lines[0].split("|")[3]

"""The command line: what it offers, and that every command refuses misspelt settings alike."""

from __future__ import annotations

import http.client
import re
import time

import pytest
import yaml

from tests.serving.conftest import WAIT_SECONDS

COMMANDS = (
    "up", "engine", "gateway", "drain", "verify", "settings", "doctor", "usage", "request", "plan",
    "weights",
)  # fmt: skip


def test_help_names_every_command(room) -> None:
    """Without words the program says what it can do, each command in a sentence."""
    ended = room.run("--help")
    assert ended.code == 0
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b.* [A-Z]\w+ ", ended.stdout), command


def test_an_unknown_command_is_refused(room) -> None:
    """A typing error starts nothing."""
    ended = room.run("upp")
    assert ended.code == 2
    assert "upp" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["engine", "gateway", "drain", "settings", "usage"])
def test_every_command_refuses_a_misspelt_option(room, command: str) -> None:
    """Unknown configuration is the same sentence everywhere, with the nearest name."""
    ended = room.run(command, SERVING_GATEWAY__PROT="1")
    assert ended.code == 1
    assert ended.sentence.endswith("Did you mean SERVING_GATEWAY__PORT?")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read", id="missing"),
        pytest.param("gateway: [", "is not valid YAML", id="broken"),
        pytest.param("- 1\n", "holds no groups", id="a list"),
        pytest.param("gatway:\n  port: 1\n", "Did you mean gateway?", id="group misspelt"),
    ],
)
def test_a_bad_file_is_named(room, content: str | None, said: str) -> None:
    """The sentence holds the file's name and what is wrong with it."""
    config = room.folder / "mine.yaml"
    if content is not None:
        config.write_text(content)
    ended = room.run("settings", "--config", str(config))
    assert ended.code == 1
    assert "mine.yaml" in ended.sentence
    assert said in ended.sentence


def test_settings_show_values_and_origins_but_no_secret(room) -> None:
    """The page is YAML that can be used again; each line ends in where its value came from."""
    config = room.folder / "mine.yaml"
    config.write_text("gateway:\n  max_images: 3\n")
    secrets = {"SERVING_GATEWAY__API_KEYS": "sesame,open"}
    ended = room.run("settings", "--config", str(config), **secrets)
    assert ended.code == 0
    shown = yaml.safe_load(ended.stdout)
    assert shown["gateway"]["max_images"] == 3
    assert shown["gateway"]["port"] == room.port
    assert shown["engine"]["profile"] == "cpu"
    lines = {line.split(":")[0].strip(): line for line in ended.stdout.splitlines()}
    assert lines["max_images"].endswith("# file mine.yaml")
    assert lines["port"].endswith("# environment PORT")
    assert lines["max_num_seqs"].endswith("# profile cpu")
    assert lines["header_timeout_seconds"].endswith("# default")
    assert not re.search("sesame|open", lines["api_keys"])


def test_settings_tell_a_model_without_judging_the_hardware(room) -> None:
    """What is configured can be read on any machine, also for a GPU that is elsewhere."""
    ended = room.run("settings", MODEL="Qwen/Qwen3-VL-8B-Thinking")
    assert ended.code == 0
    assert yaml.safe_load(ended.stdout)["engine"]["model"] == "Qwen/Qwen3-VL-8B-Thinking"


def test_a_dry_run_prints_the_command_and_starts_nothing(room) -> None:
    """One flag a line and the arithmetic behind it; no socket, no engine."""
    ended = room.run("engine", "--dry-run")
    assert ended.code == 0
    lines = [line.strip().removesuffix(" \\") for line in ended.stdout.splitlines()]
    assert "--served-model-name tiny-qwen3-vl" in lines
    assert f"--uds {room.run_folder / 'engine.sock'}" in lines
    assert any("KV" in line or "token" in line for line in lines[-10:])
    assert not (room.run_folder / "engine.sock").exists()


def test_an_engine_alone_refuses_a_half_model(room) -> None:
    """The launcher has the same sentence as the whole."""
    (room.model / "tokenizer.json").unlink()
    ended = room.run("engine")
    assert ended.code == 1
    assert "lacks a tokenizer" in ended.sentence


def test_a_gateway_alone_waits_for_its_engine(room) -> None:
    """It is healthy but not ready, says so, and ends when told."""
    process = room.start("gateway", MODEL="Qwen/Qwen3-VL-8B-Thinking")
    give_up = time.monotonic() + WAIT_SECONDS
    statuses: dict[str, int] = {}
    while not statuses and time.monotonic() < give_up:
        try:
            for page in ("/healthz", "/readyz"):
                connection = http.client.HTTPConnection("127.0.0.1", room.admin_port, timeout=60)
                connection.request("GET", page)
                statuses[page] = connection.getresponse().status
                connection.close()
        except ConnectionRefusedError:
            time.sleep(0.1)
    process.terminate()
    assert room.end(process).code == 0
    assert statuses == {"/healthz": 200, "/readyz": 503}

"""`serving up` with bad input and bad luck: one sentence, an exit code, nothing left behind.

The real program runs, with an engine that starts at once and fails when told.
"""

from __future__ import annotations

import signal
import socket
import time
import urllib.error
import urllib.request

import pytest

from tests.serving.conftest import WAIT_SECONDS

REFUSALS = [
    pytest.param({"MODEL": "{room.folder}/absent"}, ["absent does not exist"], id="model missing"),
    pytest.param(
        {"SERVING_ENGINE__MAX_NUM_SEQ": "3"},
        ["SERVING_ENGINE__MAX_NUM_SEQ", "Did you mean SERVING_ENGINE__MAX_NUM_SEQS?"],
        id="option misspelt",
    ),
    pytest.param({"PORT": "many"}, ["gateway.port 'many' (environment PORT)"], id="bad value"),
    pytest.param({"PROFILE": "h1000"}, ["h1000", "h100"], id="profile unknown"),
    pytest.param(
        {"HOST": "0.0.0.0"},  # noqa: S104 — the point
        ["0.0.0.0", "gateway.api_keys"],  # noqa: S104
        id="open to others without keys",
    ),
    pytest.param(
        {"SERVING_ENGINE__LISTEN": "/tmp/" + 120 * "x"},  # noqa: S108 — never made
        ["125 bytes", "engine.listen", "shorter"],
        id="socket path too long",
    ),
    pytest.param(
        {"SERVING_ENGINE__LISTEN": "tcp://example.org:1"}, ["tcp://127.0.0.1:PORT"], id="far socket"
    ),
    pytest.param(
        {"MODEL": "nobody/nothing"}, ["nobody/nothing", "HF_HUB_OFFLINE"], id="offline, not cached"
    ),
    pytest.param(
        {"SERVING_GATEWAY__KEYS_FILE": "{room.folder}/no-keys"},
        ["gateway.keys_file", "no-keys"],
        id="key file missing",
    ),
]


@pytest.mark.parametrize(("change", "said"), REFUSALS)
def test_what_cannot_start_says_why_and_what_to_do(room, change, said) -> None:
    """One sentence names the part and the next step; exit code 1; no process stays."""
    filled = {name: value.format(room=room) for name, value in change.items()}
    ended = room.run("up", **filled)
    assert ended.code == 1
    assert [words for words in said if words not in ended.sentence] == []


def test_half_a_model_is_not_served(room) -> None:
    """A folder with a cut-off file is refused by its name, before anything is started."""
    weights = room.model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    ended = room.run("up")
    assert ended.code == 1
    assert "not complete; it lacks model.safetensors" in ended.sentence


def test_a_folder_of_another_model_is_not_served(room) -> None:
    """A checkpoint of another architecture is named as such."""
    (room.model / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    ended = room.run("up")
    assert ended.code == 1
    assert "is not the configuration of a Qwen3-VL model" in ended.sentence


def test_a_misspelt_option_in_the_file_is_found(room) -> None:
    """The file is named, and the nearest option."""
    config = room.folder / "serving.yaml"
    config.write_text("gateway:\n  max_image: 3\n")
    ended = room.run("up", "--config", str(config))
    assert ended.code == 1
    assert "gateway.max_image in file serving.yaml" in ended.sentence
    assert "Did you mean gateway.max_images?" in ended.sentence


@pytest.mark.parametrize("option", ["PORT", "ADMIN_PORT"])
def test_a_taken_port_is_named(room, option: str) -> None:
    """The start ends at once, with the variable that moves it elsewhere."""
    port = room.port if option == "PORT" else room.admin_port
    with socket.create_server(("127.0.0.1", port)):
        ended = room.run("up")
    assert ended.code == 1
    assert f"Port {port} on 127.0.0.1" in ended.sentence
    assert f"set {option} to another port" in ended.sentence


def test_an_open_run_folder_is_refused(room) -> None:
    """Who reaches the socket needs no key, so that others must not; the cure is said."""
    room.run_folder.mkdir()
    room.run_folder.chmod(0o755)
    ended = room.run("up")
    assert ended.code == 1
    assert "mode 755" in ended.sentence
    assert f"chmod 700 {room.run_folder}" in ended.sentence


def test_a_file_in_the_sockets_place_is_never_removed(room) -> None:
    """Only a socket is cleared away."""
    room.run_folder.mkdir(mode=0o700)
    precious = room.run_folder / "engine.sock"
    precious.write_text("mine")
    ended = room.run("up")
    assert ended.code == 1
    assert "is not a socket" in ended.sentence
    assert precious.read_text() == "mine"


SMALL_GPU = "8192, 8000, 7.5, 580.95.05, NVIDIA T1000"


def test_a_gpu_too_small_for_the_model_that_was_asked_for(room, nvidia_smi) -> None:
    """A model asked for by name is not replaced: GPU, need and way out are said."""
    ended = room.run("up", MODEL="Qwen/Qwen3-VL-8B-Thinking", **nvidia_smi(SMALL_GPU))
    assert ended.code == 1
    for words in ("GPU 0 (NVIDIA T1000)", "MODEL=tiny"):
        assert words in ended.sentence


def test_it_becomes_ready_and_ends_when_told(room) -> None:
    """The block is printed once both answer; SIGTERM ends both, with exit code 0."""
    process = room.start("up")
    block = room.ready(process)
    assert f"http://127.0.0.1:{room.port}/v1" in block
    assert "tiny-qwen3-vl" in block
    assert "16,384 tokens" in block
    with urllib.request.urlopen(f"http://127.0.0.1:{room.admin_port}/readyz") as reply:
        assert reply.status == 200
    assert "--served-model-name tiny-qwen3-vl" in " ".join(room.engine().cmdline())
    assert not [name for name in room.engine().environ() if name.startswith("SERVING_")]
    process.send_signal(signal.SIGTERM)
    ended = room.end(process)
    assert ended.code == 0
    assert "Traceback" not in ended.stderr
    assert f"{room.run_folder}/engine-{process.pid}.log" in ended.stderr
    assert not list(room.run_folder.glob("engine-*.log"))


def test_the_engines_own_output_is_shown_where_it_is_wanted(room) -> None:
    """With -v it follows on stderr, else it stays in its file."""
    for words, shown in ((("up", "-v"), True), (("up",), False)):
        process = room.start(*words)
        room.ready(process)
        assert "[core.py:133] hello" in room.engine_log()
        process.terminate()
        assert ("[core.py:133] hello" in room.end(process).stderr) == shown


def test_ctrl_c_before_it_is_ready_ends_it(room) -> None:
    """An impatient SIGINT is a wish like any other: exit code 0 and nobody left."""
    process = room.start("up")
    while len(room.inhabitants()) < 3 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    ended = room.end(process)
    assert ended.code == 0
    assert "Traceback" not in ended.stderr


def test_a_stale_socket_is_cleared_away(room) -> None:
    """What an engine killed with kill -9 leaves behind does not stop the next start."""
    room.run_folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(room.run_folder / "engine.sock"))
    process = room.start("up")
    assert "Ready after" in room.ready(process)
    process.terminate()
    assert room.end(process).code == 0


def test_an_engine_that_crashes_at_its_start_is_explained(room) -> None:
    """Its own error comes first, then the end of its log and where the rest is."""
    ended = room.run("up", FAKE_ENGINE="crash")
    assert ended.code == 1
    assert "Ready after" not in ended.stdout
    said = ended.stderr[ended.stderr.index("Cannot start: ") :]
    assert said.startswith(
        "Cannot start: The engine ended with exit code 1: "
        "ValueError: No available memory for the cache blocks.\n"
    )
    [log] = room.run_folder.glob("engine-*.log")
    assert said.rstrip().endswith(f"{log}.")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        pytest.param(signal.SIGKILL, "The engine was killed by SIGKILL", id="killed"),
        pytest.param(signal.SIGUSR1, "RuntimeError: CUDA error: an illegal", id="with a trace"),
        pytest.param(signal.SIGTERM, "The engine ended with exit code 0", id="told by another"),
    ],
)
def test_an_engine_that_ends_later_ends_everything(room, number: int, said: str) -> None:
    """Nothing is supervised: the reason is said and the exit code is 1."""
    process = room.start("up")
    room.ready(process)
    room.engine().send_signal(number)
    ended = room.end(process)
    assert ended.code == 1
    assert f"Ended: {said}" in ended.stderr if said.startswith("The") else said in ended.stderr


def test_a_gateway_that_is_killed_ends_everything(room) -> None:
    """The engine does not go on without its only face."""
    process = room.start("up")
    room.ready(process)
    (gateway,) = [p for p in room.inhabitants() if p.cmdline()[-1] == "gateway"]
    gateway.kill()
    ended = room.end(process)
    assert ended.code == 1
    assert ended.sentence.startswith("Ended: The gateway was killed by SIGKILL")


def test_killing_it_leaves_no_orphan(room) -> None:
    """Even kill -9, which nobody can hear, ends engine and gateway."""
    process = room.start("up")
    room.ready(process)
    assert len(room.inhabitants()) == 3
    process.kill()
    assert room.empties()
    process.communicate()


def test_a_second_start_leaves_the_first_alone(room) -> None:
    """Ports and sockets are the first's: the second says who has what and goes."""
    first = room.start("up")
    room.ready(first)
    (gateway,) = [p for p in room.inhabitants() if p.cmdline()[-1] == "gateway"]
    port, admin_port = room.other_ports()
    for change, said in (
        ({}, f"Port {room.port} on 127.0.0.1 (gateway.port) is taken"),
        (
            {"PORT": str(port), "ADMIN_PORT": str(admin_port)},
            f"Another gateway (process {gateway.pid}) listens on {room.run_folder}/control.sock",
        ),
    ):
        second = room.start("up", **change)
        shown, complaint = second.communicate(timeout=WAIT_SECONDS)
        assert second.returncode == 1
        assert said in complaint
        assert "Ready after" not in shown
    with urllib.request.urlopen(f"http://127.0.0.1:{room.admin_port}/readyz") as reply:
        assert reply.status == 200
    first.terminate()
    assert room.end(first).code == 0

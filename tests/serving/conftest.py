"""A room in which the real program runs: its own folders, ports, hardware and engine."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from serving.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
FAKE_VLLM = ROOT / "tests" / "data" / "fake_vllm"
# How long a thing that must happen is waited for; no verdict hangs on when it does.
WAIT_SECONDS = 120
CONFIG = {
    "architectures": ["Qwen3VLForConditionalGeneration"],
    "text_config": {
        "num_hidden_layers": 5,
        "num_attention_heads": 5,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": 16_384,
    },
    "vision_config": {
        "num_heads": 5,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    },
}


HEADINGS = ("Cannot start: ", "Ended: ")


@dataclass(frozen=True, slots=True)
class End:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def sentence(self) -> str:
        """Return what the program said in the end, which is never a trace."""
        assert "Traceback" not in self.stdout + self.stderr, self.stderr
        said = [line for line in self.stderr.splitlines() if line.startswith(HEADINGS)]
        assert len(said) == 1, self.stderr
        return said[0]


@dataclass
class Room:
    """The program's surroundings; every process of it carries the room's mark."""

    folder: Path
    port: int
    admin_port: int
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def run_folder(self) -> Path:
        """The folder of sockets and the engine's log."""
        return self.folder / "qwen3-vl-serving"

    def other_ports(self) -> list[int]:
        """Return two ports for a second program."""
        return free_ports(2)

    def engine_log(self) -> str:
        """Return what the engine of the one run has printed."""
        [log] = self.run_folder.glob("engine-*.log")
        return log.read_text()

    @property
    def model(self) -> Path:
        """A folder with a checkpoint that looks whole, of the tiny model's shape."""
        return self.folder / "tiny-qwen3-vl"

    def environment(self, **change: str) -> dict[str, str]:
        """Return the program's variables: no GPU, no network, the fake engine, free ports."""
        usual = {
            "XDG_RUNTIME_DIR": str(self.folder),
            "PYTHONPATH": str(FAKE_VLLM),
            "CUDA_VISIBLE_DEVICES": "",
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(self.folder / "hub"),
            "MODEL": str(self.model),
            "PORT": str(self.port),
            "ADMIN_PORT": str(self.admin_port),
            "SERVING_ENGINE__SHUTDOWN_TIMEOUT": "0",
            "ROOM": self.mark,
        }
        return {**os.environ, **usual, **change}

    def start(self, *words: str, **change: str) -> subprocess.Popen[str]:
        """Start `python -m serving` with these words and changed variables."""
        return subprocess.Popen(
            [sys.executable, "-m", "serving", *words],
            cwd=ROOT,
            env=self.environment(**change),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> End:
        """Wait for a program's end; nothing of it may be left."""
        stdout, stderr = process.communicate(timeout=WAIT_SECONDS)
        assert self.inhabitants() == []
        return End(process.returncode, stdout, stderr)

    def run(self, *words: str, **change: str) -> End:
        """Run `python -m serving` to its end."""
        return self.end(self.start(*words, **change))

    def ready(self, process: subprocess.Popen[str]) -> str:
        """Return the block that a start prints when it is ready."""
        assert process.stdout is not None
        block = ""
        while "curl " not in block:
            line = process.stdout.readline()
            assert line, f"ended without being ready: {process.communicate()[1]}"
            block += line
        return block

    def engine(self) -> psutil.Process:
        """Return the process that became the engine."""
        (found,) = [p for p in self.inhabitants() if "--uds" in p.cmdline()]
        return found

    def inhabitants(self) -> list[psutil.Process]:
        """Return every living process of this room, whoever its parent is by now."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    found += [process] if process.environ().get("ROOM") == self.mark else []
        return found

    def empties(self) -> bool:
        """Wait until nobody is left; say whether that came to pass."""
        give_up = time.monotonic() + WAIT_SECONDS
        while self.inhabitants() and time.monotonic() < give_up:
            time.sleep(0.05)
        return not self.inhabitants()


@pytest.fixture
def room() -> Iterator[Room]:
    """Return a room whose path is short enough for sockets; it is empty in the end."""
    with tempfile.TemporaryDirectory(prefix="room-") as name:
        room = Room(Path(name), *free_ports(2))
        write_checkpoint(room.model)
        try:
            yield room
        finally:
            for process in room.inhabitants():
                with suppress(psutil.Error):
                    process.kill()


@pytest.fixture
def nvidia_smi(room: Room) -> Callable[[str], dict[str, str]]:
    """Return a function that puts one GPU into the room and gives the variables that show it."""

    def install(gpu: str) -> dict[str, str]:
        folder = room.folder / "bin"
        folder.mkdir()
        program = folder / "nvidia-smi"
        program.write_text(
            f'#!/bin/sh\ncase "$*" in *--query-gpu*) echo "GPU-1, 0, {gpu}";; esac\n'
        )
        program.chmod(0o755)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "CUDA_VISIBLE_DEVICES": "0"}

    return install


def write_checkpoint(folder: Path) -> None:
    """Write files that pass for a whole checkpoint, with one tensor of two bytes."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text("{}")
    head = json.dumps({"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + b"\0\0")

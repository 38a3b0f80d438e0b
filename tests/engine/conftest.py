"""One endpoint, with the real engine and the tiny model, started once a run for every test here."""

import base64
import importlib.util
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from PIL import Image, ImageDraw
from prometheus_client.parser import text_string_to_metric_families

from serving.ports import free_ports
from tests.otlp import Collector, collector

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "serving" / "tiny_model" / "checkpoint"
START_SECONDS = 600
STOP_SECONDS = 120
# How long an answer is waited for; no verdict hangs on when it comes.
ANSWER_SECONDS = 300
COLOURS = {"red": (220, 30, 30), "green": (30, 170, 60), "blue": (40, 60, 220)}

DrawCircle = Callable[[str, str], bytes]
Part = dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """A started `serving up`: where it answers, what it prints, and how it is ended."""

    process: subprocess.Popen[bytes]
    url: str
    admin_url: str
    socket: Path
    output: Path
    # One for all: making a client costs more than a request.
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=ANSWER_SECONDS))

    def words(self) -> str:
        """Return the last words of it and of its engine, for the message of a failure."""
        logs = [self.output, *self.output.parent.rglob("engine-*.log")]
        return "\n".join(log.read_text(errors="replace")[-3000:] for log in logs)

    def family(self) -> list[psutil.Process]:
        """Return it and every process below it."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def engine_metric(self, name: str, **labels: str) -> float:
        """Return a metric of the engine, summed over the labels that are not given."""
        page = self.http.get(f"{self.admin_url}/engine/metrics").raise_for_status().text
        return sum(
            sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def wait_until_ready(self) -> None:
        """Return once the admin port says so; fail with its last words where it does not."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"serving up ended with {self.process.returncode}:\n{self.words()}")
            with suppress(httpx.TransportError):
                if self.http.get(f"{self.admin_url}/readyz").status_code == 200:
                    return
            time.sleep(0.5)
        pytest.fail(f"serving up was not ready within {START_SECONDS} s:\n{self.words()}")

    def stop(self) -> tuple[int, list[psutil.Process]]:
        """Ask it to end; return its exit code and the processes that it left behind, now killed."""
        family = self.family() if self.process.poll() is None else []
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS), [p for p in family if is_alive(p)]
        finally:
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait()


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process still runs; one that only waits to be collected does not."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the test that ends the endpoint come last."""
    items.sort(key=lambda item: item.path == Path(__file__).with_name("test_shutdown.py"))


def require_engine() -> None:
    """Skip where the engine or the model is missing, saying how to get them."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed; enable: make test")
    if not (CHECKPOINT / "model.safetensors").exists():
        pytest.skip("the tiny model has no checkpoint; enable: make train")


@pytest.fixture(scope="session")
def collected() -> Iterator[Collector]:
    """Run a collector for the traces of the endpoint, of gateway and engine alike."""
    with collector() as kept:
        yield kept


@pytest.fixture(scope="session")
def endpoint(collected: Collector) -> Iterator[Endpoint]:
    """Start `serving up` with the tiny model on free ports; it must end with exit code 0."""
    require_engine()
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        running = start(
            Path(folder),
            SERVING_GATEWAY__OTLP_TRACES_ENDPOINT=collected.url,
            SERVING_ENGINE__OTLP_TRACES_ENDPOINT=collected.url,
            OTEL_BSP_SCHEDULE_DELAY="200",
        )
        try:
            running.wait_until_ready()
            yield running
        finally:
            ended, words = running.stop(), running.words()
        assert ended == (0, []), words


def variables(folder: Path) -> dict[str, str]:
    """Return the variables of a program whose sockets are in a folder, apart from the caller's."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith("SERVING_")}
    return kept | {
        "HOST": "127.0.0.1",
        "PROFILE": "cpu",
        "MODEL": "tiny",
        "XDG_RUNTIME_DIR": str(folder),
        "SERVING_ENGINE__LISTEN": str(folder / "engine.sock"),
        "SERVING_GATEWAY__MEDIA_PRIVATE_NETWORKS": '["127.0.0.0/8"]',
    }


def start(folder: Path, **more: str) -> Endpoint:
    """Start the program apart from the caller's settings, its output going to a file."""
    port, admin_port = free_ports(2)
    ports = {"PORT": str(port), "ADMIN_PORT": str(admin_port)}
    environment = variables(folder) | ports | more
    output = folder / "output"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving", "up"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    return Endpoint(
        process,
        f"http://127.0.0.1:{port}",
        f"http://127.0.0.1:{admin_port}",
        folder / "engine.sock",
        output,
    )


@pytest.fixture(scope="session")
def client(endpoint: Endpoint) -> Iterator[openai.OpenAI]:
    """Return the official client, which retries nothing here."""
    with openai.OpenAI(
        base_url=f"{endpoint.url}/v1", api_key="none", max_retries=0, timeout=ANSWER_SECONDS
    ) as official:
        yield official


@pytest.fixture(scope="session")
def tokenizer(endpoint: Endpoint) -> Any:
    """Return the model's tokenizer, as the independent judge of every count."""
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415 — seconds that a skip saves

    return PreTrainedTokenizerFast.from_pretrained(CHECKPOINT)


@pytest.fixture(scope="session")
def circle() -> DrawCircle:
    """Return what draws one circle of a colour, 224 x 224, and packs it in a format."""

    def draw(colour: str, packed_as: str) -> bytes:
        picture = Image.new("RGB", (224, 224), (235, 235, 232))
        ImageDraw.Draw(picture).ellipse((62, 58, 162, 158), fill=COLOURS[colour])
        packed = io.BytesIO()
        picture.save(packed, packed_as)
        return packed.getvalue()

    return draw


@pytest.fixture(scope="session")
def circle_part(circle: DrawCircle) -> Callable[[str, str], Part]:
    """Return what makes a message part of such a circle, as a data URL."""

    def part(colour: str, packed_as: str = "PNG") -> Part:
        data = base64.b64encode(circle(colour, packed_as)).decode()
        url = f"data:image/{packed_as.lower()};base64,{data}"
        return {"type": "image_url", "image_url": {"url": url}}

    return part

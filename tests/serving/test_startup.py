"""What a person reads while the engine starts, when it is ready, and when it has died."""

import base64
import importlib.util
import io
import json
import logging
import shlex
import time
from pathlib import Path

import pytest
from PIL import Image

from serving.options import GatewaySettings
from serving.startup import (
    ENGINE_PHASES,
    Phases,
    Ready,
    api_url,
    download_bar,
    reason_of_death,
)

# The lines of a real start of vLLM 0.32.0 on a CPU, shortened.
START_LOG = Path(__file__).parents[1] / "data" / "vllm_start.log"


def phases_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the names of the phases reported so far."""
    return [record.phase for record in caplog.records if hasattr(record, "phase")]


def test_phases_are_found_in_a_real_log(caplog: pytest.LogCaptureFixture) -> None:
    """Each phase ends once, in order; a start without compilation has no such phase."""
    caplog.set_level(logging.INFO)
    phases = Phases()
    for line in START_LOG.read_text().splitlines():
        phases.read(line)
    assert phases_in(caplog) == ["environment", "weights", "warm-up"]
    for line in START_LOG.read_text().splitlines():
        phases.read(line)
    assert len(phases_in(caplog)) == 3, "a phase that ended stays ended"


def test_a_phase_lasts_from_the_end_of_the_one_before(caplog: pytest.LogCaptureFixture) -> None:
    """Times add up to the whole start."""
    caplog.set_level(logging.INFO)
    began = time.perf_counter()
    phases = Phases()
    for name in ("download", "weights", "ready"):
        time.sleep(0.02)
        phases.done(name)
    took = time.perf_counter() - began
    seconds = [record.seconds for record in caplog.records]
    assert all(each >= 0.02 for each in seconds)
    assert sum(seconds) <= took + 0.015, "rounded to 10 ms, three times"
    assert phases.seconds >= sum(seconds) - 0.015


def test_phases_look_for_words_that_vllm_writes() -> None:
    """Every marker stands in the installed vLLM's source, so that no phase is silently lost."""
    spec = importlib.util.find_spec("vllm")
    if spec is None or spec.origin is None:
        pytest.skip("vLLM is not installed; enable: make serve")
    folder = Path(spec.origin).parent
    places = ("v1/engine/core.py", "model_executor/model_loader/default_loader.py")
    source = "".join((folder / p).read_text() for p in (*places, "compilation/monitor.py"))
    assert [name for name, marker in ENGINE_PHASES if marker not in source] == []


def test_a_download_reports_bytes_but_not_every_one(caplog: pytest.LogCaptureFixture) -> None:
    """In a log, where no bar can be drawn, progress is a rare line with both numbers."""
    caplog.set_level(logging.INFO)
    with download_bar() as show:
        for done in range(1, 100):
            show(done, 100)
    (record,) = [r for r in caplog.records if r.message == "downloading"]
    assert (record.bytes, record.of_bytes) == (1, 100)


def ready(**change: object) -> Ready:
    """Return a usual start with the tiny model, changed where a test says so."""
    usual = {
        "url": "http://127.0.0.1:8000",
        "admin_url": "http://127.0.0.1:9000",
        "model": "tiny-qwen3-vl",
        "names": ("tiny-qwen3-vl", "tiny", "qwen/qwen3-vl-8b-thinking"),
        "context": 16_384,
        "max_output_tokens": 32_768,
        "max_images": 8,
        "has_keys": False,
        "has_page": True,
        "seconds": 31.25,
    }
    return Ready(**{**usual, **change})  # type: ignore[arg-type]  # a table of fields


def curl_of(block: str) -> list[str]:
    """Return the words of the command that the block offers."""
    (line,) = [line for line in block.splitlines() if line.startswith("curl ")]
    return shlex.split(line)


@pytest.mark.parametrize("has_page", [True, False])
def test_the_block_shows_the_page_that_there_is(has_page: bool) -> None:
    """Its address is on the first line, for a click."""
    shown = "http://127.0.0.1:8000/   (" in ready(has_page=has_page).block()
    assert shown == has_page


def test_the_curl_line_can_be_pasted() -> None:
    """A shell reads it as one request with a picture that opens and a question about it."""
    words = curl_of(ready().block())
    assert words[:3] == ["curl", "-s", "http://127.0.0.1:8000/v1/chat/completions"]
    assert words[3:6] == ["-H", "content-type: application/json", "-d"]
    body = json.loads(words[6])
    assert body["model"] == "tiny-qwen3-vl"
    picture, question = body["messages"][0]["content"]
    packed = picture["image_url"]["url"].removeprefix("data:image/png;base64,")
    with Image.open(io.BytesIO(base64.b64decode(packed, validate=True))) as opened:
        assert opened.format == "PNG"
        assert min(opened.size) >= 32
    assert question["text"]


def test_the_block_says_what_is_served_and_how_far_it_reaches() -> None:
    """URL, model and its other names, context, limits and seconds stand in it."""
    block = ready().block()
    for said in ("31.2 s", "http://127.0.0.1:8000/v1", "16,384 tokens", "8 a request", "0/docs"):
        assert said in block
    assert "also as tiny, qwen/qwen3-vl-8b-thinking" in block
    assert "answers up to 16,384 tokens" in block, "output never exceeds the context"
    assert "http://127.0.0.1:9000/metrics" in block


@pytest.mark.parametrize("has_keys", [True, False])
def test_the_block_says_whether_a_key_is_needed(has_keys: bool) -> None:
    """With keys the curl line has a place for one; without, the block says why none is needed."""
    block = ready(has_keys=has_keys).block()
    assert ("authorization: Bearer YOUR_KEY" in curl_of(block)) == has_keys
    assert ("bearer key needed" in block) == has_keys
    assert ("only this machine" in block) != has_keys


def test_a_toys_answers_are_called_a_toys() -> None:
    """The tiny model is named as what it is, with the way to the real one; the real one is not."""
    assert "toy" in ready().block()
    assert "MODEL=Qwen/Qwen3-VL-8B-Thinking" in ready().block()
    real = ready(model="Qwen/Qwen3-VL-8B-Thinking", names=("Qwen/Qwen3-VL-8B-Thinking",)).block()
    assert "toy" not in real
    assert "also as" not in real


CORE = "(EngineCore pid=10468) ERROR 11-21 10:11:36 [core.py:1204] "
API = "(APIServer pid=10059) "
NO_ROOM = "ValueError: No available memory for the cache blocks."
POINTER = (
    "RuntimeError: Engine core initialization failed. See root cause above. "
    "Failed core proc(s): {'EngineCore': 1}"
)
FAILED_START = [
    f"{CORE}EngineCore failed to start.",
    f"{CORE}Traceback (most recent call last):",
    f'{CORE}  File "core.py", line 1180, in run_engine_core',
    f"{CORE}{NO_ROOM}",
    f"{API}Traceback (most recent call last):",
    f'{API}  File "entry.py", line 20, in <module>',
    f"{API}{POINTER}",
]


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        pytest.param(["Traceback", "  File x", "OSError: gone"], "OSError: gone", id="plain"),
        pytest.param([f"{CORE}{NO_ROOM}"], NO_ROOM, id="behind vLLM's prefix"),
        pytest.param(FAILED_START, NO_ROOM, id="the cause, not vLLM's pointer to it"),
        pytest.param([f"{API}{POINTER}"], POINTER, id="the pointer where nothing else is known"),
        pytest.param(
            ["KeyError: 'a'", "During handling of it:", "torch.OutOfMemoryError: CUDA"],
            "torch.OutOfMemoryError: CUDA",
            id="the last of a chain",
        ),
        pytest.param(["usage: x", "x: Killed"], "x: Killed", id="the kernel's word"),
    ],
)
def test_reason_of_death_is_the_error_itself(log: list[str], reason: str) -> None:
    """The first line is the sentence that explains the end, without vLLM's prefix."""
    assert reason_of_death("\n".join([*log, "a last word"])).splitlines()[0] == reason


def test_reason_of_death_ends_in_the_last_lines() -> None:
    """They follow without prefix and empty lines, however long the log; a silent end has none."""
    log = "\n\n".join(f"{API}INFO 11-21 10:11:38 [entry.py:140] line {n}" for n in range(50))
    said = reason_of_death(log).splitlines()
    assert said == ["last lines of its log:", *(f"  line {n}" for n in range(38, 50))]
    assert reason_of_death("") == "last lines of its log:"


def test_a_refused_start_has_its_sentence_alone() -> None:
    """What the launcher said is the whole reason, over as many lines as it took."""
    said = "The settings contradict each other:\n- this\n- that\nChange these."
    log = f'{{"level": "info"}}\nCannot start: {said}\n'
    assert reason_of_death(log) == said


@pytest.mark.parametrize(
    ("host", "names", "url"),
    [
        ("127.0.0.1", (), "http://127.0.0.1:8000"),
        ("::", ("api.test", "127.0.0.1"), "https://127.0.0.1:8000"),
        ("::", ("*.test", "api.test"), "https://api.test:8000"),
        ("::1", (), "https://[::1]:8000"),
        ("::1", ("::1",), "https://[::1]:8000"),
        ("127.0.0.1", ("*.test",), "https://127.0.0.1:8000"),
    ],
)
def test_the_address_is_one_that_the_certificate_holds(host: str, names: tuple, url: str) -> None:
    """Under TLS it is https, by a name that a client can check."""
    files = {"tls_cert_file": "c.pem", "tls_key_file": "k.pem"} if url.startswith("https") else {}
    assert api_url(GatewaySettings(host=host, **files), names) == url


def test_the_block_tells_how_a_ca_of_ones_own_is_trusted() -> None:
    """Under TLS only; the curl line has the same address."""
    block = ready(url="https://api.test:8000").block()
    assert "--cacert" in block
    assert "SSL_CERT_FILE" in block
    assert curl_of(block)[2] == "https://api.test:8000/v1/chat/completions"
    assert "SSL_CERT_FILE" not in ready().block()

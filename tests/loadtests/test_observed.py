"""The watcher of a service's metrics: what it reads, what it leaves out, and that it ends."""

import http.server
import io
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from loadtests import observed
from loadtests.observed import OBSERVED, Observer, Page, Reading, observe, observed_in, reading
from serving.ports import free_ports
from tests.contracts import metric_list

PATIENCE_SECONDS = 60
EVERY_SECONDS = 0.05
RUNNING, PREFIX = "vllm:num_requests_running", "vllm:prefix_cache_hits_total"
OF_EVERY_PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
NOWHERE = "http://127.0.0.1:1/metrics"  # a port that nothing listens on
PAGE = """# HELP vllm:num_requests_running Number of requests
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a } b"} 3.0
vllm:num_requests_running{engine="1",model_name="x"} 4
vllm:num_requests_running_of_others 100
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.75
gateway_requests_queued 2.0 1700000000000
secret_metric{key="canary"} 1
"""


def wait_until(condition: Callable[[], object]) -> None:
    """Return once a condition holds."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.01)


def lines(path: Path) -> list[Reading]:
    """Read what was written so far, as far as lines are whole."""
    written = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [msgspec.json.decode(line, type=Reading) for line in written if line.endswith(b"\n")]


def watchers() -> list[psutil.Process]:
    """Return the watchers that this process has started and that still run."""
    running = (c for c in psutil.Process().children() if c.status() != psutil.STATUS_ZOMBIE)
    return [child for child in running if "loadtests.observed" in child.cmdline()]


@contextmanager
def served(port: int, page: str = PAGE) -> Iterator[str]:
    """Serve a page at a port of this machine within the block."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page.encode()
            self.send_response(200 if self.path == "/metrics" else 503)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output for the tests."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/metrics"
        finally:
            server.shutdown()
            thread.join(PATIENCE_SECONDS)


def test_every_observed_metric_is_one_that_there_is() -> None:
    """A name that was misspelt or given up would show nothing."""
    paths = (metric_list.GATEWAY_LIST, metric_list.VLLM_LIST)
    listed = {metric.name for path in paths for metric in metric_list.read(path)}
    assert OBSERVED - listed == OF_EVERY_PROCESS - listed


def test_a_page_is_read_by_name() -> None:
    """Series of a name are added up, of a share the highest counts, all other names are left."""
    assert observed_in(PAGE) == {
        RUNNING: 7.0,
        "vllm:kv_cache_usage_perc": 0.75,
        "gateway_requests_queued": 2.0,
    }


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_a_number_that_json_has_not_is_left_out(value: str) -> None:
    """Prometheus's text has it; a line of the file could not be read back."""
    assert observed_in(f"{RUNNING} {value}\n{PREFIX} 1\n") == {PREFIX: 1.0}


def test_a_sum_without_a_part_is_a_gap() -> None:
    """Where one of two pods does not answer, what only the other tells is told."""
    one, other = Page(NOWHERE), Page("http://127.0.0.1:2/metrics")
    one.known, other.known = frozenset({RUNNING, PREFIX}), frozenset({RUNNING})
    both = reading(1.0, [(one, {RUNNING: 2, PREFIX: 9}), (other, {RUNNING: 3})])
    assert both == Reading(1.0, {PREFIX: 9, RUNNING: 5})
    half = reading(2.0, [(one, {RUNNING: 2, PREFIX: 9}), (other, None)])
    assert half == Reading(2.0, {PREFIX: 9}, silent=("127.0.0.1:2/metrics",))


@pytest.mark.parametrize(
    "page", ["vllm:num_requests_running{} nonsense", "vllm:num_requests_running"]
)
def test_what_is_no_page_of_metrics_counts_as_silence(page: str) -> None:
    """A page that cannot be read is a gap, and ends nothing."""
    with served(0, page) as url:
        assert Page(url).read() is None


def test_an_answer_that_is_no_success_counts_as_silence() -> None:
    """The gateway tells 503 where the engine is away."""
    with served(0) as url:
        assert Page(url.replace("/metrics", "/engine/metrics")).read() is None


def test_moments_that_were_missed_are_not_made_up() -> None:
    """After a page that took five turns and a half the next reading is at the next turn."""
    now, took = [100.0], iter([0.0, 5.5, 0.25, 0.25])
    turns: list[float] = []

    class Slow(Page):
        def read(self) -> dict[str, float]:
            now[0] += next(took)
            return {RUNNING: 1.0}

    def wait(seconds: float) -> bool:
        now[0] += max(0.0, seconds)
        turns.append(now[0])
        return len(turns) > 4

    out = io.BytesIO()
    observe([Slow(NOWHERE)], out, lambda: now[0], wait, every_seconds=1.0)
    told = [msgspec.json.decode(line, type=Reading) for line in out.getvalue().splitlines()]
    assert turns == [100.0, 101.0, 107.0, 108.0, 109.0]
    assert [line.at for line in told] == [100.0, 106.5, 107.25, 108.25]


def test_it_watches_through_an_outage(tmp_path: Path) -> None:
    """Values, then silence that is named, then values again, on the clock that the load has."""
    (port,) = free_ports(1)
    path, began = tmp_path / "metrics.jsonl", time.perf_counter()
    with Observer([f"http://127.0.0.1:{port}/metrics"], path, began, EVERY_SECONDS):
        with served(port):
            wait_until(lambda: any(line.values for line in lines(path)))
        before = len(lines(path))
        wait_until(lambda: any(line.silent for line in lines(path)[before:]))
        with served(port):
            away = len(lines(path))
            wait_until(lambda: any(line.values for line in lines(path)[away:]))
    told = lines(path)
    ended = time.perf_counter() - began
    assert [line.at for line in told] == sorted(line.at for line in told)
    assert 0 < told[0].at <= told[-1].at <= ended
    assert {line.values[RUNNING] for line in told if line.values} == {7.0}
    assert {line.silent for line in told} == {(), (f"127.0.0.1:{port}/metrics",)}


def test_it_is_polite_and_ends_with_its_block(tmp_path: Path) -> None:
    """It yields to the load's client, and nothing of it is left."""
    observer = Observer([NOWHERE], tmp_path / "metrics.jsonl", time.perf_counter(), EVERY_SECONDS)
    with observer:
        (child,) = watchers()
        wait_until((tmp_path / "metrics.jsonl").exists)
        assert child.nice() == observed.POLITENESS
    assert not child.is_running()


def test_nothing_is_started_where_there_is_nothing_to_watch(tmp_path: Path) -> None:
    """An endpoint elsewhere shows its API alone."""
    with Observer([], tmp_path / "metrics.jsonl", time.perf_counter()):
        assert watchers() == []
    assert list(tmp_path.iterdir()) == []


PARENT = """
import sys, time
from pathlib import Path
from loadtests.observed import Observer
with Observer([sys.argv[2]], Path(sys.argv[1]), time.perf_counter(), 0.05) as observer:
    print(observer._process.pid, flush=True)
    time.sleep(600)
"""


def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """A load test that dies without a word leaves no watcher behind."""
    path = tmp_path / "metrics.jsonl"
    command = [sys.executable, "-c", PARENT, str(path), NOWHERE]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        wait_until(lambda: path.exists() and lines(path))
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)

"""A real Prometheus for tests: in a temporary folder, on a free port of this machine.

`start_prometheus` starts it with scrape jobs and rule files; it looks at everything every second.
Debian's package.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.ports import free_ports

WAIT_SECONDS = 60.0

Json = dict[str, Any]
Start = Callable[..., "Prometheus"]


class Prometheus:
    """A running server, and the questions that tests ask it."""

    def __init__(self, url: str, log: Path, http: httpx.Client) -> None:
        self.url = url
        self._log = log
        self._http = http

    def query(self, expression: str, at: float | None = None) -> list[Json]:
        """Return an expression's series now, or at a time in seconds since 1970."""
        return self._ask("query", query=expression, **({} if at is None else {"time": at}))

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Json]:
        """Return an expression's series between two times in seconds since 1970."""
        return self._ask("query_range", query=expression, start=start, end=end, step=step)

    def targets(self) -> dict[str, str]:
        """Return the health of what is scraped by address: up, down or unknown."""
        answer = self._http.get(f"{self.url}/api/v1/targets").raise_for_status().json()
        active = answer["data"]["activeTargets"]
        return {target["scrapeUrl"]: target["health"] for target in active}

    def rules(self) -> list[Json]:
        """Return each rule with its health and last error."""
        answer = self._http.get(f"{self.url}/api/v1/rules").raise_for_status().json()
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    def wait(self, condition: Callable[[], object]) -> None:
        """Return once a condition holds."""
        give_up = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert time.monotonic() < give_up, f"it never came true:\n{self.words()}"
            time.sleep(0.1)

    def words(self) -> str:
        """Return its last words."""
        return self._log.read_text(errors="replace")[-3000:]

    def _ask(self, kind: str, **parameters: Any) -> list[Json]:
        answer = self._http.post(f"{self.url}/api/v1/{kind}", data=parameters).json()
        assert answer["status"] == "success", f"{parameters['query']}: {answer['error']}"
        data = answer["data"]
        found: list[Json] = data["result"] if data["resultType"] != "scalar" else [data]
        return found


@contextmanager
def run(jobs: Sequence[Json], rules: Sequence[Path] = ()) -> Iterator[Prometheus]:
    """Run a server with scrape jobs, as its configuration has them, within the block."""
    with tempfile.TemporaryDirectory(prefix="prom-") as name, httpx.Client(timeout=10) as http:
        folder = Path(name)
        [port] = free_ports(1)
        seconds = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        configuration = {
            "global": seconds | {"scrape_timeout": "1s"},
            "rule_files": [str(path.resolve()) for path in rules],
            "scrape_configs": list(jobs),
        }
        # JSON is YAML, and needs no library here.
        (folder / "prometheus.yml").write_text(json.dumps(configuration))
        command = (
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        )
        log = folder / "log"
        with log.open("wb") as sink:
            process = subprocess.Popen(command, cwd=folder, stdout=sink, stderr=sink)
        try:
            server = Prometheus(f"http://127.0.0.1:{port}", log, http)
            server.wait(lambda: _is_ready(process, server, http))
            yield server
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(WAIT_SECONDS)
            process.kill()
            process.wait()


def _is_ready(process: subprocess.Popen[bytes], server: Prometheus, http: httpx.Client) -> bool:
    assert process.poll() is None, server.words()
    with suppress(httpx.TransportError):
        return http.get(f"{server.url}/-/ready").status_code == 200
    return False


def job(name: str, address: str, path: str = "/metrics", **labels: str) -> Json:
    """Return a scrape job of one address, such as 127.0.0.1:9000."""
    targets = {"targets": [address], "labels": dict[str, str](labels)}
    return {"job_name": name, "metrics_path": path, "static_configs": [targets]}


@pytest.fixture(scope="module")
def start_prometheus() -> Iterator[Start]:
    """Start servers, which end with the module; takes what `run` takes."""
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed; enable: make ci-deps")
    with ExitStack() as running:

        def start(jobs: Sequence[Mapping[str, Any]], rules: Sequence[Path] = ()) -> Prometheus:
            return running.enter_context(run([dict(each) for each in jobs], rules))

        yield start

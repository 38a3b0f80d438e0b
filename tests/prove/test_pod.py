"""A pool's pod, rehearsed: the rendered containers as processes, with folders instead of volumes.

What a kubelet would do with them is done here in its order: start, probes, preStop, SIGTERM.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from serving.ports import free_ports
from tests.helm.pods import containers_of, environment_of, pod_of, settings_of
from tests.helm.rendering import CHART, ROOT, Json, render

# Paths of the containers that are folders of the test here.
MOUNTS = ("/app", "/launcher", "/etc/qwen3-vl-keys", "/etc/qwen3-vl", "/run/qwen3-vl", "/cache")
READY_SECONDS = 300
END_SECONDS = 120
COUNT = {"role": "user", "content": "Count aloud from 1 to 120."}


@dataclass
class Pod:
    """The processes of one pod and where they answer."""

    folder: Path
    containers: dict[str, Json]
    port: int
    admin_port: int
    key: str
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def client(self) -> httpx.Client:
        """Return a client with the key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=END_SECONDS
        )

    def start(self, name: str) -> None:
        """Start a container's process, its output in a file of its name."""
        command = self.command(name, self.containers[name])
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, **self.surroundings(name)
            )

    def run(self, name: str, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command within a container, as a hook does."""
        return subprocess.run(
            self.mapped([*command]), capture_output=True, text=True, check=False,
            timeout=END_SECONDS, **self.surroundings(name),
        )  # fmt: skip

    def command(self, name: str, container: Json) -> list[str]:
        """Return a container's program; the gateway's image has its own entry point."""
        own = container.get("command") or ["python", "-m", "serving"]
        return self.mapped([*own, *container.get("args", [])])

    def surroundings(self, name: str) -> dict[str, object]:
        """Return the environment and the working folder of a container, and nothing of ours."""
        container = self.containers[name]
        environment = environment_of(container) if container.get("env") else {}
        mapped = {key: self.moved(str(value)) for key, value in environment.items()}
        cwd = self.folder / "app" if name == "gateway" else self.folder
        return {"env": {"PATH": os.environ["PATH"], **mapped}, "cwd": cwd}

    def mapped(self, command: list[str]) -> list[str]:
        """Return a command with this machine's Python and folders."""
        program, *words = command
        python = sys.executable if program in {"python", "python3"} else program
        return [python, *(self.moved(word) for word in words)]

    def moved(self, text: str) -> str:
        """Return a text with the containers' paths moved into the test's folder."""
        for mount in MOUNTS:
            if text == mount or text.startswith(f"{mount}/"):
                return f"{self.folder}{text}"
        return text

    def probe(self, container: str, kind: str) -> int:
        """Return the status that a probe gets, 0 for none."""
        path = self.containers[container][kind]["httpGet"]["path"]
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5).status_code
        return 0

    def wait_for(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        """Return once something holds; fail with the logs where it does not or a process ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if holds():
                return
            time.sleep(0.2)
        logs = "\n".join(each.read_text()[-3000:] for each in self.folder.glob("*.log"))
        pytest.fail(f"{what} did not happen within {seconds:g} s:\n{logs}")

    def end(self, name: str) -> int:
        """Send SIGTERM and return the exit code."""
        self.running[name].terminate()
        return self.running[name].wait(END_SECONDS)


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """Yield the pod of the chart's tiny pool, nothing of it started."""
    folder = tmp_path_factory.mktemp("pod")
    rendered = render(None, CHART / "ci" / "tiny-on-cpu.yaml")
    [deployment] = rendered.all("Deployment")
    pool = deployment["metadata"]["labels"]["app.kubernetes.io/component"]
    containers = containers_of(pod_of(rendered, pool))
    for mount in MOUNTS:
        (folder / mount.strip("/")).mkdir(parents=True, exist_ok=True)
    key = _write_key(folder / "etc" / "qwen3-vl-keys" / "keys.yaml")
    shutil.copytree(
        ROOT / "serving", folder / "app" / "serving", ignore=shutil.ignore_patterns("__pycache__")
    )
    port, admin_port = free_ports(2)
    pod = Pod(folder, containers, port, admin_port, key)
    settings = settings_of(rendered, pool)
    settings["gateway"] |= {"port": port, "admin_port": admin_port, "drain_grace_seconds": 2}
    for group, option in (("engine", "listen"), ("gateway", "keys_file")):
        settings[group][option] = pod.moved(settings[group][option])
    (folder / "etc" / "qwen3-vl" / "settings.yaml").write_text(json.dumps(settings))
    yield pod
    for process in pod.running.values():
        if process.poll() is None:
            process.kill()
            process.wait()


def _write_key(file: Path) -> str:
    made = subprocess.run(
        [sys.executable, "-m", "serving", "keys", "hash", "alice", "--new"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    file.write_text(f"keys:\n{made.stdout}")
    return next(word for word in made.stderr.split() if word.startswith("sk-"))


def test_a_pod_starts_serves_drains_and_ends(pod: Pod) -> None:
    """The launcher is copied, both processes find each other, no answer is cut, all end well."""
    pod.start("launcher")
    assert pod.running["launcher"].wait(END_SECONDS) == 0
    pod.start("gateway")
    pod.wait_for("a gateway", lambda: pod.probe("gateway", "startupProbe") == 200, 60)
    assert pod.probe("gateway", "readinessProbe") == 503
    assert pod.probe("engine", "startupProbe") == 503
    pod.start("engine")
    pod.wait_for("a start", lambda: pod.probe("engine", "startupProbe") == 200, READY_SECONDS)
    pod.wait_for("readiness", lambda: pod.probe("gateway", "readinessProbe") == 200, 60)
    assert pod.probe("engine", "livenessProbe") == 200

    lines: list[str] = []
    stream = threading.Thread(target=_stream, args=(pod, lines))
    stream.start()
    pod.wait_for("a running answer", lambda: bool(lines), 60)
    assert lines[-1] != "data: [DONE]"
    hook = pod.containers["engine"]["lifecycle"]["preStop"]["exec"]["command"]
    drained = pod.run("engine", hook)
    stream.join(END_SECONDS)
    assert drained.returncode == 0, drained.stdout + drained.stderr
    assert lines[-1] == "data: [DONE]"
    refused = pod.client.post("/v1/chat/completions", json={"model": "tiny", "messages": [COUNT]})
    assert refused.status_code == 503 and refused.headers["Retry-After"]
    assert pod.probe("gateway", "readinessProbe") == 503
    assert pod.end("engine") == 0
    assert pod.end("gateway") == 0


def _stream(pod: Pod, lines: list[str]) -> None:
    body = {"model": "tiny", "messages": [COUNT], "stream": True}
    with pod.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200
        lines.extend(line for line in answer.iter_lines() if line)

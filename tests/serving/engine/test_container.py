"""The first process of a container: it ends when it is told to, and clears what is its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from serving.engine import container, launcher
from serving.options import EngineSettings
from serving.ports import free_ports

ROOT = Path(__file__).parents[3]
WAIT_SECONDS = 60
FIRST = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
# Stands for seconds of imports, before a program has set its own way out.
SLOW_IMPORT = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "serving.gateway.server":
            print("loading", flush=True)
            time.sleep(600)
sys.meta_path.insert(0, Slow())
"""
SLOW_ENGINE = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}


def ended_by_sigterm(*words: str, path: Path) -> int:
    """Start Python as a container's first process, end it once it speaks; return its exit code."""
    tried = subprocess.run([*FIRST, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"namespaces are not allowed here: {tried.stderr.strip()}")
    started = subprocess.Popen(
        [*FIRST, sys.executable, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with started:
        assert started.stdout is not None and started.stdout.readline()
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text()
        os.kill(int(children), signal.SIGTERM)
        try:
            return started.wait(WAIT_SECONDS)
        finally:
            started.kill()


def test_an_engine_that_is_still_loading_ends_at_once() -> None:
    """Before vLLM listens to signals; a pod would keep its GPU for the whole grace period."""
    assert ended_by_sigterm("-c", SLOW_ENGINE, path=launcher.SHIMS) == 128 + signal.SIGTERM


def test_a_gateway_that_is_still_loading_ends_at_once(tmp_path: Path) -> None:
    """The same before the gateway's own signals are set up."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_IMPORT)
    assert ended_by_sigterm("-m", "serving", "gateway", path=tmp_path) != 0


@pytest.mark.parametrize(
    ("pid", "environ", "left"),
    [(1, IN_A_POD, {"folder"}), (1, {}, {"psm_a", "folder"}), (7, IN_A_POD, {"psm_a", "folder"})],
)
def test_only_the_first_process_of_a_pod_clears_its_shared_memory(
    pid: int,
    environ: dict[str, str],
    left: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside other processes, or with a machine's own /dev/shm, a file may be somebody else's."""
    (tmp_path / "psm_a").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(os, "getpid", lambda: pid)
    container.clear_shared_memory(environ, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == left


def test_an_engine_clears_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the address is its own, and before vLLM makes its buffers."""
    done: list[str] = []
    monkeypatch.setattr(launcher, "clear_shared_memory", lambda: done.append("cleared"))
    monkeypatch.setattr(launcher.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(os, "execve", lambda *_: done.append("started"))
    [port] = free_ports(1)
    engine = EngineSettings(listen=f"tcp://127.0.0.1:{port}")
    launcher.start(launcher.Launch(engine=engine, argv=[], environment={}, arithmetic=[]))
    assert done == ["cleared", "started"]

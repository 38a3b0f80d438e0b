"""Several load processes: what they send together, and what happens when one of them dies."""

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict

import pytest

from serving.ports import free_ports
from tests.loadtests.labs import LAB, TIMEOUT_SECONDS, laboratory, play, told
from tests.loadtests.swarm.test_swarm import after, hanging, serving

STEPS = [
    {"rate": 30, "seconds": 3},
    {"rate": 10, "until": 50, "seconds": 2},
    {"rate": 20, "arrivals": "constant", "seconds": 1},
]


def alive(pid):
    """Tell whether a process runs; one that has ended and waits for its parent does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123 - of the kernel
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_two_workers_send_what_one_process_sends():
    """The same requests, at the same times of each step, with the same bodies, each once."""
    bodies = []
    times = []
    for workers in (0, 2):
        with serving(after(0.05)) as server:
            plan = {"name": "p", "url": server.url, "workers": workers, "steps": STEPS}
            found = play([plan])["p"]
            began = [step.began_seconds for step in found["step"]]
            times.append(
                {
                    (record.step, record.number): record.scheduled_seconds - began[record.step]
                    for record in found["record"]
                }
            )
            assert len(times[-1]) == len(found["record"])
            assert {step.stopped for step in found["step"]} == {None}
            bodies.append(sorted(str(body) for body in server.sent.bodies))
    one, two = times
    assert sorted(one) == sorted(two)
    assert [two[each] for each in sorted(two)] == pytest.approx(
        [one[each] for each in sorted(one)], abs=1e-3
    )
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_lost_worker_ends_the_step_with_a_reason(kill):
    """The others end what they have in flight; nothing hangs and no process is left."""
    with serving(after(0.1)) as server:
        plan = {
            "name": "p",
            "url": server.url,
            "workers": 2,
            "steps": [{"users": 4, "seconds": 600}],
        }
        pids, lost = [], []

        def react(line):
            if line.what == "began":
                pids.extend(
                    int(pid) for pid, command in line.processes.items() if "worker" in command
                )
            if line.what == "told" and line.answered and not lost:
                lost.append(pids[0])
                os.kill(pids[0], kill)

        with laboratory([plan]) as process:
            found = told(process, react)["p"]
        assert process.returncode == 0
    (step,) = found["step"]
    assert "was lost" in step.stopped
    assert step.ended_seconds - step.began_seconds < 300
    assert {record.outcome for record in found["record"]} == {"answered"}
    assert len({record.number for record in found["record"]}) == len(found["record"])
    assert not [pid for pid in pids if alive(pid)]


def test_workers_end_when_their_master_is_killed():
    """Without a word from it, within seconds; nothing they started is left either."""
    with serving(after(0.1)) as server:
        plan = {
            "name": "p",
            "url": server.url,
            "workers": 2,
            "steps": [{"users": 4, "seconds": 600}],
        }
        pids = []

        with laboratory([plan]) as process:

            def react(line):
                if line.what == "began":
                    pids.extend(
                        int(p) for p, command in line.processes.items() if "worker" in command
                    )
                if line.what == "told" and line.answered:
                    process.kill()

            told(process, react)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while [pid for pid in pids if alive(pid)] and time.monotonic() < deadline:
            time.sleep(0.1)
    assert len(pids) == 2
    assert not [pid for pid in pids if alive(pid)]


def test_an_interrupt_reaches_the_workers():
    """One Ctrl-C: each request in flight is recorded, once, by the worker that sent it."""
    with serving(hanging(6)) as server:
        plan = {
            "name": "p",
            "url": server.url,
            "workers": 2,
            "steps": [{"users": 4, "seconds": 600}],
        }
        sent = []
        with laboratory([plan]) as process:

            def react(line):
                if line.what == "told" and line.in_flight == 4 and not sent:
                    sent.append(line)
                    process.send_signal(signal.SIGINT)

            found = told(process, react)["p"]
        assert process.returncode == 0
        asked = len(server.sent.bodies)
    (step,) = found["step"]
    outcomes = defaultdict(int)
    for record in found["record"]:
        outcomes[record.outcome] += 1
    assert step.interrupted
    assert outcomes == {"answered": 6, "censored": 4}
    assert asked == len(found["record"])


def test_workers_of_other_machines_come_to_the_master():
    """It waits at its address for as many as it was told, and starts none itself."""
    (port,) = free_ports(1)
    with serving(after(0.05)) as server:
        steps = [{"rate": 20, "seconds": 1}]
        bind = f"127.0.0.1:{port}"
        plan = {"name": "p", "url": server.url, "workers": 1, "bind": bind, "steps": steps}
        address = ["--master-host", "127.0.0.1", "--master-port", str(port)]
        command = [sys.executable, str(LAB), "worker", *address]
        with (
            laboratory([plan]) as process,
            subprocess.Popen(command, stdin=subprocess.DEVNULL) as worker,
        ):
            found = told(process)["p"]
            assert worker.wait(TIMEOUT_SECONDS) == 0
        assert process.returncode == 0
    assert not [c for c in found["began"][0].processes.values() if "worker" in c]
    assert found["step"][0].stopped is None
    assert len(found["record"]) == len(server.sent.bodies) > 0


def test_a_worker_that_cannot_prepare_ends_the_run_before_the_load():
    """Its sentence is the master's."""
    with serving(after(0)) as server:
        plan = {"name": "p", "url": server.url, "workers": 1, "scenario": "broken", "steps": []}
        found = play([plan])["p"]
    assert [line.error for line in found["error"]] == [
        "A worker cannot prepare the load: Nothing fits."
    ]

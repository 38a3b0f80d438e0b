"""Runs a command and tells what it cost: CPU seconds of all its processes.

`python -m deploy.benchmarks.load_clients.meter CORE COMMAND...` keeps the command on one core and
prints one JSON object. It is a process of its own because it adopts what the command leaves behind:
the kernel adds a process's time to its parent's only when the parent waits for it.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 5.0
NICENESS = -15


def main(core: str, command: list[str]) -> int:
    """Run the command to its end; its output goes to standard error."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.sched_setaffinity(0, {int(core)})
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=sys.stderr, start_new_session=True)  # noqa: S603
    prefer(process.pid)
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
    code = process.wait()
    seconds = time.monotonic() - began
    _adopt_and_end(process.pid)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {"code": code, "seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


def prefer(leader: int) -> None:
    """Run a session's processes before all others, where this user may say so."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, leader, NICENESS)
        # Linux weighs sessions against each other first, where it groups them.
        Path(f"/proc/{leader}/autogroup").write_text(str(NICENESS))


def _adopt_and_end(group: int) -> None:
    """Wait for processes that the command left behind; end its session when they stay."""
    give_up = time.monotonic() + GRACE_SECONDS
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if ended == 0:
            if time.monotonic() > give_up:
                _kill(group)
                return
            time.sleep(0.05)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

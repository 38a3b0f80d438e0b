"""The workers that look into files: started when needed, one file at a time, replaced when lost."""

import asyncio
import contextlib
import json
import logging
import math
import os
import socket
import subprocess
import sys
from typing import Any, Final

from serving.gateway.body import Piece
from serving.gateway.errors import InternalError, Overloaded
from serving.gateway.inspection.finding import PARSE_ERROR, TOO_LARGE, Limits, Refused
from serving.options import GatewaySettings

logger = logging.getLogger(__name__)

PROGRAM: Final = "serving.gateway.inspection.worker"
START_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 2
ANSWER_BYTES: Final = 4096


class WorkerLost(Exception):
    """A worker ended without an answer."""


class InspectionPool:
    """Asks workers about files; waits and work are bounded by `media_timeout_seconds` each."""

    def __init__(self, gateway: GatewaySettings) -> None:
        self._seconds = gateway.media_timeout_seconds
        self._memory_bytes = gateway.media_worker_memory_bytes
        self._limits = Limits(gateway.max_image_frames, gateway.max_image_side)
        self._free = asyncio.Semaphore(gateway.media_workers)
        self._idle: list[_Worker] = []
        self._ending: list[subprocess.Popen[bytes]] = []

    async def look(self, form: str, base64: Piece) -> dict[str, float]:
        """Return what a worker found in a file of this format.

        Raises Refused, Overloaded where no worker becomes free in time, and InternalError where
        none starts.
        """
        await self._turn()
        try:
            worker = self._living() or await self._start()
            try:
                answer = await self._ask(worker, form, base64)
            except BaseException:  # also where nobody waits any more: the rest is still to come
                self._end(worker)
                raise
            if answer.pop("leaving", False):
                self._end(worker)
            else:
                self._idle.append(worker)
        finally:
            self._free.release()
        if "code" in answer:
            raise Refused(answer["code"], answer["what"])
        return answer

    def close(self) -> None:
        """End all workers."""
        while self._idle:
            self._end(self._idle.pop())
        for process in self._ending:
            process.wait()

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded(
                "The server is busy with other pictures and videos. Please try again later.",
                retry_after_seconds=RETRY_SECONDS,
            ) from None

    def _living(self) -> "_Worker | None":
        """Take an idle worker that nobody has killed; no file is to blame for what befell it."""
        while self._idle:
            worker = self._idle.pop()
            if worker.process.poll() is None:
                return worker
            self._end(worker)
        return None

    async def _start(self) -> "_Worker":
        self._ending = [process for process in self._ending if process.poll() is None]
        try:
            worker = _Worker(self._memory_bytes, math.ceil(self._seconds) + 1)
        except OSError as error:
            logger.error("a media worker did not start: %s", error.strerror)
            raise _no_worker() from None
        try:
            async with asyncio.timeout(START_SECONDS):
                await worker.answer()
        except (WorkerLost, TimeoutError):
            self._end(worker)
            logger.error("a media worker did not start; its own output says why")
            raise _no_worker() from None
        except BaseException:
            self._end(worker)
            raise
        return worker

    async def _ask(self, worker: "_Worker", form: str, base64: Piece) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._seconds):
                await worker.ask(form, base64, self._limits)
                return await worker.answer()
        except TimeoutError:
            raise Refused(
                TOO_LARGE,
                f"takes more than {self._seconds:g} seconds to decode. Send it smaller.",
            ) from None
        except WorkerLost:
            raise Refused(
                PARSE_ERROR, "cannot be decoded: it breaks the decoder. Send another file."
            ) from None

    def _end(self, worker: "_Worker") -> None:
        worker.kill()
        self._ending.append(worker.process)


def _no_worker() -> InternalError:
    return InternalError("The server cannot look into pictures at the moment.")


class _Worker:
    """One process, and the socket to it; raises OSError where there is no room for either."""

    def __init__(self, memory_bytes: int, cpu_seconds: int) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        with theirs, contextlib.ExitStack() as failed:
            failed.callback(self._socket.close)
            self.process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-SP", "-m", PROGRAM, str(memory_bytes), str(cpu_seconds)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={"PYTHONPATH": ":".join(map(os.path.abspath, sys.path))},  # and no secret
                start_new_session=True,  # Ctrl-C is the gateway's
            )
            failed.pop_all()

    async def ask(self, form: str, base64: Piece, limits: Limits) -> None:
        """Send a file, or as much of it as the worker takes before it answers."""
        question = {"format": form, "base64_bytes": len(base64), "limits": limits}
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            await loop.sock_sendall(self._socket, json.dumps(question).encode() + b"\n")
            await loop.sock_sendall(self._socket, base64)

    async def answer(self) -> dict[str, Any]:
        """Return the next answer; raises WorkerLost."""
        line = b""
        while not line.endswith(b"\n"):
            try:
                received = await asyncio.get_running_loop().sock_recv(self._socket, ANSWER_BYTES)
            except OSError:
                received = b""
            if not received:
                raise WorkerLost
            line += received
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        """End the process; whoever holds it waits for it."""
        self._socket.close()
        self.process.kill()

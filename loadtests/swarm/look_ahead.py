"""Requests drawn and encoded before their time, so that no send waits for its body."""

from collections import deque
from collections.abc import Callable, Iterator

from loadtests.failure import LoadError
from loadtests.prompt import Prompt, Request
from loadtests.swarm.orders import Part

MAX_REQUESTS = 64
MAX_BYTES = 64 * 2**20


class LookAhead:
    """The requests of one part of the load, in order; a few of them are always encoded already."""

    def __init__(
        self, prompts: Iterator[Prompt], part: Part, encode: Callable[[Prompt], bytes]
    ) -> None:
        self._numbered = enumerate(prompts)
        self._part = part
        self._encode = encode
        self._ready: deque[Request] = deque()
        self._bytes = 0

    def fill(self) -> bool:
        """Encode one more request, False where enough are; raises LoadError."""
        if len(self._ready) >= MAX_REQUESTS or (self._ready and self._bytes >= MAX_BYTES):
            return False
        number, prompt = self._draw()
        self._keep(Request(number, prompt, self._encode(prompt)))
        return True

    def take(self, number: int, *, encode: bool = True) -> Request:
        """Return the request of this number, leaving out those before it; raises LoadError.

        Without `encode` its body may be empty: it is not going to be sent.
        """
        while self._ready:
            request = self._ready.popleft()
            self._bytes -= len(request.body)
            if request.number == number:
                return request
        drawn, prompt = self._draw()
        while drawn < number:
            drawn, prompt = self._draw()
        return Request(number, prompt, self._encode(prompt) if encode else b"")

    def _keep(self, request: Request) -> None:
        self._ready.append(request)
        self._bytes += len(request.body)

    def _draw(self) -> tuple[int, Prompt]:
        for number, prompt in self._numbered:
            if self._part.owns(number):
                return number, prompt
        raise LoadError("The scenario has no more prompts: let it yield them without end.")

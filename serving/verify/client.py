"""The HTTP client of the checks: whole answers, and events as they come."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import aiohttp

from serving.verify.verdict import Failed, short

DONE = "[DONE]"
# A key with one request at a time lets six checks through one by one; a full minute ends in 60 s.
MAX_RETRIES = 20
MAX_RETRY_SECONDS = 60

Body = dict[str, Any] | bytes
Network = IPv4Network | IPv6Network
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """Decode the body; anything but JSON is a failure."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failed(self.words()) from None

    def answered(self) -> Any:
        """Decode the body of a 200; any other status is a failure."""
        if self.status != 200:
            raise Failed(self.words())
        return self.json()

    def words(self) -> str:
        """Say in a line what this is."""
        return short(f"{self.status}: {self.body[:1000].decode(errors='replace')}")


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its name, if it has one, and its data, decoded unless it is DONE."""

    name: str | None
    data: Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A deployment under test, and the model to ask for, whose own id is `served`.

    From `open_networks` it takes pictures by its operator's will, although they are private.
    """

    session: aiohttp.ClientSession
    url: str
    key: str | None = None
    model: str = ""
    served: str = ""
    max_model_len: int | None = None
    open_networks: tuple[Network, ...] = ()

    @property
    def thinks(self) -> bool:
        """Say whether the model writes a thought before its answer."""
        return "instruct" not in self.served.lower()

    async def get(self, path: str, headers: Headers | None = None) -> Reply:
        """Get a page."""
        return await self._whole("GET", path, None, headers)

    async def post(self, path: str, body: Body, headers: Headers | None = None) -> Reply:
        """Send a request; the bearer key goes along unless other headers are given."""
        return await self._whole("POST", path, body, headers)

    async def events(
        self, path: str, body: dict[str, Any], headers: Headers | None = None
    ) -> AsyncGenerator[Event, None]:
        """Yield a stream's events as they come; closing the iterator hangs up."""
        async with self._send("POST", path, body | {"stream": True}, headers) as response:
            if response.status != 200 or response.content_type != "text/event-stream":
                reply = Reply(response.status, response.headers, await response.read())
                raise Failed(f"no event stream but {reply.words()}")
            rest = b""
            async for chunk in response.content.iter_any():
                *blocks, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
                for block in blocks:
                    if (event := decoded(block)) is not None:
                        yield event
            if rest.strip():
                raise Failed(f"the stream broke off within an event: {short(str(rest))}")

    async def _whole(self, method: str, path: str, body: Body | None, headers: Any) -> Reply:
        async with self._send(method, path, body, headers) as response:
            return Reply(response.status, response.headers, await response.read())

    @asynccontextmanager
    async def _send(
        self, method: str, path: str, body: Body | None, headers: Headers | None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Send a request, again where it is told to come later: a key's limits are no fault."""
        if headers is None:
            headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        if data is not None:
            headers = {"content-type": "application/json", **headers}
        for retries_left in reversed(range(MAX_RETRIES + 1)):
            async with self.session.request(
                method, self.url + path, data=data, headers=headers, allow_redirects=False
            ) as response:
                later = response.headers.get("retry-after", "")
                if response.status != 429 or not later.isdecimal() or not retries_left:
                    yield response
                    return
            await asyncio.sleep(min(int(later), MAX_RETRY_SECONDS))


def decoded(block: bytes) -> Event | None:
    """Decode one event; comments are none, data that is not JSON is a failure."""
    name, data = None, []
    for line in block.decode(errors="replace").split("\n"):
        key, _, value = line.partition(":")
        if key == "event":
            name = value.strip()
        elif key == "data":
            data.append(value.removeprefix(" "))
    text = "\n".join(data)
    if not text or text == DONE:
        return Event(name, text) if text else None
    try:
        return Event(name, json.loads(text))
    except ValueError:
        raise Failed(f"an event that is not JSON: {short(text)}") from None

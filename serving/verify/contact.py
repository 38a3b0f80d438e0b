"""The first contact: reads what the command line names, and finds out which model answers."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp

from serving.failure import StartError
from serving.verify.client import Endpoint, Network, Reply
from serving.verify.verdict import Failed, pick, pick_text, short

CONTACT_SECONDS = 15


class Unusable(StartError):
    """A reason why no check can be made."""

    heading = "Cannot verify"


def base_url(url: str) -> str:
    """Return the deployment's address without a dialect's path; raises Unusable."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise Unusable(f"'{url}' is no address.", "Give one like http://127.0.0.1:8000.")
    url = url.rstrip("/")
    return url.removesuffix("/v1").removesuffix("/api") if url.endswith("/v1") else url


def read_key(path: Path | None) -> str | None:
    """Return the first key of a file with one a line, as the gateway reads it; raises Unusable."""
    if path is None:
        return None
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"--key-file {path} cannot be read: {error}.", "Give a text file.") from None
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise Unusable(f"--key-file {path} holds no key.", "Write one into it.")
    return keys[0]


def read_networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Return networks written like 10.1.0.0/16; raises Unusable."""
    try:
        return tuple(ip_network(name) for name in names)
    except ValueError as error:
        raise Unusable(
            f"--private-network is refused: {error}.", "Write it like 10.1.0.0/16."
        ) from None


async def meet(endpoint: Endpoint, model: str | None) -> Endpoint:
    """Return the endpoint with its model, by default the first listed; raises Unusable."""
    try:
        async with asyncio.timeout(CONTACT_SECONDS):
            reply = await endpoint.get("/v1/models")
            if model is not None and reply.status == 200:
                reply = await endpoint.get(f"/v1/models/{quote(model)}")
    except aiohttp.ClientConnectorCertificateError as error:
        raise Unusable(
            f"The certificate of {endpoint.url} is not trusted here "
            f"({short(str(error.certificate_error))}).",
            "Where a CA of your own signed it, set SSL_CERT_FILE to that CA's PEM file.",
        ) from None
    except (aiohttp.ClientError, OSError) as error:
        reason = short(str(error)) or f"nothing came within {CONTACT_SECONDS} s"
        raise Unusable(
            f"No endpoint answers at {endpoint.url} ({reason}).", "Start one with: make serve."
        ) from None
    if reply.status in (401, 403):
        raise Unusable(
            f"{endpoint.url} refuses the key ({reply.status}).",
            "Give one that it takes, by --key-file.",
        )
    return _with_model(endpoint, reply, model)


def _with_model(endpoint: Endpoint, reply: Reply, model: str | None) -> Endpoint:
    try:
        card = reply.answered() if model else pick(reply.answered(), "data", 0)
        served = pick_text(card, "id")
    except Failed as failed:
        raise Unusable(
            f"{endpoint.url} names no model{f' {model}' if model else ''} ({failed}).",
            "Give the address of a deployment that is ready, and a model that it lists.",
        ) from None
    length = card.get("max_model_len")
    return replace(
        endpoint,
        model=model or served,
        served=served,
        max_model_len=length if isinstance(length, int) else None,
    )

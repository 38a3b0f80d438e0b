"""One look at the endpoint before the load: is it there, does it let us in, what does it serve."""

import http.client
import math
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loadtests.allowance import TOKENS_PER_PRICE, Prices
from loadtests.client.chat import ChatClient, Exchange, Limits
from loadtests.client.recording import record_of
from loadtests.endpoint import Endpoint
from loadtests.failure import LoadError
from loadtests.outcome import Outcome
from loadtests.prompt import Request
from loadtests.records import Record
from loadtests.scenario import Served

VLLM_FINGERPRINT = re.compile(r"vllm-(\d+(?:\.\d+)+[^-]*)")
ROUND_TRIPS = 5
SENT_ON_ANSWERS = (Outcome.ANSWERED, Outcome.NO_ANSWER)


def look(endpoint: Endpoint, model: str | None, limits: Limits) -> Served:
    """Read what the endpoint tells of itself; raises LoadError with one sentence for the user."""
    round_trip = _round_trip(endpoint, limits)
    card = _card(endpoint, model, limits)
    told = _told(endpoint, "/version", limits)
    asked = model or str(card["id"])
    return Served(
        model_asked=asked,
        model_served=asked,
        max_model_len=_whole(card.get("max_model_len") or card.get("context_length")),
        vllm_version=_text(told.get("version")),
        build={name: value for name, value in told.items() if name != "version"},
        prices=_prices(card) or _prices(_openrouter_card(endpoint, asked, limits)),
        round_trip_seconds=round_trip,
    )


def ask_once(
    endpoint: Endpoint, request: Request, served: Served, limits: Limits
) -> tuple[Served, Record]:
    """Ask the scenario's first question; return what is known now, and how long it took.

    Raises LoadError where the endpoint cannot finish even this one.
    """
    client, exchange = ChatClient(endpoint, limits), Exchange()
    began = time.perf_counter()
    try:
        client.ask(request.body, exchange)
    finally:
        client.close()
    if exchange.outcome not in SENT_ON_ANSWERS:
        raise LoadError(sentence(endpoint, exchange.outcome, exchange.status, exchange.detail))
    version = served.vllm_version or _version_in(exchange.fingerprint)
    known = replace(
        served, model_served=exchange.model or "a model without a name", vllm_version=version
    )
    return known, record_of(request, exchange, step=0, scheduled=began, began=began)


def sentence(endpoint: Endpoint, outcome: Outcome, status: int | None, detail: str) -> str:
    """Say what is wrong and what to do next."""
    reason = f": {detail}" if detail else ""
    match outcome, status:
        case Outcome.NO_CONNECTION, _:
            return (
                f"{endpoint.url} does not answer{reason}. "
                "Start the endpoint (`make serve`) or give the right URL."
            )
        case Outcome.HTTP_ERROR, 401 | 403:
            key = "another key" if endpoint.key else "a key"
            return f"{endpoint.url} wants {key} ({status}{reason}): use --key-file."
        case Outcome.HTTP_ERROR, 404:
            return (
                f"{endpoint.url} has no chat API with this model (404{reason}): "
                "check the URL, which ends before /chat/completions, and --model."
            )
        case Outcome.HTTP_ERROR, _:
            return f"{endpoint.url} answered {status}{reason}; see the endpoint's log."
    return f"{endpoint.url} did not finish one answer ({outcome}{reason}); see its log."


def _round_trip(endpoint: Endpoint, limits: Limits) -> float:
    """Return the shortest of some TCP handshakes, in seconds: a request's way there and back."""
    return min(_handshake(endpoint, limits) for _ in range(ROUND_TRIPS))


def _handshake(endpoint: Endpoint, limits: Limits) -> float:
    try:
        began = time.perf_counter()
        with socket.create_connection((endpoint.host, endpoint.port), limits.connect_seconds):
            return time.perf_counter() - began
    except OSError as error:
        reason = str(error) or type(error).__name__
        raise LoadError(sentence(endpoint, Outcome.NO_CONNECTION, None, reason)) from None


def _card(endpoint: Endpoint, model: str | None, limits: Limits) -> Mapping[str, Any]:
    """Return the list's card of a model, without one the first; empty where it is not listed."""
    try:
        status, listing = endpoint.get_json(f"{endpoint.base_path}/models", limits.connect_seconds)
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise LoadError(sentence(endpoint, Outcome.NO_CONNECTION, None, reason)) from None
    if status != http.HTTPStatus.OK:
        detail = _text(_of(_of(listing, "error"), "message")) or ""
        raise LoadError(sentence(endpoint, Outcome.HTTP_ERROR, status, detail))
    cards = _cards(listing)
    if not cards:
        raise LoadError(sentence(endpoint, Outcome.HTTP_ERROR, http.HTTPStatus.NOT_FOUND, ""))
    return _chosen(cards, model)


def _chosen(cards: list[dict[str, Any]], model: str | None) -> Mapping[str, Any]:
    """Return a model's card; a list of one is that model's, whichever of its names was asked."""
    named = [card for card in cards if card["id"] == model]
    if named or (cards and (model is None or len(cards) == 1)):
        return [*named, *cards][0]
    return {}


def _cards(listing: Any) -> list[dict[str, Any]]:
    found = _of(listing, "data")
    return [card for card in found if _of(card, "id")] if isinstance(found, list) else []


def _openrouter_card(endpoint: Endpoint, model: str, limits: Limits) -> Mapping[str, Any]:
    """Return the card that our gateway gives in OpenRouter's form, prices in it; or none."""
    return _chosen(_cards(_told(endpoint, "/api/v1/models", limits)), model)


def _prices(card: Mapping[str, Any]) -> Prices | None:
    """Read prices in OpenRouter's form: text, USD per token."""
    pricing = card.get("pricing")
    try:
        prompt, output = (float(_of(pricing, name)) for name in ("prompt", "completion"))
    except (TypeError, ValueError):
        return None
    if not (0 <= prompt < math.inf and 0 <= output < math.inf):
        return None
    return Prices(prompt * TOKENS_PER_PRICE, output * TOKENS_PER_PRICE)


def _told(endpoint: Endpoint, path: str, limits: Limits) -> dict[str, Any]:
    """Return what a page tells that an endpoint need not have; empty where it does not."""
    try:
        status, told = endpoint.get_json(path, limits.connect_seconds)
    except (OSError, http.client.HTTPException):
        return {}
    return told if status == http.HTTPStatus.OK and isinstance(told, dict) else {}


def _version_in(fingerprint: str | None) -> str | None:
    found = VLLM_FINGERPRINT.match(fingerprint or "")
    return found[1] if found else None


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None

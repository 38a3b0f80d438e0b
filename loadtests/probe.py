"""One look at the endpoint before the load: is it there, does it let us in, which model answers."""

import http.client
import re
from dataclasses import dataclass
from typing import Any

from loadtests.client import ChatClient, Exchange, Limits, Outcome
from loadtests.endpoint import Endpoint
from loadtests.failure import LoadError
from loadtests.workloads import Prompt, encoded

VLLM_FINGERPRINT = re.compile(r"vllm-(\d+(?:\.\d+)+[^-]*)")
QUESTION = Prompt("probe", "What is 12 + 7?", 2048, ("19",))


@dataclass(frozen=True, slots=True)
class Served:
    """What the endpoint told about itself; the version is None where it does not tell."""

    model_asked: str
    model_served: str
    vllm_version: str | None


def probe(endpoint: Endpoint, model: str | None, limits: Limits) -> Served:
    """Ask for the models, then one question; raises LoadError with one sentence for the user."""
    asked = model or _first_model(endpoint, limits)
    client, exchange = ChatClient(endpoint, limits), Exchange()
    try:
        client.ask(encoded(QUESTION, asked), exchange)
    finally:
        client.close()
    if exchange.outcome not in (Outcome.ANSWERED, Outcome.NO_ANSWER):
        raise LoadError(_sentence(endpoint, exchange))
    version = _version(endpoint, limits) or _version_in(exchange.fingerprint)
    return Served(asked, exchange.model or "a model without a name", version)


def _first_model(endpoint: Endpoint, limits: Limits) -> str:
    """Return the id of the first model in the endpoint's list."""
    answer = Exchange(outcome=Outcome.HTTP_ERROR)
    try:
        path = f"{endpoint.base_path}/models"
        answer.status, listing = endpoint.get_json(path, limits.connect_seconds)
    except (OSError, http.client.HTTPException) as error:
        answer.outcome, answer.detail = Outcome.NO_CONNECTION, str(error) or type(error).__name__
        raise LoadError(_sentence(endpoint, answer)) from None
    try:
        if answer.status == http.HTTPStatus.OK:
            return str(listing["data"][0]["id"])
    except (TypeError, KeyError, IndexError):
        answer.status = http.HTTPStatus.NOT_FOUND
    raise LoadError(_sentence(endpoint, answer))


def _sentence(endpoint: Endpoint, exchange: Exchange) -> str:
    """Say what is wrong and what to do next."""
    reason = f": {exchange.detail}" if exchange.detail else ""
    match exchange.outcome, exchange.status:
        case Outcome.NO_CONNECTION, _:
            return (
                f"{endpoint.url} does not answer{reason}. "
                "Start the endpoint (`make serve`) or give the right URL."
            )
        case Outcome.HTTP_ERROR, 401 | 403:
            key = "another key" if endpoint.key else "a key"
            return f"{endpoint.url} wants {key} ({exchange.status}{reason}): use --key-file."
        case Outcome.HTTP_ERROR, 404:
            return (
                f"{endpoint.url} has no chat API with this model (404{reason}): "
                "check the URL, which ends before /chat/completions, and --model."
            )
        case Outcome.HTTP_ERROR, status:
            return f"{endpoint.url} answered {status}{reason}; see the endpoint's log."
        case outcome, _:
            return f"{endpoint.url} did not finish one answer ({outcome}{reason}); see its log."


def _version(endpoint: Endpoint, limits: Limits) -> str | None:
    """Ask vLLM's own /version, which a gateway need not pass on."""
    try:
        _, told = endpoint.get_json("/version", limits.connect_seconds)
    except (OSError, http.client.HTTPException):
        return None
    version: Any = told.get("version") if isinstance(told, dict) else None
    return version if isinstance(version, str) else None


def _version_in(fingerprint: str | None) -> str | None:
    found = VLLM_FINGERPRINT.match(fingerprint or "")
    return found[1] if found else None

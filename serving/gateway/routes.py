"""From a method and a path to the endpoint, in each dialect; everything else is 404 or 405."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from serving.gateway.api.chat import chat_completions
from serving.gateway.api.completions import completions
from serving.gateway.api.models import list_models, show_model
from serving.gateway.errors import MethodNotAllowed, NotFound
from serving.gateway.exchange import Exchange
from serving.gateway.fields import OPENAI, OPENROUTER, Dialect
from serving.gateway.served import ServedModel

Endpoint = Callable[[ServedModel, Exchange], Awaitable[None]]
Handler = Callable[[ServedModel, Exchange, Dialect], Awaitable[None]]

BASES: Final = {"/v1": OPENAI, "/api/v1": OPENROUTER}
HANDLERS: Final[dict[str, tuple[str, str, Handler]]] = {
    "/chat/completions": ("chat_completions", "POST", chat_completions),
    "/completions": ("completions", "POST", completions),
    "/models": ("models", "GET", list_models),
}


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint with the name it has in metrics and logs."""

    name: str
    endpoint: Endpoint


def find_route(method: str, path: str) -> Route:
    """Return the route of a request; raises NotFound or MethodNotAllowed."""
    for base, dialect in BASES.items():
        if not path.startswith(base + "/"):
            continue
        name, allowed, endpoint = _match(path.removeprefix(base), dialect)
        if method != allowed:
            raise MethodNotAllowed(
                f"Not allowed to {method} on {path[:128]}; use {allowed}.", allowed
            )
        return Route(name, endpoint)
    raise _unknown(path)


def _match(rest: str, dialect: Dialect) -> tuple[str, str, Endpoint]:
    if rest in HANDLERS:
        name, method, handler = HANDLERS[rest]
        return name, method, lambda served, exchange: handler(served, exchange, dialect)
    model = rest.removeprefix("/models/")
    if model and model != rest:
        return "models", "GET", partial(show_model, name=model)
    raise _unknown(rest)


def _unknown(path: str) -> NotFound:
    paths = ", ".join(f"/v1{rest}" for rest in HANDLERS)
    return NotFound(f"Unknown route {path[:128]}. This server has {paths}.", code="unknown_url")

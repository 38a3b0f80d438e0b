"""From a method and a path to the endpoint, in each dialect; everything else is 404 or 405."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from serving.gateway import envelope
from serving.gateway.api.chat import chat_completions
from serving.gateway.api.completions import completions
from serving.gateway.api.credits import show_credits
from serving.gateway.api.endpoints import show_endpoints
from serving.gateway.api.generation import show_generation
from serving.gateway.api.keys import list_keys, show_key
from serving.gateway.api.messages import count_tokens, messages
from serving.gateway.api.models import list_models, show_model
from serving.gateway.api.responses import responses
from serving.gateway.api.version import show_version
from serving.gateway.dialect import DIALECTS, OPENROUTER, Dialect, dialect_of
from serving.gateway.docs.endpoint import show_document, show_page
from serving.gateway.envelope import Envelope
from serving.gateway.errors import MethodNotAllowed, NotFound
from serving.gateway.exchange import Exchange
from serving.gateway.page import endpoint as page
from serving.gateway.page import fragments
from serving.gateway.page.assets import ASSETS
from serving.gateway.served import ServedModel

Endpoint = Callable[[ServedModel, Exchange], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint, the name it has in metrics and logs, and its own form of errors if any.

    What the document says of it stands in `docs.operations`.
    """

    name: str
    method: str
    endpoint: Endpoint
    envelope: Envelope | None = None
    needs_key: bool = True
    generates: bool = False
    dialects: tuple[Dialect, ...] = DIALECTS

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods it takes: what can be read can be asked for without its body."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


ROUTES: Final = {
    "/chat/completions": Route("chat_completions", "POST", chat_completions, generates=True),
    "/completions": Route("completions", "POST", completions, generates=True),
    "/messages": Route("messages", "POST", messages, envelope.anthropic, generates=True),
    "/messages/count_tokens": Route("count_tokens", "POST", count_tokens, envelope.anthropic),
    "/responses": Route("responses", "POST", responses, generates=True),
    "/models": Route("models", "GET", list_models),
    "/key": Route("key", "GET", show_key, dialects=(OPENROUTER,)),
    "/keys": Route("keys", "GET", list_keys, dialects=(OPENROUTER,)),
    "/generation": Route("generation", "GET", show_generation, dialects=(OPENROUTER,)),
    "/credits": Route("credits", "GET", show_credits, dialects=(OPENROUTER,)),
}
PAGES: Final = {
    "/docs": Route("docs", "GET", show_page, needs_key=False),
    "/openapi.json": Route("openapi", "GET", show_document, needs_key=False),
    "/": Route("page", "GET", page.show_page, needs_key=False),
    "/version": Route("version", "GET", show_version),
    "/page/engine": Route("page", "GET", page.show_engine, needs_key=False),
    "/page/performance": Route("page", "GET", fragments.show_performance),
    "/page/usage": Route("page", "GET", fragments.show_usage),
    **{path: Route("page", "GET", page.asset_endpoint(path), needs_key=False) for path in ASSETS},
}


def find_route(path: str) -> Route:
    """Return the route of a path; raises NotFound."""
    if path in PAGES:
        return PAGES[path]
    for dialect in DIALECTS:
        rest = path.removeprefix(dialect.base)
        if rest == path:
            continue
        if rest in ROUTES and dialect in ROUTES[rest].dialects:
            return ROUTES[rest]
        model = rest.removeprefix("/models/")
        if model and model != rest:
            return _model_route(model, dialect)
    dialect = dialect_of(path)
    known = (rest for rest, route in ROUTES.items() if dialect in route.dialects)
    paths = ", ".join(dialect.base + rest for rest in known)
    raise NotFound(
        f"Unknown route. This server has {paths}; /docs describes them.", code="unknown_url"
    )


def _model_route(name: str, dialect: Dialect) -> Route:
    """Return the route of a model's card, or of its endpoints; its name may hold slashes."""
    model = name.removesuffix("/endpoints")
    if model != name and dialect is OPENROUTER:
        endpoint = partial(show_endpoints, name=model)
        return Route("models", "GET", endpoint, dialects=(OPENROUTER,))
    return Route("models", "GET", partial(show_model, name=name))


def check_method(route: Route, method: str) -> None:
    """Raise MethodNotAllowed unless the route takes the method."""
    if method not in route.methods:
        raise MethodNotAllowed(
            f"This route does not take that method; use {route.method}.", ", ".join(route.methods)
        )

"""Everything a client can be refused for; `envelope` says it in each dialect.

GatewayError
  BadRequest            400
  Unauthorized          401
  BudgetExhausted       402  the key's budget is spent
  Forbidden             403  the key may not do this
  NotFound              404
  MethodNotAllowed      405
  BodyTooSlow           408
  BodyTooLarge          413
  TargetTooLong         414  the path with its query
  Overloaded            429  more is asked of the server than it can do soon
  RateLimited           429  more is asked with one key than it may
  HeadTooLarge          431  the headers
  EngineRefused         4xx  the engine's own verdict on the request
  InternalError         500
  EngineFailed          502  the engine broke off or answered what cannot be relayed
  EngineUnavailable     503  nobody listens, or the connection broke before an answer
  StoreUnavailable      503  what is asked for is in the store, and that does not answer
    BudgetUnknown       503  what the key has spent, which its budget hangs on
  TooManyConnections    503
  ShuttingDown          503
    CutOff              503  in the middle of an answer
  EngineTimeout         504  names the phase
  DeadlineExceeded      504  the server's deadline for any request
    ClientDeadline      504  the client's own
ClientLost              nobody is left to answer
"""

from typing import ClassVar


class GatewayError(Exception):
    """A failure with a status, a stable code and a sentence for the client."""

    status: int = 500
    type: ClassVar[str] = "invalid_request_error"
    code: str | None = None
    outcome: ClassVar[str] = "client_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.param = param
        self.retry_after_seconds = retry_after_seconds

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that belong to this error."""
        if self.retry_after_seconds is None:
            return []
        return [(b"retry-after", str(self.retry_after_seconds).encode())]


class BadRequest(GatewayError):
    """The request cannot be served as it is."""

    status = 400


class Unauthorized(GatewayError):
    """The key is missing or not one of ours."""

    status = 401
    code = "invalid_api_key"

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Name the scheme that would let the client in."""
        return [(b"www-authenticate", b"Bearer")]


class BudgetExhausted(GatewayError):
    """The key's budget is spent."""

    status = 402
    type = "insufficient_quota"
    code = "insufficient_quota"
    outcome = "rate_limited"


class Forbidden(GatewayError):
    """The key is known, and may not do this."""

    status = 403
    code = "permission_denied"


class NotFound(GatewayError):
    """No such route or model."""

    status = 404
    code = "not_found"


class MethodNotAllowed(GatewayError):
    """The route exists for another method."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Name the method that works."""
        return [(b"allow", self.allowed.encode())]


class BodyTooSlow(GatewayError):
    """The body arrived more slowly than the limit."""

    status = 408
    code = "request_timeout"


class BodyTooLarge(GatewayError):
    """The body is over the limit."""

    status = 413
    code = "payload_too_large"


class TargetTooLong(GatewayError):
    """The path with its query is over the limit."""

    status = 414
    code = "uri_too_long"


class HeadTooLarge(GatewayError):
    """The headers are over the limit."""

    status = 431
    code = "headers_too_large"


class Overloaded(GatewayError):
    """The server can do no more for now."""

    status = 429
    type = "rate_limit_error"
    code = "engine_overloaded"
    outcome = "rejected"


class RateLimited(GatewayError):
    """The key's own limit is reached."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    outcome = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: int | None = None,
        limits: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.limits = limits

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Tell when to come back, and what is left of the key's limits."""
        return [*super().headers(), *self.limits]


class EngineRefused(GatewayError):
    """The engine's own verdict: its status and message are kept."""

    def __init__(self, status: int, message: str, *, code: str | None, param: str | None) -> None:
        super().__init__(message, code=code, param=param)
        self.status = status


class InternalError(GatewayError):
    """A fault of the gateway itself."""

    status = 500
    type = "server_error"
    code = "internal_error"
    outcome = "internal_error"


class EngineFailed(GatewayError):
    """The engine broke off, or answered something that cannot be relayed."""

    status = 502
    type = "server_error"
    code = "engine_error"
    outcome = "engine_error"


class EngineUnavailable(GatewayError):
    """The engine is not there."""

    status = 503
    type = "server_error"
    code = "engine_unavailable"
    outcome = "engine_unavailable"


class StoreUnavailable(GatewayError):
    """What keys have used cannot be read for now."""

    status = 503
    type = "server_error"
    code = "store_unavailable"
    outcome = "store_unavailable"


class BudgetUnknown(StoreUnavailable):
    """The key has a budget, and what it has spent cannot be read."""

    code = "budget_unknown"


class TooManyConnections(GatewayError):
    """The server holds all the connections it can."""

    status = 503
    type = "server_error"
    code = "too_many_connections"
    outcome = "rejected"


class ShuttingDown(GatewayError):
    """The gateway is on its way out."""

    status = 503
    type = "server_error"
    code = "shutting_down"
    outcome = "rejected"


class CutOff(ShuttingDown):
    """The gateway is on its way out, and could not finish this answer."""

    outcome = "cut_off"


class EngineTimeout(GatewayError):
    """The engine was silent for too long in a named phase."""

    status = 504
    type = "server_error"
    code = "engine_timeout"
    outcome = "timeout"


class DeadlineExceeded(GatewayError):
    """The request was not finished by its deadline."""

    status = 504
    type = "server_error"
    code = "deadline_exceeded"
    outcome = "timeout"


class ClientDeadline(DeadlineExceeded):
    """The client itself would wait no longer: no failure of the server's."""

    outcome = "client_deadline"


class ClientLost(Exception):
    """The client hung up or stopped reading; the outcome says which."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome

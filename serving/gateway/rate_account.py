"""One key's limits in one gateway: who is let in, what it is charged, what it is told.

A limit counts in fixed minutes of the wall clock. A request is charged what it is expected to
take, and at its end what it took; the difference is given back, or owed by the next minutes. A
request that alone expects more than tokens_per_minute is let in only while nothing else was used
in the minute, and the minutes after it pay for the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from serving.gateway.answer_headers import Headers
from serving.gateway.errors import RateLimited
from serving.gateway.key import Key
from serving.gateway.rate_window import Clock, Window

REQUESTS: Final = "requests"
TOKENS: Final = "tokens"
# A request may end at any time.
RETRY_SLOT_SECONDS: Final = 1


class Charge:
    """What a request takes of its key's limits; of a key without limits, nothing."""

    __slots__ = ("headers",)

    def __init__(self, headers: Headers) -> None:
        self.headers = headers

    def settle(self, tokens: int) -> None:
        """Charge what it really took instead of what was expected."""

    def refund(self) -> None:
        """Charge nothing, because nothing was served."""

    def close(self) -> None:
        """Let another request of the key run; harmless when repeated."""


@dataclass(slots=True)
class Taken:
    """What one request has taken of a window."""

    window: Window
    minute: int
    amount: int


class LimitedCharge(Charge):
    """What a request takes of the limits that its key has."""

    __slots__ = ("_account", "_open", "_taken")

    def __init__(self, account: "Account", taken: dict[str, Taken], headers: Headers) -> None:
        super().__init__(headers)
        self._account = account
        self._taken = taken
        self._open = True

    def settle(self, tokens: int) -> None:
        """Charge what it really took: more is taken of this minute, less goes back to its own."""
        if TOKENS in self._taken:
            self._account.change(self._taken[TOKENS], tokens)

    def refund(self) -> None:
        """Charge nothing, because nothing was served."""
        for taken in self._taken.values():
            self._account.change(taken, 0)

    def close(self) -> None:
        """Let another request of the key run; harmless when repeated."""
        if self._open:
            self._open = False
            self._account.end()


class Account:
    """The windows and the running requests of one key.

    `base` says how much of a limit is there without asking other gateways; `slots` is how many
    requests at once they have left to this one.
    """

    def __init__(
        self,
        key_id: str,
        clock: Clock,
        base: Callable[[int], int],
        *,
        changed: Callable[["Account"], None] = lambda account: None,
    ) -> None:
        self.key_id = key_id
        self._clock = clock
        self._base = base
        self._changed = changed
        self.windows = {REQUESTS: Window(), TOKENS: Window()}
        self.max_concurrent: int | None = None
        self.running = 0
        self.slots = 0
        self.waiting = 0  # requests that wait for a lease
        self.closed_until = 0.0  # no slot was free just now

    @property
    def blank(self) -> bool:
        """Tell whether nothing would be lost if this account were forgotten."""
        busy = self.running or self.waiting or self.slots
        return not busy and not any(w.used or w.owed for w in self.windows.values())

    @property
    def has_slot(self) -> bool:
        """Tell whether one more request may run."""
        limit = self.max_concurrent
        return limit is None or self.running < max(self._base(limit), self.slots)

    def turn(self) -> None:
        """Bring both windows to the running minute."""
        minute = self._clock.minute()
        for window in self.windows.values():
            window.turn(minute, self._base(window.limit))

    def demands(self, key: Key, tokens: int) -> dict[str, int]:
        """Return what a request asks of each window that limits it, with the key's limits set."""
        demands = {}
        self.max_concurrent = key.max_concurrent
        if key.requests_per_minute is not None:
            self.windows[REQUESTS].limit = key.requests_per_minute
            demands[REQUESTS] = 1
        if key.tokens_per_minute is not None:
            self.windows[TOKENS].limit = key.tokens_per_minute
            demands[TOKENS] = tokens
        self.turn()
        return demands

    def covers(self, key: Key, tokens: int) -> bool:
        """Tell whether a request would be let in."""
        asked = self.demands(key, tokens).items()
        return self.has_slot and all(self.windows[unit].fits(amount) for unit, amount in asked)

    def hopeless(self, key: Key, tokens: int, now: float) -> bool:
        """Tell whether a lease that a request needs was refused just now."""
        if not self.has_slot and now < self.closed_until:
            return True
        return any(
            self.windows[unit].closed and not self.windows[unit].fits(amount)
            for unit, amount in self.demands(key, tokens).items()
        )

    @property
    def wanting(self) -> bool:
        """Tell whether what is leased is not what is needed."""
        if self.max_concurrent is not None and self.slots != self.running:
            return True
        return any(w.lacking(0) > 0 and not w.closed for w in self.windows.values())

    def charge(self, key: Key, tokens: int) -> Charge:
        """Let a request in and charge it; raises RateLimited, and then has charged nothing."""
        demands = self.demands(key, tokens)
        self._check(demands)
        taken = {}
        for unit, amount in demands.items():
            window = self.windows[unit]
            window.take(amount)
            taken[unit] = Taken(window, window.minute, amount)
        self.running += 1
        self._changed(self)
        return LimitedCharge(self, taken, self._headers(demands))

    def change(self, taken: Taken, amount: int) -> None:
        """Change what a request has taken of a window."""
        self.turn()
        more = amount - taken.amount
        taken.amount = amount
        if more > 0:
            taken.window.take(more)
        else:
            taken.window.give_back(-more, taken.minute)
        self._changed(self)

    def end(self) -> None:
        """Count one running request less."""
        self.running -= 1
        self._changed(self)

    def _check(self, demands: dict[str, int]) -> None:
        """Raise RateLimited with the limit that is reached, of several that with the longest wait.

        Its headers tell what is left of all.
        """
        waits = {
            unit: self._clock.seconds_left(self.windows[unit].minutes_until(amount))
            for unit, amount in demands.items()
            if not self.windows[unit].fits(amount)
        }
        if waits:
            unit = max(waits, key=waits.__getitem__)
            message = _exhausted(unit, self.windows[unit], demands[unit], waits[unit])
            raise RateLimited(
                message, retry_after_seconds=waits[unit], limits=tuple(self._headers(demands))
            )
        if not self.has_slot:
            raise RateLimited(
                f"This API key may have {self.max_concurrent} requests running at the same time "
                "(max_concurrent), and has. Retry when one of them has ended, or ask this "
                "server's operator for more.",
                retry_after_seconds=RETRY_SLOT_SECONDS,
                limits=tuple(self._headers(demands)),
            )

    def _headers(self, demands: dict[str, int]) -> Headers:
        """Return OpenAI's headers: each limit, what is left of it, when it is whole again."""
        headers = []
        for unit in demands:
            window = self.windows[unit]
            whole = self._clock.seconds_left(window.minutes_until(window.limit))
            for name, value in (
                ("limit", str(window.limit)),
                ("remaining", str(window.remaining)),
                ("reset", duration(whole)),
            ):
                headers.append((f"x-ratelimit-{name}-{unit}".encode(), value.encode()))
        return headers


def duration(seconds: int) -> str:
    """Write seconds as OpenAI does: 1s, 6m0s."""
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _exhausted(unit: str, window: Window, amount: int, wait: int) -> str:
    """Say which limit of a minute is reached, and what to do."""
    higher = f"or ask this server's operator for a higher {unit}_per_minute."
    if unit == REQUESTS:
        return (
            f"This API key may start {window.limit} requests a minute, and has. "
            f"Retry in {wait} s, {higher}"
        )
    if amount > window.limit:
        return (
            f"This request expects to take {amount} tokens, and this API key has {window.limit} a "
            "minute: it is let in only as the first of a minute. "
            f"Retry in {wait} s, lower max_tokens, {higher}"
        )
    return (
        f"This request expects to take {amount} tokens, and this API key has {window.remaining} "
        f"of its {window.limit} a minute left. Retry in {wait} s, lower max_tokens, {higher}"
    )

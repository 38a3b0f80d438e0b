"""How much a run may ask for: requests, and dollars where the endpoint's prices are known."""

from dataclasses import dataclass

from loadtests.outcome import Outcome
from loadtests.records import Record

TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per million prompt and output tokens; `assumed` where the endpoint told none."""

    prompt: float
    output: float
    assumed: bool = False

    def cost(self, prompt_tokens: float, output_tokens: float) -> float:
        """Return what so many tokens cost, in USD."""
        return (self.prompt * prompt_tokens + self.output * output_tokens) / TOKENS_PER_PRICE


@dataclass(slots=True)
class Allowance:
    """Counts what was asked and paid. Ask `take` before each request, tell `settle` after it.

    A request that still runs is taken to cost `expected_usd`; the mean of those that have ended
    replaces the first guess, so that no run spends more than its last requests in flight allow.
    """

    max_requests: int
    max_usd: float | None
    prices: Prices
    expected_usd: float
    requests: int = 0
    settled: int = 0
    spent_usd: float = 0.0

    @property
    def used_up(self) -> str | None:
        """Say which limit leaves no room for another request; None where none does."""
        if self.requests >= self.max_requests:
            return f"{self.requests} requests were sent, as many as MAX_REQUESTS allows"
        running = self.requests - self.settled
        if self.max_usd is not None:
            due = self.spent_usd + (running + 1) * self.expected_usd
            if due > self.max_usd:
                return f"{self.spent_usd:.4f} USD were spent of the {self.max_usd:g} of MAX_USD"
        return None

    def take(self) -> bool:
        """Count one more request in; False where there is no room for it."""
        if self.used_up:
            return False
        self.requests += 1
        return True

    def settle(self, record: Record) -> None:
        """Count what an ended request cost: what the endpoint told, else its tokens' price.

        One that was broken off, or gave text, before its usage came cost something, too.
        """
        cost = record.cost_usd
        if cost is None and record.completion_tokens is not None:
            cost = self.prices.cost(record.prompt_tokens or 0, record.completion_tokens)
        if cost is None:
            worked = record.outcome is Outcome.CENSORED or record.fragments
            cost = self.expected_usd if worked else 0.0
        self.settled += 1
        self.spent_usd += cost
        self.expected_usd = max(self.spent_usd / self.settled, 0.0)

    def share(self, number: int, workers: int) -> "Allowance":
        """Return the part of worker `number` of `workers`; all parts together are the whole."""
        more = 1 if number < self.max_requests % workers else 0
        return Allowance(
            max_requests=self.max_requests // workers + more,
            max_usd=None if self.max_usd is None else self.max_usd / workers,
            prices=self.prices,
            expected_usd=self.expected_usd,
        )

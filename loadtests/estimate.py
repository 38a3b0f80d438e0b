"""What a run is going to take, guessed from its first request; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.allowance import Allowance
from loadtests.failure import LoadError
from loadtests.records import Record
from loadtests.shapes import Shape, Step, Users


@dataclass(frozen=True, slots=True)
class Estimate:
    """Requests, tokens and USD of a whole run, if every request were like its first."""

    requests: int
    prompt_tokens: int
    output_tokens: int
    usd: float

    def text(self, allowance: Allowance) -> str:
        """Say it in one sentence."""
        prices = allowance.prices
        assumed = " (assumed: the endpoint tells none)" if prices.assumed else ""
        return (
            f"About {self.requests:,} requests are to come, if all are like the first: "
            f"{self.prompt_tokens:,} prompt and {self.output_tokens:,} output tokens, "
            f"{self.usd:.2f} USD at {prices.prompt:g} and {prices.output:g} "
            f"a million{assumed}."
        )


def foreseen(shape: Shape) -> tuple[Step, ...]:
    """Return the steps that are known before the load: of a search the first one."""
    first = shape.next(())
    return shape.steps() or ((first,) if first else ())


def estimate(steps: Sequence[Step], trial: Record, allowance: Allowance) -> Estimate:
    """Guess what known steps take; `trial` is the request that was asked before them."""
    left = allowance.max_requests - allowance.requests
    asked = min(sum(_requests(step, trial) for step in steps), left)
    prompt, output = (asked * (n or 0) for n in (trial.prompt_tokens, trial.completion_tokens))
    return Estimate(
        round(asked), round(prompt), round(output), allowance.prices.cost(prompt, output)
    )


def require_means(guess: Estimate, allowance: Allowance) -> None:
    """Refuse a run that would cost more than it may; raises LoadError."""
    if allowance.max_usd is not None and guess.usd > allowance.max_usd:
        raise LoadError(
            f"this run would cost about {guess.usd:.2f} USD and MAX_USD is {allowance.max_usd:g}: "
            "give a larger one, a lower rate or a shorter duration."
        )


def _requests(step: Step, trial: Record) -> float:
    """Return how many requests a step sends: its rate says, or the pace of its users."""
    if isinstance(step.load, Users):
        return step.load.users * max(1.0, step.seconds / max(trial.done_seconds, 1e-3))
    until = step.load.until_per_second
    last = step.load.per_second if until is None else until
    return step.seconds * (step.load.per_second + last) / 2

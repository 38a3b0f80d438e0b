"""What usage would have cost at the public prices of the hosted models."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Final

from serving.catalogue import CATALOGUE, THINKING, ModelEntry
from serving.gateway.page.amounts import price_of, usd
from serving.gateway.page.ranking import Line
from serving.gateway.page.table import Row, name, table

PER_TOKENS: Final = 1e6


@dataclass(frozen=True, slots=True)
class Comparison:
    """One model's usage at three prices, in USD; `priced_as` has the public ones."""

    model: str
    priced_as: ModelEntry
    prompt_tokens: int
    output_tokens: int
    here: float

    @property
    def at_list(self) -> float:
        """Return (prompt tokens × list price in + output tokens × list price out) / 1,000,000.

        Tokens that the prefix cache held count in full: the public prices know no cache.
        """
        price = self.priced_as.price
        tokens_times_price = (
            self.prompt_tokens * price.prompt + self.output_tokens * price.completion
        )
        return tokens_times_price / PER_TOKENS

    @property
    def discounted(self) -> float:
        """Return what it costs where it is offered: list × (1 - discount)."""
        return self.at_list * (1 - self.priced_as.price.discount)


def compared(
    lines: Iterable[Line], catalogue: Mapping[str, ModelEntry] = MappingProxyType(CATALOGUE)
) -> list[Comparison]:
    """Return what each model's line would have cost.

    A model without a public price, such as the tiny one, is counted at those of the Thinking model.
    """
    return [
        Comparison(
            line.name,
            _priced(line.name, catalogue),
            line.prompt_tokens,
            line.output_tokens,
            line.cost,
        )
        for line in lines
    ]


def _priced(model: str, catalogue: Mapping[str, ModelEntry]) -> ModelEntry:
    entry = catalogue.get(model)
    return entry if entry is not None and entry.price.prompt else catalogue[THINKING]


def prices_html(comparisons: Sequence[Comparison]) -> str:
    """Compare in a table what it cost here with the public prices, and say what those are."""
    costs = [(each.here, each.at_list, each.discounted) for each in comparisons]
    rows = [
        Row(name(each.model), list(map(usd, cost)))
        for each, cost in zip(comparisons, costs, strict=True)
    ]
    total = Row("All", [usd(sum(column)) for column in zip(*costs, strict=True)])
    heads = ["Model", "Here", "At list price", "At discounted price"]
    rules = "".join(f"<li>{_rule(each)}</li>" for each in comparisons)
    return "\n".join(
        [
            '<section class="card plot-card" aria-labelledby="usage-prices-head">',
            '<h2 id="usage-prices-head">The same usage at public prices</h2>',
            table("usage-prices", "In USD", heads, rows, total=total if len(rows) > 1 else None),
            '<p class="plot-about">Public prices of a million tokens:</p>',
            f'<ul class="plot-about">{rules}</ul>',
            "</section>",
        ]
    )


def _rule(comparison: Comparison) -> str:
    """Say which price is which."""
    entry, price = comparison.priced_as, comparison.priced_as.price
    model = escape(entry.id)
    if comparison.model != entry.id:
        model = f"{name(comparison.model)} has no public price and is counted as {model}"
    said = f"{model}: list {_pair(price.prompt, price.completion)}"
    if not price.discount:
        return f"{said}, without a discount."
    kept = 1 - price.discount
    return (
        f"{said}, discounted by {price.discount:.0%} to "
        f"{_pair(price.prompt * kept, price.completion * kept)}."
    )


def _pair(prompt: float, completion: float) -> str:
    return f"{price_of(prompt)} in and {price_of(completion)} out"

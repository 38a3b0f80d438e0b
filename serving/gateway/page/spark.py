"""A plot as small as a word: one bar a day, for rows that are compared."""

from collections.abc import Sequence
from typing import Final

WIDTH: Final = 120  # px
HEIGHT: Final = 24
LOWEST: Final = 1.5  # what is little is still seen


def spark(values: Sequence[int], highest: int) -> str:
    """Draw values against the highest of all rows; the numbers are in the table beside it."""
    step = WIDTH / len(values)
    bars = "".join(
        f"M{step * number:.1f} {HEIGHT}v-{max(LOWEST, HEIGHT * value / highest):.1f}"
        f"h{step * 0.75:.1f}V{HEIGHT}z"
        for number, value in enumerate(values)
        if value
    )
    return (
        f'<svg class="plot-spark" width="{WIDTH}" height="{HEIGHT}"'
        f' viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true"><path d="{bars}"/></svg>'
    )

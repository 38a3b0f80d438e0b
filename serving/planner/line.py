"""A line of a plan: one value with its unit, its formula and where it comes from."""

from dataclasses import dataclass

Value = float | int | str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line, the same in the table, in JSON and in the sheet."""

    section: str
    name: str  # with its unit, as a key of JSON
    value: Value
    unit: str
    formula: str
    source: str = "computed"
    label: str = ""  # beside those of the whole plan


@dataclass(frozen=True, slots=True)
class Money:
    """Writes GPU time in dollars where a GPU-hour has a price, else in GPU-seconds."""

    gpu_hour_usd: float | None

    @property
    def unit(self) -> str:
        """Return the unit that amounts have."""
        return "GPU-seconds" if self.gpu_hour_usd is None else "USD"

    @property
    def key(self) -> str:
        """Return the unit as names begin with it."""
        return "gpu_seconds" if self.gpu_hour_usd is None else "usd"

    @property
    def formula(self) -> str:
        """Return how an amount follows from GPU-seconds."""
        return "" if self.gpu_hour_usd is None else " / 3600 * gpu_hour_usd"

    def of(self, gpu_seconds: float) -> float:
        """Return the amount that so much GPU time is."""
        if self.gpu_hour_usd is None:
            return gpu_seconds
        return gpu_seconds / 3600 * self.gpu_hour_usd

"""The options of the served model's names and prices."""

from pydantic import Field

from serving.options.group import Group, Text


class ModelsSettings(Group):
    """Under which names the served model answers, and what it costs."""

    aliases: tuple[Text, ...] = Field(
        default=(), description="Names that clients may use besides the model's own id and slug"
    )
    prompt_price: float | None = Field(
        default=None, ge=0, description="List price of input, USD per million tokens"
    )
    completion_price: float | None = Field(
        default=None, ge=0, description="List price of output, USD per million tokens"
    )
    price_discount: float | None = Field(
        default=None, ge=0, le=1, description="Share taken off both list prices"
    )

    @property
    def price(self) -> dict[str, float]:
        """Return the prices that are set, by the names that the catalogue has for them."""
        asked = {
            "prompt": self.prompt_price,
            "completion": self.completion_price,
            "discount": self.price_discount,
        }
        return {name: value for name, value in asked.items() if value is not None}

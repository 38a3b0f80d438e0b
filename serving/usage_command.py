"""The command `serving usage`: parse, and hand over to the report."""

from typing import Annotated, Literal

import typer

from serving.handover import Config, hand_over

By = Annotated[
    str, typer.Option(help="What to add up by: any of day, key, model and app, such as day,key.")
]
Since = Annotated[
    str, typer.Option(help="First day (UTC): 2027-01-31, 7d for a week ago, or today.")
]
Until = Annotated[str, typer.Option(help="Last day (UTC), given alike.")]
OfKey = Annotated[str | None, typer.Option("--key", help="Only this key's, by its name or id.")]
Form = Annotated[
    Literal["table", "csv", "json"],
    typer.Option("--format", help="For people, spreadsheets or programs."),
]


def usage(  # noqa: PLR0913, PLR0917 — one parameter an option
    by: By = "day",
    since: Since = "30d",
    until: Until = "today",
    key: OfKey = None,
    form: Form = "table",
    config: Config = None,
) -> None:
    """Add up requests, tokens and cost by day, key, model or app.

    The store is read, whether a gateway runs or not; what one has entered last comes with its next
    batch, within a second. Every request that a key was good for counts, refused ones too.
    """
    from serving import usage_report  # noqa: PLC0415 — each command loads what it needs alone

    hand_over(lambda: usage_report.run(config, usage_report.Asked(by, since, until, key), form))

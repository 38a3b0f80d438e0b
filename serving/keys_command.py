"""The sub-commands of `serving keys`: parse, and hand over to the desk."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from serving.handover import Config, hand_over

app = typer.Typer(help="Make, show and end the keys of the API.", no_args_is_help=True)

NameOrId = Annotated[str, typer.Argument(metavar="NAME|ID", help="As `keys list` shows it.")]
Url = Annotated[
    str | None,
    typer.Option(help="Address its holder uses, https://vl.example.org; by default the settings'."),
]
# What may be said of a key, by the names of its terms.
TERMS: Final[dict[str, Any]] = {
    "name": Annotated[str, typer.Argument(help="Whose key it is, such as alice or ci-nightly.")],
    "owner": Annotated[str | None, typer.Option(help="Whom to ask about it.")],
    "models": Annotated[
        list[str] | None,
        typer.Option("--model", help="A model it may use, again for another; by default all."),
    ],
    "requests_per_minute": Annotated[int | None, typer.Option(help="By default any.")],
    "tokens_per_minute": Annotated[
        int | None, typer.Option(help="Prompts and answers; by default any.")
    ],
    "max_concurrent": Annotated[int | None, typer.Option(help="By default any.")],
    "budget_usd": Annotated[
        float | None, typer.Option(help="What it may spend in a period; by default any sum.")
    ],
    "budget_period": Annotated[
        str | None,
        typer.Option(help="daily, weekly or monthly (UTC); by default its budget is for ever."),
    ],
    "expires_at": Annotated[
        str | None,
        typer.Option(
            "--expires",
            help="90d from now, or 2027-01-31, its last day (UTC); by default never.",
        ),
    ],
    "priority": Annotated[str | None, typer.Option(help="high, normal (the default) or low.")],
    "admin": Annotated[
        bool | None, typer.Option("--admin", help="It may list all keys at /api/v1/keys.")
    ],
}


def _taking_terms(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command what may be said of a key; its first parameter gets what was said."""

    @functools.wraps(command)
    def parsed(**given: Any) -> None:
        terms = {name: given.pop(name) for name in TERMS}
        command({name: value for name, value in terms.items() if value is not None}, **given)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    needed = {"name": inspect.Parameter.empty}
    said = [
        inspect.Parameter(name, kind, annotation=meaning, default=needed.get(name))
        for name, meaning in TERMS.items()
    ]
    own = list(inspect.signature(command).parameters.values())[1:]
    vars(parsed)["__signature__"] = inspect.Signature([*said, *own])
    return parsed


@app.command()
@_taking_terms
def create(said: dict[str, Any], url: Url = None, config: Config = None) -> None:
    """Make a key and print it, this once, with all that its holder needs."""
    from serving import key_desk  # noqa: PLC0415 — each command loads what it needs alone

    hand_over(lambda: key_desk.create(config, said, url))


@app.command("list")
def show_all(config: Config = None) -> None:
    """List all keys of the store."""
    from serving import key_desk  # noqa: PLC0415

    hand_over(lambda: key_desk.show_all(config))


@app.command()
def show(key: NameOrId, config: Config = None) -> None:
    """Show all that is known of a key."""
    from serving import key_desk  # noqa: PLC0415

    hand_over(lambda: key_desk.show(config, key))


@app.command()
def revoke(key: NameOrId, config: Config = None) -> None:
    """End a key for ever."""
    from serving import key_desk  # noqa: PLC0415

    hand_over(lambda: key_desk.revoke(config, key))


@app.command()
def rotate(
    key: NameOrId,
    grace: Annotated[
        str, typer.Option(help="How long the old text goes on working: 30m, 24h, 7d.")
    ] = "0",
    url: Url = None,
    config: Config = None,
) -> None:
    """Give a key a new text, and print it, this once."""
    from serving import key_desk  # noqa: PLC0415

    hand_over(lambda: key_desk.rotate(config, key, grace, url))


@app.command("hash")
@_taking_terms
def write_entry(
    said: dict[str, Any],
    new: Annotated[
        bool, typer.Option("--new", help="Make a key and print it to stderr, this once.")
    ] = False,
) -> None:
    """Write the entry of a key, read from stdin, for the file at gateway.keys_file."""
    from serving import key_desk  # noqa: PLC0415

    hand_over(lambda: key_desk.write_entry(said, _typed, new=new))


def _typed() -> str:
    """Read a key, unseen where somebody types it."""
    if sys.stdin.isatty():
        return str(typer.prompt("Key", hide_input=True, err=True))
    return sys.stdin.buffer.readline().decode(errors="replace")

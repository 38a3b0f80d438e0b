"""The sub-commands of `serving keys`: parse, and hand over to the desk."""

import sys
from typing import Annotated, Any, Final

import typer

from serving.handover import Config, hand_over

app = typer.Typer(help="Make, show and end the keys of the API.", no_args_is_help=True)

TERMS: Final = (
    "name",
    "owner",
    "models",
    "requests_per_minute",
    "tokens_per_minute",
    "max_concurrent",
    "expires_at",
    "priority",
    "admin",
)
Name = Annotated[str, typer.Argument(help="Whose key it is, such as alice or ci-nightly.")]
NameOrId = Annotated[str, typer.Argument(metavar="NAME|ID", help="As `keys list` shows it.")]
Url = Annotated[
    str | None,
    typer.Option(help="Address its holder uses, https://vl.example.org; by default the settings'."),
]
Owner = Annotated[str | None, typer.Option(help="Whom to ask about it.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="A model it may use, again for another; by default all."),
]
Requests = Annotated[int | None, typer.Option("--requests-per-minute", help="By default any.")]
Tokens = Annotated[
    int | None, typer.Option("--tokens-per-minute", help="Prompts and answers; by default any.")
]
Concurrent = Annotated[int | None, typer.Option("--max-concurrent", help="By default any.")]
Expires = Annotated[
    str | None,
    typer.Option(help="90d from now, or 2027-01-31, its last day (UTC); by default never."),
]
Priority = Annotated[str | None, typer.Option(help="high, normal (the default) or low.")]
Admin = Annotated[bool, typer.Option("--admin", help="It may list all keys at /api/v1/keys.")]


@app.command()
def create(  # noqa: PLR0913, PLR0917 — one parameter an option
    name: Name,
    owner: Owner = None,
    models: Models = None,
    requests: Requests = None,
    tokens: Tokens = None,
    concurrent: Concurrent = None,
    expires: Expires = None,
    priority: Priority = None,
    admin: Admin = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Make a key and print it, this once, with all that its holder needs."""
    from serving import key_desk  # noqa: PLC0415 — each command loads what it needs alone

    said = _said(name, owner, models, requests, tokens, concurrent, expires, priority, admin)
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
def write_entry(  # noqa: PLR0913, PLR0917 — one parameter an option
    name: Name,
    owner: Owner = None,
    models: Models = None,
    requests: Requests = None,
    tokens: Tokens = None,
    concurrent: Concurrent = None,
    expires: Expires = None,
    priority: Priority = None,
    admin: Admin = False,
    new: Annotated[
        bool, typer.Option("--new", help="Make a key and print it to stderr, this once.")
    ] = False,
) -> None:
    """Write the entry of a key, read from stdin, for the file at gateway.keys_file."""
    from serving import key_desk  # noqa: PLC0415

    said = _said(name, owner, models, requests, tokens, concurrent, expires, priority, admin)
    hand_over(lambda: key_desk.write_entry(said, _typed, new=new))


def _typed() -> str:
    """Read a key, unseen where somebody types it."""
    if sys.stdin.isatty():
        return str(typer.prompt("Key", hide_input=True, err=True))
    return sys.stdin.buffer.readline().decode(errors="replace")


def _said(*values: Any) -> dict[str, Any]:
    """Name what was said of a key as its terms do; what was not said is left out."""
    pairs = zip(TERMS, values, strict=True)
    return {name: value for name, value in pairs if value is not None and value is not False}

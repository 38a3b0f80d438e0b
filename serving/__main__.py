"""The command line: parses a sub-command, loads the settings, hands over."""

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from serving import (
    keys_command,
    plan_command,
    request_command,
    usage_command,
    weights_command,
)
from serving.handover import Config, hand_over

app = typer.Typer(
    help="Serve Qwen3-VL on vLLM behind an OpenAI-compatible gateway.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.add_typer(keys_command.app, name="keys")
app.add_typer(weights_command.app, name="weights")


@app.command()
def up(
    config: Config = None,
    verbose: Annotated[bool, typer.Option("-v", help="Show the engine's own output.")] = False,
) -> None:
    """Run engine and gateway together on this machine until a signal comes.

    The signal lets running requests end first. `serving drain` beside it does so too, and leaves
    both running without new requests until the signal comes.
    """
    from serving import up as pair  # noqa: PLC0415 — each command loads what it needs alone

    hand_over(lambda: pair.run(config, verbose=verbose))


@app.command()
def engine(
    config: Config = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the command and its arithmetic, start nothing.")
    ] = False,
) -> None:
    """Become the vLLM engine on its private socket."""
    from serving.engine import launcher  # noqa: PLC0415
    from serving.engine.hardware import detect  # noqa: PLC0415
    from serving.selection import select  # noqa: PLC0415

    def start() -> int:
        selection = select(config, os.environ, detect(), on_trust=dry_run)
        if not dry_run:
            os.environ.update(selection.environment())  # the GPU that was found free
        return launcher.run(selection.loaded.settings, dry_run=dry_run)

    hand_over(start)


@app.command()
def gateway(config: Config = None) -> None:
    """Run the gateway, which waits for its engine."""
    from serving.engine.hardware import detect  # noqa: PLC0415
    from serving.gateway import server  # noqa: PLC0415
    from serving.selection import select  # noqa: PLC0415

    def serve() -> int:
        selection = select(config, os.environ, detect(), on_trust=True)
        return server.run(selection.loaded.settings, selection.entry)

    hand_over(serve)


@app.command()
def drain(
    config: Config = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only begin, do not wait for the end.")
    ] = False,
) -> None:
    """Let the gateway here finish its requests and take no new ones; wait until none is left.

    Exit code 0: every request came to its end; 1: some were cut off at gateway.drain_seconds, or
    no gateway listens. The gateway stays up and takes requests again when its engine has
    restarted; to end it, send it SIGTERM (Ctrl-C in `serving up`).
    """
    from serving import drain as command  # noqa: PLC0415

    hand_over(lambda: command.run(config, wait=not no_wait))


@app.command()
def settings(config: Config = None) -> None:
    """Print the effective settings and where each came from, secrets masked."""
    from serving.engine.hardware import detect  # noqa: PLC0415
    from serving.selection import select  # noqa: PLC0415
    from serving.settings import render  # noqa: PLC0415

    def show() -> int:
        typer.echo(render(select(config, os.environ, detect(), on_trust=True).loaded))
        return 0

    hand_over(show)


@app.command()
def doctor(config: Config = None) -> None:
    """Say in one page what this machine can serve and what to do about each problem."""
    from serving import doctor as page  # noqa: PLC0415

    hand_over(lambda: page.run(config, os.environ))


@app.command()
def verify(
    url: Annotated[str, typer.Argument(help="Address, such as http://127.0.0.1:8000.")],
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="File with the bearer key.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Model to ask for; by default the first listed.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the report; empty if no check is made.")
    ] = None,
    private_network: Annotated[
        list[str] | None,
        typer.Option(help="Network (CIDR) that the deployment opens to pictures on purpose."),
    ] = None,
) -> None:
    """Check a running deployment from outside, by questions with known answers."""
    from serving.verify import run  # noqa: PLC0415

    hand_over(
        lambda: run.verify(
            url,
            key_file=key_file,
            model=model,
            json_file=json_file,
            private_networks=private_network or (),
        )
    )


app.command()(usage_command.usage)
app.command()(request_command.request)
app.command(no_args_is_help=True)(plan_command.plan)

if __name__ == "__main__":
    if os.getpid() == 1:
        # A container's first process hears only the signals that it asks for; each command asks
        # for its own way out when it is loaded.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()

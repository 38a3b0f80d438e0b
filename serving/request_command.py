"""The command `serving request`: parse, and hand over to the desk."""

from typing import Annotated

import typer

from serving.handover import Config, hand_over

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Its X-Request-Id, or its answer's id: gen-…, chatcmpl-…, cmpl-…, resp_… or msg_….",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def request(text: Id, as_json: AsJson = False, config: Config = None) -> None:
    """Tell one request's story: where its time went, and which part was unusual.

    Requests that came to the engine are kept for store.request_days; of the others there are sums.
    """
    from serving import request_desk  # noqa: PLC0415 — each command loads what it needs alone

    hand_over(lambda: request_desk.run(config, text, as_json=as_json))

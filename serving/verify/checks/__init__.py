"""The checks, one module a family."""

from serving.verify.check import Check
from serving.verify.checks import (
    chat,
    endpoint,
    messages,
    openrouter,
    pictures,
    refusals,
    responses,
    tools,
)


def all_checks() -> tuple[Check, ...]:
    """Return every check, in the order in which they are shown."""
    return (
        *endpoint.CHECKS,
        *pictures.picture_checks(),
        *chat.CHECKS,
        *tools.CHECKS,
        *refusals.CHECKS,
        *openrouter.CHECKS,
        *responses.CHECKS,
        *messages.CHECKS,
    )

"""The ids of one request: its own, and those that its answer has in each dialect."""

from typing import Final

OWN_START: Final = "req_"
ANSWER_STARTS: Final = ("gen-", "chatcmpl-", "cmpl-", "resp_", "msg_")


def request_ids(text: str) -> tuple[str, ...]:
    """Return the ids of requests that this id, a request's or its answer's, may belong to.

    Clients may choose their requests' ids, so that one can look like an answer's: it comes first.
    """
    for start in ANSWER_STARTS:
        if text.startswith(start):
            rest = text.removeprefix(start)
            return text, OWN_START + rest, rest
    return (text,)


def generation_id(request_id: str) -> str:
    """Return the id of a request's answer in OpenRouter's dialect."""
    return f"gen-{request_id.removeprefix(OWN_START)}"

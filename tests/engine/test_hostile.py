"""Requests that want harm, before the real engine: each is refused in words, and none does any."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.hostile import Decoys, corpus

COUNT, SEED = 204, 7  # 200 of them are sent
# The rest of the loopback addresses is open to pictures here, for other tests.
FORBIDDEN = ("::1",)
# Too much for an engine that looks at 768 frames; the tiny model's takes eight.
HARMLESS_HERE = "video endless"


@pytest.fixture(scope="module")
def decoys() -> Iterator[Decoys]:
    """Listen where the endpoint must not connect to."""
    with Decoys(FORBIDDEN) as listening:
        yield listening


def test_hostile_requests_do_no_harm(endpoint: Any, decoys: Decoys) -> None:
    """Each gets its own error, nobody is reached, and the same processes serve on."""
    before = {process.pid for process in endpoint.family()}
    wrong = []
    for case in corpus(SEED, COUNT, decoys):
        if HARMLESS_HERE in case.name:
            continue
        answer = endpoint.http.post(f"{endpoint.url}/v1/chat/completions", content=case.body)
        if objection := case.judge(answer.status_code, code_of(answer)):
            wrong.append(objection)
    assert wrong == []
    assert decoys.connections == []
    assert before <= {process.pid for process in endpoint.family()}
    assert endpoint.http.get(f"{endpoint.admin_url}/readyz").status_code == 200


def code_of(answer: httpx.Response) -> str | None:
    """Return the error's code, None of an answer."""
    error = answer.json().get("error")
    return error["code"] if error else None

"""Every parameter has its effect: through the gateway, the real engine and the tiny model."""

from collections.abc import Iterator

import httpx
import pytest

from tests.engine.asking import Asking
from tests.engine.effects import Row
from tests.engine.parameters import ROWS


@pytest.fixture(scope="module")
def ask(endpoint: object) -> Iterator[Asking]:
    """Return what asks the endpoint."""
    with httpx.Client(base_url=endpoint.url, timeout=60) as client:
        yield Asking(client)


@pytest.mark.parametrize(
    ("row", "path"),
    [
        pytest.param(row, path, id=f"{path[1:]} {row.parameter}: {row.effect}")
        for row in ROWS
        for path in row.on
    ],
)
def test_parameter_has_its_effect(ask: Asking, row: Row, path: str) -> None:
    """The answer with the parameter differs from the one without it in the way the row says."""
    without, with_it = ask(path, **row.base), ask(path, **row.base | row.fields)
    assert row.holds(without, with_it), f"without: {without}\nwith: {with_it}"

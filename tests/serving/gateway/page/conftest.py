"""Where the browser's tests find the page."""

from typing import Any

import pytest


@pytest.fixture
def base(gateway: Any) -> str:
    """Return the address of a gateway that asks for no key."""
    return f"http://127.0.0.1:{gateway.port}"

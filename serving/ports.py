"""Ports for programs that are told theirs before they can open them."""

import random
import socket
from contextlib import suppress

# Below those that Linux hands out by itself: no other socket gets one of these by chance before
# the program opens it, not in another process that looks for one either.
FIRST, LAST = 10_000, 32_000


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, no two the same."""
    found: set[int] = set()
    while len(found) < count:
        port = random.SystemRandom().randint(FIRST, LAST)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(port)
    return list(found)

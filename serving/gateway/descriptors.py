"""How many clients this process can hold: each needs open files, and the kernel counts them."""

import resource
from typing import Final

# Listeners, probes, the store, workers and downloads.
FOR_ITSELF: Final = 128
# The client's own and one to the engine.
PER_CLIENT: Final = 2


def bearable_connections(wished: int) -> int:
    """Raise this process's limit of open files as far as it may; return how many clients it bears.

    At most `wished`, at least 1.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FOR_ITSELF + PER_CLIENT * wished
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return clients_within(soft, wished)


def clients_within(open_files: int, wished: int) -> int:
    """Return how many of the wished clients a limit of open files leaves room for."""
    if open_files == resource.RLIM_INFINITY:
        return wished
    return max(1, min(wished, (open_files - FOR_ITSELF) // PER_CLIENT))

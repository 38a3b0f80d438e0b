"""How much memory the bodies and media of all requests may take together."""

from serving.gateway.errors import Overloaded

RETRY_SECONDS = 2


class MemoryBudget:
    """Bytes that are still to be had; what one request takes is a `Share` of it."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.taken_bytes = 0

    def share(self) -> "Share":
        """Return an empty share."""
        return Share(self)


class Share:
    """What one request has taken; given back as a whole, once."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._bytes = 0

    def take(self, size: int) -> None:
        """Take more bytes; raises Overloaded where all requests together would have too much."""
        if self._budget.taken_bytes + size > self._budget.max_bytes:
            raise Overloaded(
                "The server holds as many large requests as it can. Please try again later.",
                retry_after_seconds=RETRY_SECONDS,
            )
        self._budget.taken_bytes += size
        self._bytes += size

    def give_back(self) -> None:
        """Let others have all of it."""
        self._budget.taken_bytes -= self._bytes
        self._bytes = 0

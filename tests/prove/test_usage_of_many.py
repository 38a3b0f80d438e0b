"""The ledger's sums after more requests than a test waits for."""

from tests.serving import usage_run
from tests.serving.conftest import Room, room

__all__ = ["room"]

COUNT = 1000


def test_the_ledger_is_the_sum_of_a_thousand_responses(room: Room) -> None:
    """As the shorter test, with ten times as many."""
    usage_run.prove(room, COUNT)

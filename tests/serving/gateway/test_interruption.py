"""Ending a task from outside with a named error."""

import asyncio

import pytest

from serving.gateway.interruption import Interruption, Phase


class Overdue(Exception):
    """The deadline's error."""


async def waits_under(phase: Phase, check_after: tuple[float, ...]) -> str:
    """Wait in a block whose deadline is checked at times after its start."""
    loop = asyncio.get_running_loop()
    interruption = Interruption()
    started = loop.time()
    for delay in check_after:
        loop.call_later(0.01, lambda delay=delay: interruption.check(started + delay))
    with interruption:
        interruption.enter(phase)
        await asyncio.sleep(0.05)
        return "finished"


@pytest.mark.parametrize(
    ("phase", "check_after", "overdue"),
    [
        pytest.param(Phase(1000, Overdue), (100, 900), False, id="within"),
        pytest.param(Phase(1000, Overdue), (1100,), True, id="over"),
        pytest.param(Phase(1000, Overdue, lambda seconds: True), (1100, 1500), False, id="goes on"),
        pytest.param(Phase(1000, Overdue, lambda seconds: False), (1100,), True, id="stuck"),
    ],
)
def test_a_deadline_raises_its_error_in_the_block(phase, check_after, overdue):
    """The error is raised where the task waits, and only when it is due."""
    if overdue:
        with pytest.raises(Overdue):
            asyncio.run(waits_under(phase, check_after))
    else:
        assert asyncio.run(waits_under(phase, check_after)) == "finished"


@pytest.mark.parametrize("verdict", [None, Overdue("in vain")])
def test_a_wait_in_vain_ends_before_its_deadline(verdict):
    """Only if somebody says so, and with the error that was given."""
    phase = Phase(1000, AssertionError, in_vain=lambda: verdict)
    if verdict:
        with pytest.raises(Overdue, match="in vain"):
            asyncio.run(waits_under(phase, (1,)))
    else:
        assert asyncio.run(waits_under(phase, (1,))) == "finished"


@pytest.mark.parametrize(("began", "overdue"), [(-2.0, False), (-11.0, True)])
def test_a_wait_may_have_begun_earlier(began, overdue):
    """What is heard meanwhile does not start it anew."""

    async def waits() -> str:
        loop = asyncio.get_running_loop()
        interruption = Interruption()
        with interruption:
            interruption.enter(Phase(10, Overdue), since=loop.time() + began)
            loop.call_later(0.01, lambda: interruption.check(loop.time()))
            await asyncio.sleep(0.05)
            return "finished"

    if overdue:
        with pytest.raises(Overdue):
            asyncio.run(waits())
    else:
        assert asyncio.run(waits()) == "finished"


def test_after_an_interruption_the_task_can_go_on():
    """The task is not left cancelled: it can still tell the client; later interrupts are void."""

    async def told() -> str:
        interruption = Interruption()
        counts: list[bool] = []
        for error in (Overdue("first"), Overdue("second")):
            asyncio.get_running_loop().call_soon(
                lambda error=error: counts.append(interruption.interrupt(error))
            )
        assert interruption.error is None
        try:
            with interruption:
                await asyncio.sleep(5)
        except Overdue as error:
            assert interruption.error is error
            assert not interruption.interrupt(Overdue("late"))
            assert counts == [True, False]
            await asyncio.sleep(0.01)
            assert asyncio.current_task().cancelling() == 0
            return str(error)
        return "not interrupted"

    assert asyncio.run(told()) == "first"


def test_a_cancellation_from_elsewhere_stays_one():
    """Only our own interruptions are turned into errors."""

    async def cancelled() -> bool:
        async def block() -> None:
            with Interruption():
                await asyncio.sleep(5)

        task = asyncio.create_task(block())
        await asyncio.sleep(0.01)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return True
        return False

    assert asyncio.run(cancelled())

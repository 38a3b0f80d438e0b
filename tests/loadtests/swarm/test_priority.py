"""A load process runs before others while a step lasts, where the kernel allows it."""

import os

import pytest

from loadtests.swarm.priority import first_in_line


def test_it_is_first_in_line_and_then_as_before():
    """Even where the step fails."""
    usual = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pytest.skip("real-time priority is not allowed here; run as root to enable this test")
    os.sched_setscheduler(0, usual, os.sched_param(0))
    with pytest.raises(ZeroDivisionError), first_in_line():
        assert os.sched_getscheduler(0) == os.SCHED_RR
        raise ZeroDivisionError
    assert os.sched_getscheduler(0) == usual


def test_where_it_is_not_allowed_nothing_changes(monkeypatch):
    """A laptop's user loads all the same; the certificate tells how well it was seen."""

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    usual = os.sched_getscheduler(0)
    with first_in_line():
        assert os.sched_getscheduler(0) == usual

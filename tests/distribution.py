"""How the processes of a run share its tests: files stay whole, and the long ones come first."""

import gc
import os
from collections.abc import Generator
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

MAX_WORKERS = 8
# One process imports torch and vLLM, which takes it seconds.
WITH_TORCH = (
    "tests/contracts/test_flags.py",
    "tests/deploy/test_launcher_copy.py",
    "tests/helm/test_settings_parsed.py",
    "tests/serving/engine/test_reasoning_",
    "tests/serving/gateway/test_video.py",
    "tests/serving/tiny_model/",
)
# Ten seconds or more, the longest first: none may begin when all others have ended.
LONG = (
    "tests/serving/test_up.py",
    "tests/deploy/test_setup.py",
    *WITH_TORCH,
    "tests/helm/test_any_values.py",
    "tests/helm/test_checkov.py",
    "tests/deploy/test_gateway_image.py",
    "tests/loadtests/test_main.py",
    "tests/loadtests/swarm/test_swarm.py",
    "tests/serving/gateway/page/test_browser.py",
    "tests/serving/gateway/page/test_chat_in_browser.py",
    "tests/helm/test_alerts.py",
    "tests/serving/test_drain.py",
    "tests/serving/gateway/test_media.py",
    "tests/serving/gateway/test_admission.py",
    "tests/serving/gateway/test_silence.py",
    "tests/serving/test_main.py",
    "tests/serving/gateway/test_ledger_outage.py",
    "tests/serving/gateway/test_server.py",
    "tests/serving/gateway/test_key_source.py",
    "tests/serving/verify/test_faults.py",
    "tests/serving/gateway/test_relay.py",
    "tests/serving/test_keys_command.py",
    "tests/serving/test_usage_kept.py",
)


class Scheduling(LoadFileScheduling):
    """Gives a process whole files, and one all those that need torch."""

    def _split_scope(self, nodeid: str) -> str:
        return "torch" if nodeid.startswith(WITH_TORCH) else super()._split_scope(nodeid)


def pytest_xdist_auto_num_workers() -> int:
    """Use one process more than there are processors: many tests wait for a clock."""
    return min(len(os.sched_getaffinity(0)) + 1, MAX_WORKERS)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Share whole files where the run asks for them, in the order in which they are collected."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without a look for garbage: all that is found stays, and is gone through each time.

    Five thousand tests halve what it costs each process.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first."""

    def place(item: pytest.Item) -> int:
        found = (n for n, start in enumerate(LONG) if item.nodeid.startswith(start))
        return next(found, len(LONG))

    items.sort(key=place)

"""Rules for every test: no skip goes unexplained, and none is allowed where all parts are required.

A skip for a missing part says how to get it: its reason ends in "enable: <command>".
"""

import os
import tempfile
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from serving.settings import PREFIX, SHORT_NAMES

ENABLE = "enable: "

pytest_plugins = ["tests.browser", "tests.distribution", "tests.postgres", "tests.prometheus"]

# A company's proxy is not asked for what runs on this machine.
for name in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)

# Nobody's own keys are read, also by what outlives one test.
STATE = tempfile.TemporaryDirectory(prefix="state-")
os.environ["XDG_STATE_HOME"] = STATE.name

settings.register_profile("short", max_examples=60, deadline=None)
settings.register_profile("long", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the caller's own settings from every test."""
    for name in list(os.environ):
        if name.startswith(PREFIX) or name in SHORT_NAMES:
            monkeypatch.delenv(name)
    # A folder of each test's own, made by whoever needs it.
    monkeypatch.setenv("XDG_STATE_HOME", str(Path(STATE.name) / uuid.uuid4().hex))
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Apply the rule to a test."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _forbid_missing_part(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Apply the rule to a module that skips itself."""
    report = yield
    _forbid_missing_part(report)
    return report


def _forbid_missing_part(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip for a missing part into a failure where TEST_REQUIRE=all."""
    if report.skipped and os.environ.get("TEST_REQUIRE") == "all":
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
        if ENABLE in reason:
            report.outcome = "failed"
            report.longrepr = f"TEST_REQUIRE=all allows no missing part: {reason}"

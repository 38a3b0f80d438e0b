"""Results folders and their pages, each made once."""

from pathlib import Path

import pytest

from loadtests.report.folder import Run, read_run
from loadtests.report.page import page
from tests.loadtests.report.synthetic import Made, write


@pytest.fixture(scope="session", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps with failures and metrics."""
    folder = tmp_path_factory.mktemp("run") / "six"
    write(folder)
    return folder


@pytest.fixture(scope="session", name="run")
def _run(folder: Path) -> Run:
    """The same run, read."""
    return read_run(folder)


@pytest.fixture(scope="session", name="html")
def _html(run: Run) -> str:
    """The same run's page."""
    return page(run)


@pytest.fixture(scope="session", name="html_of_one")
def _html_of_one(single: Run) -> str:
    """The page of the run of one step."""
    return page(single)


@pytest.fixture(scope="session", name="single")
def _single(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of one step, of three requests, that nobody observed."""
    folder = tmp_path_factory.mktemp("run") / "one"
    write(folder, Made(users=(1,), requests_per_user_second=0.4, metrics=False, failing=0))
    return read_run(folder)

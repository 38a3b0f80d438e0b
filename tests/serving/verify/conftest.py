"""Runs all checks against a scripted deployment, under limits that a test can wait for."""

import asyncio
from collections.abc import Callable

import pytest

from serving.verify.checks import all_checks
from serving.verify.client import Endpoint
from serving.verify.contact import meet
from serving.verify.report import Result
from serving.verify.run import Limits, open_session, run_checks
from tests.serving.verify.deployment import Deployment

LIMITS = Limits(check_seconds=120, run_seconds=600)

Judge = Callable[..., list[Result]]


@pytest.fixture
def judge() -> Judge:
    """Return what runs the checks against a running deployment."""

    def run(deployment: Deployment, limits: Limits = LIMITS) -> list[Result]:
        async def visit() -> list[Result]:
            async with open_session() as session:
                endpoint = Endpoint(session, deployment.url, key=deployment.key)
                checks = all_checks()
                return await run_checks(await meet(endpoint, None), checks, limits, shown.append)

        shown: list[Result] = []
        results = asyncio.run(visit())
        assert shown == results
        return results

    return run

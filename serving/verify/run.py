"""A run: contact, then every check under its own limit and that of the whole, then the report."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import aiohttp

from serving.verify.check import Check
from serving.verify.checks import all_checks
from serving.verify.client import Endpoint, Network
from serving.verify.contact import Unusable, base_url, meet, read_key, read_networks
from serving.verify.report import Report, Result, Verdict
from serving.verify.verdict import Failed, Skipped, short

AT_ONCE = 6
EXIT_PASSED, EXIT_FAILED, EXIT_UNUSABLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What one check and the whole run may take."""

    check_seconds: float = 60
    run_seconds: float = 170


def verify(
    url: str,
    *,
    key_file: Path | None = None,
    model: str | None = None,
    json_file: Path | None = None,
    private_networks: Iterable[str] = (),
) -> int:
    """Check a deployment and print what was seen; return 0, 1 if a check failed, 2 if none ran.

    A report stays empty where no check could be made.
    """
    try:
        key, networks = read_key(key_file), read_networks(private_networks)
        with _opened(json_file) as sink:
            report = asyncio.run(_visit(base_url(url), key, model, networks))
            if sink is not None:
                sink.write(json.dumps(report.as_json(), indent=1) + "\n")
    except Unusable as unusable:
        sys.stderr.write(f"{unusable.heading}: {unusable}\n")
        return EXIT_UNUSABLE
    return EXIT_PASSED if report.passed else EXIT_FAILED


async def _visit(
    url: str, key: str | None, model: str | None, networks: tuple[Network, ...]
) -> Report:
    """Meet the endpoint, run all checks and print the summary; raises Unusable."""
    started, began = datetime.now(UTC), time.perf_counter()
    async with open_session() as session:
        contact = Endpoint(session, url, key=key, open_networks=networks)
        endpoint = await meet(contact, model)
        _print(f"{endpoint.url} serves {endpoint.served}")
        results = await run_checks(endpoint, all_checks(), Limits(), lambda r: _print(r.line()))
    report = Report(
        url=url,
        model=endpoint.served,
        started=started.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - began,
        results=results,
    )
    _print(report.summary())
    return report


def open_session() -> aiohttp.ClientSession:
    """Return a session without limits of its own: every request is made under a check's."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout()
    )


async def run_checks(
    endpoint: Endpoint, checks: Sequence[Check], limits: Limits, show: Callable[[Result], None]
) -> list[Result]:
    """Run the checks that need quiet one by one, then the others together; show each in order."""
    deadline = time.perf_counter() + limits.run_seconds
    places = asyncio.Semaphore(AT_ONCE)

    async def judged(check: Check) -> Result:
        async with places:
            left = deadline - time.perf_counter()
            return await judge(check, endpoint, min(limits.check_seconds, left))

    results = []
    for check in (check for check in checks if check.alone):
        results.append(await judged(check))
        show(results[-1])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(judged(check)) for check in checks if not check.alone]
        for task in tasks:
            results.append(await task)
            show(results[-1])
    return results


async def judge(check: Check, endpoint: Endpoint, limit_seconds: float) -> Result:
    """Run one check; whatever happens within becomes its verdict."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(limit_seconds):
            verdict, seen = Verdict.OK, await check.run(endpoint)
    except Skipped as skipped:
        verdict, seen = Verdict.SKIPPED, str(skipped)
    except Failed as failed:
        verdict, seen = Verdict.FAILED, str(failed)
    except TimeoutError:
        verdict, seen = Verdict.FAILED, _too_late(limit_seconds)
    except (aiohttp.ClientError, OSError) as error:
        verdict, seen = Verdict.FAILED, f"the connection failed: {error or type(error).__name__}"
    except Exception as error:  # an answer of a form that no check foresaw is the endpoint's fault
        verdict, seen = Verdict.FAILED, f"an answer of no known form: {error!r}"
    seconds = time.perf_counter() - began
    return Result(check.name, check.expected, short(seen), verdict, round(seconds, 3))


def _too_late(limit_seconds: float) -> str:
    if limit_seconds <= 0:
        return "not asked any more: the whole run was over its time"
    return f"not done within {limit_seconds:.1f} s"


def _opened(path: Path | None) -> AbstractContextManager[TextIO | None]:
    if path is None:
        return nullcontext()
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise Unusable(f"--json {path} cannot be written: {error}.", "Give another.") from None


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

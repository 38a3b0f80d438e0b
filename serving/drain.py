"""Asks a running gateway to drain, and tells how it goes until no request is left."""

import http.client
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from serving import settings
from serving.engine.socket import connection
from serving.failure import NotDone
from serving.gateway.control import DRAIN, control_path
from serving.gateway.drain import Phase, Report

# Far more than lies between two lines of progress.
SILENCE_SECONDS: Final = 30
AFTERWARDS: Final = (
    "The gateway takes requests again when the engine has restarted. To end it, send it SIGTERM; "
    "for `serving up` that is Ctrl-C."
)


def run(config: Path | None, *, wait: bool) -> int:
    """Drain the gateway of this configuration; return 0 when every request has come to its end.

    Returns 1, with the reason on stderr, where some were cut off. Raises StartError where no
    gateway listens.
    """
    loaded = settings.load(config, os.environ).settings
    path = control_path(loaded)
    with closing(connection(path, SILENCE_SECONDS)) as gateway:
        try:
            gateway.request("POST", DRAIN)
            response = gateway.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise NotDone(
                f"No gateway listens on {path}: {getattr(error, 'strerror', None) or error}.",
                "Start one, or give the configuration of the one that runs (--config, or "
                "SERVING_GATEWAY__CONTROL_SOCKET).",
            ) from None
        if response.status != 200:
            raise NotDone(
                f"What listens on {path} is no gateway of this version (status {response.status}).",
                "Drain it with the version that it runs.",
            )
        last = _follow(response, wait=wait)
    return _verdict(last, loaded.gateway.drain_seconds) if wait else 0


def _follow(response: http.client.HTTPResponse, *, wait: bool) -> Report | None:
    """Print what changes; return the last report of a drain that is over, None if none came."""
    told: str | None = None
    try:
        while line := response.readline():
            report = msgspec.json.decode(line, type=Report)
            if (progress := _progress(report)) != told:
                told = progress
                _say(progress)
            if report.is_over or not wait:
                return report
    except (OSError, http.client.HTTPException):
        return None
    return None


def _progress(report: Report) -> str:
    left = f"{report.requests} {'request' if report.requests == 1 else 'requests'} running"
    match report.phase:
        case Phase.SERVING:
            return f"Serving: {left}."
        case Phase.LEAVING:
            return f"Not ready any more, new requests are still served: {left}."
        case Phase.REFUSING:
            return f"New requests are refused: {left}."
        case Phase.CUTTING:
            return f"Running requests are cut off: {left}."


def _verdict(last: Report | None, drain_seconds: float) -> int:
    if last is None:
        reason = "The gateway ended or fell silent before its drain was over."
    elif last.phase is Phase.SERVING:
        reason = "The engine has restarted, and the gateway serves again."
    elif last.cut_off:
        reason = (
            f"{last.cut_off} requests were not finished after {drain_seconds:g} s "
            "(gateway.drain_seconds) and got an error. Raise it together with "
            "terminationGracePeriodSeconds."
        )
    else:
        _say(f"Drained: every request has come to its end. {AFTERWARDS}")
        return 0
    sys.stderr.write(f"Not drained: {reason}\n")
    return 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

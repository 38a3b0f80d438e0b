"""Runs experiments on reliability: `python -m tests.chaos [NAMES] [--quick]`; all by default.

A full run writes its rows into deploy/results and the README; the exit code is 1 where a rule does
not hold. A quick one is the same with less of everything, and writes nothing.
"""

import argparse
import asyncio
import gc
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop

from tests.chaos import drain, dropped, fairness, hostile, kill, overload, real, soak, stop
from tests.chaos.report import Check, Row, write
from tests.chaos.wait import clock

Experiment = Callable[..., Awaitable[Row]]
EXPERIMENTS: Final[dict[str, Experiment]] = {
    "overload": overload.run,
    "fairness": fairness.run,
    "drain": drain.run,
    "kill": kill.run,
    "stop": stop.run,
    "hostile": hostile.run,
    "dropped": dropped.run,
    "soak": soak.run,
    "real": real.run,
}


def main(arguments: list[str]) -> int:
    """Run what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"with commas or spaces: {', '.join(EXPERIMENTS)}")
    parser.add_argument("--quick", action="store_true", help="less of everything, no report")
    options = parser.parse_args(arguments)
    asked = ",".join(options.names).replace(" ", ",").split(",")
    gc.disable()  # its pauses would be measured as the gateway's
    names = [name for name in asked if name] or list(EXPERIMENTS)
    if unknown := set(names) - set(EXPERIMENTS):
        parser.error(f"no experiment: {', '.join(sorted(unknown))}")
    rows = [_perform(name, quick=options.quick) for name in names]
    if not options.quick:
        write(rows, list(EXPERIMENTS))
    failed = [row.name for row in rows if not row.holds]
    _say(f"{len(rows) - len(failed)} of {len(rows)} hold" + "".join(f"; not {n}" for n in failed))
    return 1 if failed else 0


def _perform(name: str, *, quick: bool) -> Row:
    """Run one experiment and show its row; one that breaks off does not hold."""
    _say(f"{name} …")
    begin = clock()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            row = runner.run(EXPERIMENTS[name](quick=quick))
    except Exception as error:
        traceback.print_exc()
        row = Row(
            name, name, "comes to its end", [Check(f"{type(error).__name__}: {error}", False)]
        )
    _say(f"{name}: {'holds' if row.holds else 'DOES NOT HOLD'} ({clock() - begin:.0f} s)")
    for check in row.checks:
        _say(f"  {'ok ' if check.holds else 'NOT'} {check.says}")
    return row


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The command: all clients through all cases, one table on the terminal, one result file."""

import argparse
import datetime
import json
import platform
import sys
from typing import Any

from deploy.benchmarks.load_clients import (
    aiperf,
    bench,
    environments,
    genai_bench,
    guidellm,
    ours,
    vllm_bench,
)
from deploy.benchmarks.load_clients.clients import ROOT, Client
from deploy.results import table

CLIENTS = (ours.CLIENT, vllm_bench.CLIENT, guidellm.CLIENT, aiperf.CLIENT, genai_bench.CLIENT)
REPEATS = 3


def main(arguments: list[str]) -> int:
    """Run the clients, write each result as it comes; returns the program's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", action="append", choices=[one.name for one in CLIENTS])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args(arguments)
    chosen = [one for one in CLIENTS if not options.client or one.name in options.client]
    environments.make_missing(chosen)
    with bench.engine() as here:
        for client in chosen:
            sys.stdout.write(f"{client.name}: {bench.command_line(client)}\n")
            sys.stdout.flush()
            keep(row(here, client, options.repeats))
    sys.stdout.write(table.load_clients(table.read_load_clients()))
    return 0


def keep(new: dict[str, Any]) -> None:
    """Write a client's row into the result file, in the place of its last one."""
    rows = [one for one in table.read_load_clients()["rows"] if one["client"] != new["client"]]
    rows = sorted([*rows, new], key=lambda one: one["first_token_p99_error_ms"])
    report = {"rows": rows, "command": "python -m deploy.benchmarks.load_clients"}
    path = table.FOLDER / table.LOAD_CLIENTS
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def row(here: bench.Bench, client: Client, repeats: int) -> dict[str, Any]:
    """Measure one client."""
    return {
        "client": client.name,
        "version": client.version,
        **bench.times(here, client, repeats),
        "events_per_core_second": round(bench.events_per_core(here, client, repeats)),
        **bench.failures(here, client),
        **bench.silence(here, client),
        **bench.unfinished(here, client),
        "settings": client.settings,
        "command": bench.command_line(client),
        "machine": f"{platform.machine()}, engine and client on one core each",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))

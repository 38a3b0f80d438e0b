"""This repository's load test, run as a user would run it."""

import json
import sys

from deploy.benchmarks.load_clients.clients import ROOT, Client, Order, Report, Times
from deploy.benchmarks.load_clients.scripts import MODEL
from loadtests.outcome import Outcome
from loadtests.records import Record, read_records


def command(order: Order) -> list[str]:
    """Ask by time: streams that are open at its end are awaited."""
    prompts = order.folder / "prompts.jsonl"
    message = {"role": "user", "content": "Count aloud to three hundred."}
    line = {"messages": [message], "max_tokens": order.output_tokens}
    prompts.write_text(json.dumps(line) + "\n")
    return [
        *(sys.executable, "-m", "loadtests", "run", order.url, "--model", MODEL),
        *("--scenario", str(prompts), "--users", str(order.streams)),
        *("--duration", str(order.seconds), "--out", str(order.folder / "ours")),
    ]


def read(order: Order) -> Report:
    """Read the record of each request."""
    [path] = (order.folder / "ours").rglob("requests.jsonl")
    records = sorted(read_records(path)[1], key=lambda record: record.sent_seconds)
    good = [record for record in records if record.answered]
    censored = sum(record.outcome is Outcome.CENSORED for record in records)
    gaps = [gap / 1e6 for record in good for gap in record.event_gaps_us]
    failed = len(records) - len(good) - censored
    return Report([_times(record) for record in good], failed, censored, gaps)


def _times(record: Record) -> Times:
    return Times(
        first_token=record.first_token_seconds or 0.0,
        first_answer=record.first_answer_seconds,
        total=record.last_token_seconds or 0.0,
    )


CLIENT = Client(
    name="loadtests (ours)",
    version=(ROOT / "pyproject.toml").read_text().partition('version = "')[2].partition('"')[0],
    environment=None,
    command=command,
    read=read,
    settings="`loadtests run` with its defaults; its CPU seconds hold its certificate's, too.",
    probes=1,
)

"""AIPerf, NVIDIA's successor of GenAI-Perf."""

import json

from deploy.benchmarks.load_clients.clients import (
    PROMPT_TOKENS,
    TOKENIZER,
    Client,
    Order,
    Report,
    Times,
)
from deploy.benchmarks.load_clients.environments import program
from deploy.benchmarks.load_clients.scripts import MODEL


def command(order: Order) -> list[str]:
    """Ask by count or by time; by time it waits its default grace period for what still runs."""
    limit = ("--request-count", str(order.requests))
    if order.by_time:
        limit = ("--benchmark-duration", str(order.seconds))
    return [
        *(str(program("aiperf.txt", "aiperf")), "profile"),
        *("--model", MODEL, "--endpoint-type", "chat", "--streaming", "--url", order.url),
        *("--tokenizer", str(TOKENIZER), "--use-server-token-count"),
        *("--concurrency", str(order.streams), *limit),
        *("--isl", str(PROMPT_TOKENS), "--osl", str(order.output_tokens)),
        *("--extra-inputs", "ignore_eos:true"),
        *("--artifact-dir", str(order.folder / "aiperf"), "--ui-type", "none"),
    ]


def read(order: Order) -> Report:
    """Read the record of each request."""
    path = order.folder / "aiperf" / "profile_export.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    records.sort(key=lambda record: record["metadata"]["request_start_ns"])
    cancelled = sum(record["metadata"]["was_cancelled"] for record in records)
    good = [record["metrics"] for record in records if "time_to_first_token" in record["metrics"]]
    gaps = [gap / 1e3 for metrics in good for gap in metrics["inter_chunk_latency"]["value"]]
    failed = len(records) - len(good) - cancelled
    return Report([_times(metrics) for metrics in good], failed, cancelled, gaps)


def _times(metrics: dict[str, dict[str, float]]) -> Times:
    answer = metrics.get("time_to_first_output_token")
    return Times(
        first_token=metrics["time_to_first_token"]["value"] / 1e3,
        first_answer=answer["value"] / 1e3 if answer else None,
        total=metrics["request_latency"]["value"] / 1e3,
    )


CLIENT = Client(
    name="AIPerf",
    version="0.13.0",
    environment="aiperf.txt",
    command=command,
    read=read,
    settings="`profile --endpoint-type chat --streaming --concurrency`, as its quick start shows; "
    "the server's token counts and ignore_eos, as its own warnings ask for.",
)

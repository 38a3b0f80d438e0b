"""GuideLLM, the load client of the vLLM project."""

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
    """Keep the streams open with its `concurrent` profile."""
    limit = f"kind=max_requests,count={order.requests}"
    if order.by_time:
        limit = f"kind=max_duration,seconds={order.seconds}"
    tokens = f"prompt_tokens={PROMPT_TOKENS},output_tokens={order.output_tokens}"
    return [
        *(str(program("guidellm.txt", "guidellm")), "run"),
        *("--backend", f"kind=openai_http,target={order.url},model={MODEL}"),
        *("--tokenizer", f"kind=huggingface_auto,model={TOKENIZER}"),
        *("--profile", f"kind=concurrent,streams={order.streams}", "--constraint", limit),
        *("--data", f"kind=synthetic_text,{tokens}"),
        *("--output", f"kind=json,path={order.folder / 'guidellm.json'}"),
        "--disable-console-interactive",
    ]


def read(order: Order) -> Report:
    """Read the requests of the one benchmark in the report."""
    result = json.loads((order.folder / "guidellm.json").read_text())
    requests = result["benchmarks"][0]["requests"]
    good = sorted(requests["successful"], key=lambda request: request["request_start_time"])
    times = [_times(request) for request in good if request["time_to_first_token_ms"]]
    lost = len(good) - len(times)
    return Report(times, len(requests["errored"]) + lost, len(requests["incomplete"]))


def _times(request: dict[str, float | None]) -> Times:
    answer = request["time_to_first_output_token_ms"]
    return Times(
        first_token=(request["time_to_first_token_ms"] or 0.0) / 1e3,
        first_answer=None if answer is None else answer / 1e3,
        total=request["request_latency"] or 0.0,
    )


CLIENT = Client(
    name="GuideLLM",
    version="0.8.1",
    environment="guidellm.txt",
    command=command,
    read=read,
    settings="`guidellm[recommended]`, profile `concurrent` on `openai_http`, as its guide shows.",
)

"""The board beside a load test: what the load's own report cannot see, on one time axis.

Gateway and engine are laid over one another, and the time in which there was load is shaded.
"""

from typing import Final

from deploy.dashboards.board import Board, Panel, Query, Row, bad_from, figure
from deploy.dashboards.load import OUTPUT
from deploy.dashboards.objectives import (
    FIRST_ANSWER_SECONDS,
    FIRST_TOKEN_SECONDS,
    INTER_TOKEN_SECONDS,
)
from deploy.dashboards.promql import gauge, grown, mean, quantile, rate, series

RUNNING: Final = gauge("vllm:num_requests_running")
WAITING: Final = gauge("vllm:num_requests_waiting")
QUEUED: Final = gauge("gateway_requests_queued")
PROMPT: Final = rate("vllm:prompt_tokens_total")
MADE: Final = rate("vllm:generation_tokens_total")


def both(gateway: str, engine: str) -> tuple[Query, ...]:
    """Ask for the middle and the slow of a time as the gateway sees it, and as the engine does."""
    return tuple(
        Query(quantile(percent / 100, histogram), f"{where}, p{percent}")
        for where, histogram in (("gateway", gateway), ("engine", engine))
        for percent in (50, 95)
    )


OFFERED: Final = Row(
    "How much is asked of it?",
    (
        figure(
            "How many requests came to an end?",
            "In the shown time, as the server counts them; the load's report counts those it sent. "
            "Fewer here: some never arrived, look at what is between them.",
            Query(grown("gateway_requests_total"), "requests"),
            unit="short",
        ),
        figure(
            "How many output tokens were made?",
            "Thought and answer, in the shown time. The report's tokens a second times its "
            "seconds should come near; far more: somebody else uses the endpoint as well.",
            Query(grown("vllm:generation_tokens_total"), "tokens"),
            unit="short",
        ),
        Panel(
            "How many requests are in flight?",
            "`engine` runs them, `engine waits` and `queued` are over what it can run. A step of "
            "the load whose queue does not level out is past saturation.",
            (
                Query(RUNNING, "engine"),
                Query(WAITING, "engine waits"),
                Query(QUEUED, "queued"),
            ),
            "short",
            stacked=True,
            width=16,
        ),
        Panel(
            "How many requests a second come, and how many are refused?",
            "The load's rate. Refusals count as failures in its report: a queue that is full says "
            "that the step was too high, a key's limit that the load needs another key.",
            (
                Query(rate("gateway_admissions_total"), "let in"),
                Query(rate("gateway_refusals_total"), "refused"),
            ),
            "reqps",
            width=12,
        ),
        Panel(
            "How many tokens a second?",
            "Output that stays level while requests in flight grow: this is the most it can do.",
            (
                Query(PROMPT, "prompt"),
                Query(MADE, "output"),
                Query(OUTPUT, "output, by the gateway"),
            ),
            "short",
            width=12,
        ),
    ),
)

SOON: Final = Row(
    "How soon do people get something?",
    (
        Panel(
            "How soon does the first token come, by gateway and engine?",
            "The gap between both is queue and media in the gateway. A report that is slower than "
            "the gateway's line saw its network, or waited for its own connections.",
            both("gateway_time_to_first_token_seconds", "vllm:time_to_first_token_seconds"),
            "s",
            thresholds=bad_from(FIRST_TOKEN_SECONDS, 10),
            width=12,
        ),
        Panel(
            "How soon does the answer begin under this load?",
            "The thought is over. Slow while first tokens are fast: thoughts are long, or many "
            "share the engine; see the time from token to token.",
            tuple(
                Query(quantile(percent / 100, "gateway_time_to_first_answer_token_seconds"), name)
                for percent, name in ((50, "p50"), (95, "p95"))
            ),
            "s",
            thresholds=bad_from(FIRST_ANSWER_SECONDS, 90),
            width=12,
        ),
        Panel(
            "How long is it from token to token, by gateway and engine?",
            "Both lines together are as they should be. The gateway's above the engine's: the "
            "gateway has too little CPU.",
            both("gateway_inter_token_seconds", "vllm:inter_token_latency_seconds"),
            "s",
            thresholds=bad_from(INTER_TOKEN_SECONDS, 0.1),
            width=12,
        ),
        Panel(
            "How long do requests wait before they run?",
            "Means: in the gateway's queue, then in the engine's. They grow first when a step is "
            "too high; percentiles of short steps have too few requests.",
            (
                Query(mean("gateway_queue_wait_seconds"), "gateway"),
                Query(mean("vllm:request_queue_time_seconds"), "engine"),
            ),
            "s",
            width=12,
        ),
    ),
)

LIMITS: Final = Row(
    "What is the limit?",
    (
        Panel(
            "How full is the KV cache under this load?",
            "At 1 requests are preempted, and the highest step was bound by memory: a larger "
            "share of it, shorter contexts, or a second replica.",
            (Query(f"max({series('vllm:kv_cache_usage_perc')})", "in use"),),
            "percentunit",
            maximum=1,
        ),
        Panel(
            "How many requests are preempted under this load?",
            "Their work is done twice. Any at all: lower max_num_seqs, or the load is past what "
            "the cache holds.",
            (Query(rate("vllm:num_preemptions_total"), "preempted"),),
            "ops",
        ),
        Panel(
            "How many cores do gateway and engine use?",
            "At all cores of the machine the processor is the limit; with the load's client on "
            "the same machine its share counts too, and its report may be INVALID.",
            (Query(rate("process_cpu_seconds_total"), "cores"),),
            "short",
        ),
    ),
)

BOARD: Final = Board(
    uid="qwen3vl-loadtest",
    title="Qwen3-VL: load test",
    description="Beside a load test's report: what the server saw meanwhile, load shaded.",
    rows=(OFFERED, SOON, LIMITS),
    overlays=(
        Query(f"{gauge('gateway_requests_running')} > 0", "load"),
        Query(f"{QUEUED} > 0", "requests queue"),
    ),
)

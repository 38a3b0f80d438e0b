"""Rows of the overview: how much there is to do, and what pictures and videos take."""

from typing import Final

from deploy.dashboards.board import Panel, Query, Row, bad_from, percentiles
from deploy.dashboards.objectives import FIRST_TOKEN_SECONDS
from deploy.dashboards.promql import gauge, quantile, rate

THOUGHT: Final = rate("gateway_tokens_total", 'kind="reasoning"')
OUTPUT: Final = rate("gateway_tokens_total", 'kind=~"reasoning|answer"')
COST: Final = rate("gateway_cost_usd_total")

LOAD: Final = Row(
    "How much is there to do?",
    (
        Panel(
            "How many tokens a second?",
            "Cached, image and video tokens are parts of prompt. Fewer output tokens at the same "
            "load: the engine got slower, see its board.",
            (Query(rate("gateway_tokens_total", by=("kind",)), "{{kind}}"),),
            "short",
        ),
        Panel(
            "How much of the output is thought?",
            "All of it is paid for; readers see only the rest. Near 1: answers are cut, or "
            "thoughts far too long for the questions.",
            (Query(f"{THOUGHT} / {OUTPUT}", "thought"),),
            "percentunit",
            maximum=1,
        ),
        Panel(
            "How many are let in, how many refused?",
            "Refusals that last want more replicas; those of a burst are as meant.",
            (
                Query(rate("gateway_admissions_total"), "let in"),
                Query(rate("gateway_refusals_total"), "refused"),
            ),
            "reqps",
        ),
        Panel(
            "How long do requests wait in the queue?",
            "They are refused at max_queue_seconds. Long and lasting: more replicas.",
            percentiles("gateway_queue_wait_seconds"),
            "s",
            thresholds=bad_from(FIRST_TOKEN_SECONDS, 10),
        ),
        Panel(
            "How many tokens has the engine before it?",
            "Prompt and expected output of what runs there. Near max_running_tokens new requests "
            "queue; scale out by this figure.",
            (Query(gauge("gateway_tokens_running"), "tokens"),),
            "short",
        ),
        Panel(
            "What does an hour of this cost?",
            "At the offered prices. A leap: the board of keys says whose.",
            (Query(f"{COST} * 3600", "an hour"),),
            "currencyUSD",
        ),
    ),
)

MEDIA: Final = Row(
    "How do pictures and videos fare?",
    (
        Panel(
            "How many pictures and videos come?",
            "Those not `ok` were refused, and the client was told why. All of one kind refused: a "
            "client sends a format or size that no limit allows.",
            (
                Query(
                    rate("gateway_media_items_total", by=("kind", "source", "outcome")),
                    "{{kind}}, {{source}}: {{outcome}}",
                ),
            ),
            "short",
            stacked=True,
            width=6,
        ),
        Panel(
            "How many bytes do they have?",
            "A leap with few items: somebody sends them far larger than the model looks at.",
            (Query(rate("gateway_media_bytes_total", by=("kind",)), "{{kind}}"),),
            "Bps",
            stacked=True,
            width=6,
        ),
        Panel(
            "How long does it take to fetch one?",
            "p95. Slow: somebody's host is; their requests wait, others do not.",
            (Query(quantile(0.95, "gateway_media_fetch_seconds", "kind"), "{{kind}}"),),
            "s",
            thresholds=bad_from(2, 8),
            width=6,
        ),
        Panel(
            "How long does it take to check one?",
            "p95, the wait for a worker included. Slow: raise media_workers, or give the gateway "
            "more CPU.",
            (Query(quantile(0.95, "gateway_media_check_seconds", "kind"), "{{kind}}"),),
            "s",
            thresholds=bad_from(0.2, 1),
            width=6,
        ),
    ),
)

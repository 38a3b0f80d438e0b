"""The board of keys: who uses what, what it costs, and whose requests fare badly."""

from typing import Final

from deploy.dashboards.board import Board, Panel, Query, Row, Variable, bad_from
from deploy.dashboards.promql import grown, rate, series

CHOSEN: Final = 'key=~"$key"'
KEY: Final = ("key",)


def tokens(kinds: str) -> str:
    """Return a key's tokens of some kinds in the shown time."""
    return grown("gateway_key_tokens_total", CHOSEN, f'kind=~"{kinds}"', by=KEY)


def verdicts(verdict: str) -> str:
    """Return a key's requests a second that ended so."""
    return rate("gateway_key_requests_total", CHOSEN, f'verdict="{verdict}"', by=KEY)


ALL: Final = rate("gateway_key_requests_total", CHOSEN, by=KEY)
PROMPT: Final = rate("gateway_key_tokens_total", CHOSEN, 'kind="prompt"', by=KEY)
CACHED: Final = rate("gateway_key_tokens_total", CHOSEN, 'kind="cached"', by=KEY)
COST: Final = rate("gateway_key_cost_usd_total", CHOSEN, by=KEY)

USAGE: Final = Row(
    "Who used what?",
    (
        Panel(
            "What did each key use in the shown time?",
            "For bills ask `serving usage`: it reads the ledger, which survives restarts. `other` "
            "are the keys beyond max_key_labels.",
            (
                Query(grown("gateway_key_requests_total", CHOSEN, by=KEY), "requests"),
                Query(tokens("prompt"), "prompt tokens"),
                Query(tokens("reasoning"), "thought tokens"),
                Query(tokens("answer"), "answer tokens"),
                Query(grown("gateway_key_cost_usd_total", CHOSEN, by=KEY), "USD"),
            ),
            "short",
            "table",
            width=16,
            height=8,
        ),
        Panel(
            "How much of its budget has each key spent?",
            "Of the running period. At 1 the key gets 402 until the next begins: raise its budget "
            "by `serving keys`, or tell its owner. Empty where no key has a budget.",
            (
                Query(
                    f"max by (key) ({series('gateway_key_budget_used_ratio', CHOSEN)})", "{{key}}"
                ),
            ),
            "percentunit",
            "bargauge",
            bad_from(0.8, 1),
            maximum=1,
            height=8,
        ),
    ),
)

TRAFFIC: Final = Row(
    "What do keys do now?",
    (
        Panel(
            "Which keys ask how much?",
            "One that fills the engine keeps others waiting only within its limits: give it some.",
            (Query(ALL, "{{key}}"),),
            "reqps",
            stacked=True,
        ),
        Panel(
            "Which keys write how many tokens?",
            "Thought and answer: what the engine is busy with.",
            (
                Query(
                    rate("gateway_key_tokens_total", CHOSEN, 'kind=~"reasoning|answer"', by=KEY),
                    "{{key}}",
                ),
            ),
            "short",
            stacked=True,
        ),
        Panel(
            "What does an hour of each key cost?",
            "At the offered prices. A leap: ask the key's owner before the bill does.",
            (Query(f"{COST} * 3600", "{{key}}"),),
            "currencyUSD",
            stacked=True,
        ),
        Panel(
            "What became of their requests?",
            "`failed` is the server's fault, `refused` a limit or a bad request, `cancelled` a "
            "client that left.",
            (Query(rate("gateway_key_requests_total", CHOSEN, by=("verdict",)), "{{verdict}}"),),
            "reqps",
            stacked=True,
        ),
        Panel(
            "Whose requests are refused?",
            "As a share of the key's. Many: its limits are too small for it, or its client sends "
            "what no limit allows; the refusals on the overview say which.",
            (Query(f"{verdicts('refused')} / {ALL}", "{{key}}"),),
            "percentunit",
            thresholds=bad_from(0.05, 0.2),
            maximum=1,
        ),
        Panel(
            "Whose prompts are cached?",
            "Share of prompt tokens. None though its prompts repeat: they differ at the beginning.",
            (Query(f"{CACHED} / {PROMPT}", "{{key}}"),),
            "percentunit",
            maximum=1,
        ),
        Panel(
            "What are a key's tokens spent on?",
            "Cached, image and video tokens are parts of prompt. Mostly image: smaller pictures "
            "would do for many questions.",
            (
                Query(
                    rate("gateway_key_tokens_total", CHOSEN, by=("key", "kind")),
                    "{{key}}: {{kind}}",
                ),
            ),
            "short",
            width=16,
        ),
        Panel(
            "Whose requests fail?",
            "The server's fault. One key alone: its requests hold what the engine cannot bear; "
            "look for them by `serving usage` and `serving request`.",
            (Query(verdicts("failed"), "{{key}}"),),
            "reqps",
        ),
    ),
)

BOARD: Final = Board(
    uid="qwen3vl-tenants",
    title="Qwen3-VL: keys",
    description="For whoever bills and sets limits: usage, cost and refusals by key.",
    rows=(USAGE, TRAFFIC),
    variables=(Variable("key", "Key", "gateway_key_requests_total"),),
)

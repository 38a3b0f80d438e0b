"""The service owner's board: is it well, what do people wait for, what does it cost."""

from typing import Final

from deploy.dashboards.board import (
    Board,
    Panel,
    Query,
    Row,
    bad_from,
    figure,
    good_from,
    percentiles,
)
from deploy.dashboards.load import LOAD, MEDIA
from deploy.dashboards.objectives import (
    FIRST_ANSWER_SECONDS,
    FIRST_TOKEN_SECONDS,
    INTER_TOKEN_SECONDS,
    SHARE_WITHIN,
    TRUNCATED_SHARE,
    UPTIME,
)
from deploy.dashboards.promql import gauge, grown, rate, share, within
from deploy.dashboards.state import STATE

GENERATING: Final = 'route=~"chat_completions|completions|messages|responses"'
FAILURES: Final = (
    'outcome=~"internal_error|engine_error|engine_unavailable|store_unavailable|cut_off|timeout"'
)
ANSWERED: Final = grown("gateway_requests_total", GENERATING, 'outcome="ok"')
FAILED: Final = grown("gateway_requests_total", GENERATING, FAILURES)
# Every request that came to the engine has this stage, once.
FINISHED: Final = rate("gateway_stage_seconds_count", 'stage="received"')
THINKING: Final = rate("gateway_thinking_tokens_count")

HEALTH: Final = Row(
    "Is the service well?",
    (
        figure(
            "What share of requests was served?",
            "Answered, of all that were answered or failed; refused requests and clients that left "
            "do not count. Below the objective: see which outcome grew, then what the engine "
            "failed with.",
            Query(share(ANSWERED, f"({ANSWERED} + {FAILED})"), "served"),
            unit="percentunit",
            thresholds=good_from(0.99, UPTIME),
        ),
        figure(
            "How much of the error budget is left?",
            f"Of the failures that {UPTIME:.1%} allow in the shown time; choose 30 days above. "
            "Near 0: stop roll-outs and mend what fails. Below 0 the objective is missed.",
            Query(
                f"1 - {share(FAILED, f'({ANSWERED} + {FAILED})')} / {1 - UPTIME:.3f}",
                "left",
            ),
            unit="percentunit",
            thresholds=good_from(0.1, 0.5),
        ),
        figure(
            "How many first tokens came within 2 s?",
            "Of all streams in the shown time. Few: look below where the time goes; a long queue "
            "wants more replicas, a long prefill shorter prompts or smaller pictures.",
            Query(within("gateway_time_to_first_token_seconds", "2.0"), "within 2 s"),
            unit="percentunit",
            thresholds=good_from(SHARE_WITHIN - 0.05, SHARE_WITHIN),
        ),
        figure(
            "How many answers began within 30 s?",
            "Of all streams in the shown time; a reader waits for the thought too. Few: lower "
            "default_thinking_share, or tell clients of `reasoning.effort`.",
            Query(within("gateway_time_to_first_answer_token_seconds", "30.0"), "within 30 s"),
            unit="percentunit",
            thresholds=good_from(SHARE_WITHIN - 0.05, SHARE_WITHIN),
        ),
        figure(
            "How many answers were cut while thinking?",
            "Of those that thought: it used max_tokens up, and no answer came. Many: clients give "
            "too small a max_tokens; the access log says whose.",
            Query(
                share(
                    grown("gateway_truncated_in_thinking_total"),
                    grown("gateway_thinking_tokens_count"),
                ),
                "cut",
            ),
            unit="percentunit",
            thresholds=bad_from(TRUNCATED_SHARE / 2, TRUNCATED_SHARE),
        ),
        figure(
            "What did it all cost?",
            "At the offered prices, in the shown time. A leap: the board of keys says whose.",
            Query(grown("gateway_cost_usd_total"), "cost"),
            unit="currencyUSD",
        ),
    ),
)

REQUESTS: Final = Row(
    "What becomes of requests?",
    (
        Panel(
            "What became of the requests?",
            "Red and orange are the server's fault and use up the error budget: see what the "
            "engine failed with. Yellow is refused by a limit, blue is a client that left.",
            (Query(rate("gateway_requests_total", by=("outcome",)), "{{outcome}}"),),
            "reqps",
            stacked=True,
        ),
        Panel(
            "Why did the model stop?",
            "`length` that grows: answers are cut by max_tokens. `repetition`: the model runs in "
            "circles, look at temperature and penalties. `none`: no answer was finished.",
            (
                Query(
                    rate("gateway_requests_total", GENERATING, by=("finish_reason",)),
                    "{{finish_reason}}",
                ),
            ),
            "reqps",
            stacked=True,
        ),
        Panel(
            "Why were requests refused?",
            "By the error's code. Limits of one key: talk to its owner. A full queue: more "
            "replicas, or fewer tokens a request.",
            (Query(rate("gateway_refusals_total", by=("reason",)), "{{reason}}"),),
            "reqps",
            stacked=True,
        ),
        Panel(
            "What did the engine fail with?",
            "By what the client was told; all at 0 is good. The engine's log has the cause under "
            "the request's id; `serving request ID` tells its way.",
            (Query(rate("gateway_upstream_errors_total", by=("reason",)), "{{reason}}"),),
            "reqps",
            stacked=True,
        ),
        Panel(
            "Which routes are asked for?",
            "A route that goes quiet while others do not: its clients cannot reach it any more.",
            (Query(rate("gateway_requests_total", by=("route",)), "{{route}}"),),
            "reqps",
            stacked=True,
        ),
        Panel(
            "How many requests run?",
            "Running are all from their headers to their end; queued of them wait for a place at "
            "the engine. A queue that never gets empty wants more replicas.",
            (
                Query(gauge("gateway_requests_running"), "running"),
                Query(gauge("gateway_requests_queued"), "queued"),
                Query(gauge("gateway_sequences_running"), "sequences at the engine"),
            ),
            "short",
        ),
    ),
)

WAITING: Final = Row(
    "What do people wait for?",
    (
        Panel(
            "How soon does the first token come?",
            f"Of thought or answer; the objective is {FIRST_TOKEN_SECONDS} s. Slow: the panel of "
            "stages says whether the queue, the pictures or the prefill grew.",
            percentiles("gateway_time_to_first_token_seconds"),
            "s",
            thresholds=bad_from(FIRST_TOKEN_SECONDS, 10),
        ),
        Panel(
            "How soon does the answer begin?",
            f"What a reader waits, the thought included; the objective is {FIRST_ANSWER_SECONDS} s."
            " Slow with fast first tokens: thoughts are long, lower default_thinking_share.",
            percentiles("gateway_time_to_first_answer_token_seconds"),
            "s",
            thresholds=bad_from(FIRST_ANSWER_SECONDS, 90),
        ),
        Panel(
            "How long does a request take?",
            "Headers to the end of the answer. drain_seconds should be above the p99, or a "
            "roll-out cuts answers off.",
            percentiles("gateway_request_duration_seconds"),
            "s",
        ),
        Panel(
            "How long is it from token to token?",
            f"The objective is {INTER_TOKEN_SECONDS * 1000:.0f} ms. Slow: too many sequences share "
            "a GPU, lower max_num_seqs; slow on one pod only: look at its GPU.",
            percentiles("gateway_inter_token_seconds"),
            "s",
            thresholds=bad_from(INTER_TOKEN_SECONDS, 0.1),
        ),
        Panel(
            "Where does a request's time go?",
            "Mean seconds of each stage of the requests that ended; together they are their "
            "duration. Mend what grew: `queued` and `engine_queue` want replicas, `media` is "
            "somebody's slow host or too few media_workers, `prefill` long prompts, `thinking` "
            "long thoughts.",
            (
                Query(
                    f"{rate('gateway_stage_seconds_sum', by=('stage',))}"
                    f" / on () group_left () {FINISHED}",
                    "{{stage}}",
                ),
            ),
            "s",
            stacked=True,
            width=16,
        ),
    ),
)

THOUGHTS: Final = Row(
    "How does the model think?",
    (
        Panel(
            "How long does it think?",
            "From the first token of the thought to the first of the answer. Long: lower "
            "default_thinking_share, or tell clients of `reasoning.effort`.",
            percentiles("gateway_thinking_seconds"),
            "s",
            thresholds=bad_from(FIRST_ANSWER_SECONDS, 90),
        ),
        Panel(
            "How many tokens has a thought?",
            "default_thinking_share and max_tokens should leave room for the p95.",
            percentiles("gateway_thinking_tokens"),
            "short",
        ),
        Panel(
            "How often is a thought cut short?",
            "As a share of the answers that thought. `no answer` is max_tokens used up: a "
            "client's is too small. `budget` ends the thought and still answers: raise the budget "
            "where answers got worse.",
            (
                Query(f"{rate('gateway_truncated_in_thinking_total')} / {THINKING}", "no answer"),
                Query(f"{rate('gateway_thinking_budget_hits_total')} / {THINKING}", "budget"),
            ),
            "percentunit",
            thresholds=bad_from(TRUNCATED_SHARE / 2, TRUNCATED_SHARE),
        ),
    ),
)

BOARD: Final = Board(
    uid="qwen3vl-overview",
    title="Qwen3-VL: overview",
    description="For the owner of the service: how it does, what people wait for, what it costs.",
    rows=(HEALTH, REQUESTS, WAITING, THOUGHTS, LOAD, MEDIA, STATE),
)

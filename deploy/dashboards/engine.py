"""The board of the engine's insides: what vLLM says of itself, through the gateway's admin port."""

from typing import Final

from deploy.dashboards.board import Board, Panel, Query, Row, bad_from, good_from, percentiles
from deploy.dashboards.objectives import FIRST_TOKEN_SECONDS, INTER_TOKEN_SECONDS
from deploy.dashboards.promql import gauge, mean, rate, series

PREFIX_HITS: Final = (
    f"{rate('vllm:prefix_cache_hits_total')} / {rate('vllm:prefix_cache_queries_total')}"
)
MEDIA_HITS: Final = f"{rate('vllm:mm_cache_hits_total')} / {rate('vllm:mm_cache_queries_total')}"

SCHEDULER: Final = Row(
    "What does the scheduler do?",
    (
        Panel(
            "How many requests run, how many wait?",
            "The gateway lets in what should run, so that few wait here. Many waiting: the KV "
            "cache is full, or max_running_requests is above what fits.",
            (
                Query(gauge("vllm:num_requests_running"), "running"),
                Query(gauge("vllm:num_requests_waiting"), "waiting"),
            ),
            "short",
        ),
        Panel(
            "Why do they wait?",
            "`capacity`: no room in the batch or the KV cache; add replicas. `deferred`: waits for "
            "something of its own, such as a transfer.",
            (Query(gauge("vllm:num_requests_waiting_by_reason", by=("reason",)), "{{reason}}"),),
            "short",
            stacked=True,
        ),
        Panel(
            "How full is the KV cache?",
            "Near 1 requests are preempted and computed again: shorten the context, lower "
            "max_num_seqs, or add replicas. A mean hides one full pod, so each has its line.",
            (Query(series("vllm:kv_cache_usage_perc"), "{{instance}}"),),
            "percentunit",
            thresholds=bad_from(0.85, 0.95),
            maximum=1,
        ),
        Panel(
            "How many requests are preempted?",
            "Each loses its KV cache and starts anew. More than now and then: the cache is too "
            "small for what is let in, lower max_running_tokens.",
            (Query(rate("vllm:num_preemptions_total"), "preemptions"),),
            "ops",
            thresholds=bad_from(0.1, 1),
        ),
        Panel(
            "How many steps does the engine make a second?",
            "None while requests run: it hangs, and the watchdog restarts it.",
            (Query(rate("vllm:iteration_tokens_total_count"), "steps"),),
            "ops",
        ),
        Panel(
            "How many tokens does a step compute?",
            "Prefill makes it large, decoding alone small. At max_num_batched_tokens all the time: "
            "prompts crowd decoding out.",
            (Query(mean("vllm:iteration_tokens_total"), "mean"),),
            "short",
        ),
    ),
)

TOKENS: Final = Row(
    "What does it compute, what does it save?",
    (
        Panel(
            "How many tokens a second?",
            "Fewer generated at the same number of running requests: look at the time from token "
            "to token, then at the GPU.",
            (
                Query(rate("vllm:prompt_tokens_total"), "prompt"),
                Query(rate("vllm:generation_tokens_total"), "generated"),
            ),
            "short",
        ),
        Panel(
            "Where do prompts' tokens come from?",
            "Cached ones cost nothing. None cached though prompts repeat: their beginnings differ, "
            "such as by a date or an id put first.",
            (Query(rate("vllm:prompt_tokens_by_source_total", by=("source",)), "{{source}}"),),
            "short",
            stacked=True,
        ),
        Panel(
            "How much of the prompts was cached?",
            "It falls when clients change, or when the KV cache gets too full to keep prefixes.",
            (Query(PREFIX_HITS, "prefix cache"),),
            "percentunit",
            maximum=1,
        ),
        Panel(
            "Why did generation end?",
            "`abort` are clients that left, `error` is the engine's; any of those: see its log.",
            (
                Query(
                    rate("vllm:request_success_total", by=("finished_reason",)),
                    "{{finished_reason}}",
                ),
            ),
            "reqps",
            stacked=True,
        ),
        Panel(
            "How long are prompts?",
            "The p99 should be well below the context; a leap explains slow first tokens.",
            percentiles("vllm:request_prompt_tokens"),
            "short",
        ),
        Panel(
            "How long are thought and answer together?",
            "The p99 times the time from token to token is what a drain must wait for.",
            percentiles("vllm:request_generation_tokens"),
            "short",
        ),
        Panel(
            "How much output do clients allow?",
            "Far above what is generated: max_running_tokens counts with too much, and fewer "
            "requests run than could.",
            percentiles("vllm:request_params_max_tokens"),
            "short",
        ),
        Panel(
            "How is the KV cache set up?",
            "Its size in tokens bounds how many requests run at once.",
            (Query(series("vllm:cache_config_info"), ""),),
            "short",
            "table",
        ),
    ),
)

TIMES: Final = Row(
    "How long does it take?",
    (
        Panel(
            "How soon does the engine's first token come?",
            "Without the gateway's queue and media; the gap to the overview's figure is those.",
            percentiles("vllm:time_to_first_token_seconds"),
            "s",
            thresholds=bad_from(FIRST_TOKEN_SECONDS, 10),
        ),
        Panel(
            "How long is it from token to token?",
            "Slow: too many sequences share the GPU, lower max_num_seqs.",
            percentiles("vllm:inter_token_latency_seconds"),
            "s",
            thresholds=bad_from(INTER_TOKEN_SECONDS, 0.1),
        ),
        Panel(
            "How long do requests wait in the engine?",
            "Long: more is let in than runs at once; lower max_running_requests.",
            percentiles("vllm:request_queue_time_seconds"),
            "s",
            thresholds=bad_from(FIRST_TOKEN_SECONDS, 10),
        ),
        Panel(
            "How long does a prefill take?",
            "Pictures are encoded in it. Long: long prompts and large pictures, or too small a "
            "max_num_batched_tokens.",
            percentiles("vllm:request_prefill_time_seconds"),
            "s",
            thresholds=bad_from(FIRST_TOKEN_SECONDS, 10),
        ),
        Panel(
            "How long does decoding take?",
            "First to last token: length of the output times the time from token to token.",
            percentiles("vllm:request_decode_time_seconds"),
            "s",
        ),
        Panel(
            "How long does a request take in the engine?",
            "Queue, prefill and decoding together: mend the one of them that grew.",
            percentiles("vllm:e2e_request_latency_seconds"),
            "s",
        ),
    ),
)

OPTIONS: Final = Row(
    "Does it pay? (empty where it is off)",
    (
        Panel(
            "How many pictures were prepared already?",
            "Repeated pictures skip preprocessing, where mm_processor_cache_gb is set. Few hits "
            "though they repeat: raise it; none: set it to 0.",
            (Query(MEDIA_HITS, "multi-modal cache"),),
            "percentunit",
            maximum=1,
        ),
        Panel(
            "How many draft tokens of speculative decoding are accepted?",
            "Under 0.3 drafting costs more than it saves: switch it off, or draft fewer tokens.",
            (
                Query(
                    f"{rate('vllm:spec_decode_num_accepted_tokens_total')}"
                    f" / {rate('vllm:spec_decode_num_draft_tokens_total')}",
                    "accepted",
                ),
            ),
            "percentunit",
            thresholds=good_from(0.3, 0.6),
            maximum=1,
        ),
        Panel(
            "How many tokens does a draft save?",
            "Accepted tokens a draft: each is a step of the large model that was not needed.",
            (
                Query(
                    f"{rate('vllm:spec_decode_num_accepted_tokens_total')}"
                    f" / {rate('vllm:spec_decode_num_drafts_total')}",
                    "tokens",
                ),
            ),
            "short",
        ),
    ),
)

BOARD: Final = Board(
    uid="qwen3vl-engine",
    title="Qwen3-VL: engine",
    description="For whoever mends it: vLLM's scheduler, caches and times.",
    rows=(SCHEDULER, TOKENS, TIMES, OPTIONS),
)

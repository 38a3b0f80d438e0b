"""When each alert fires: series just over its threshold, and others just beside it.

Values are promtool's: `a+bxn` begins at a and adds b for n more steps, `axn` stays, `_` is nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Series = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """Series that fire an alert at one step and not a step before; and series that never do.

    Every set of series comes from a pod of its own, in a namespace of its own; `at` is in minutes.
    `says` is what the description tells of the value.
    """

    alert: str
    at: int
    fires: Series
    quiet: tuple[Series, ...]
    says: str
    of: Literal["pool", "pod", "nothing"] = "pod"
    labels: Mapping[str, str] = field(default_factory=dict)
    step_minutes: int = 1


def requests(ok: str, failed: str) -> Series:
    """Return a pool's requests: answered ones, and some that the engine failed."""
    return {
        'gateway_requests_total{route="responses",outcome="ok",finish_reason="stop"}': ok,
        'gateway_requests_total{route="messages",outcome="timeout",finish_reason="none"}': failed,
    }


def not_counted(each: str) -> Series:
    """Return what the error budget leaves out: who left, who was refused, and mere pages."""
    return {
        f'gateway_requests_total{{route="{route}",outcome="{outcome}",finish_reason="none"}}': each
        for route, outcome in (
            ("messages", "client_gone"),
            ("responses", "rejected"),
            ("models", "internal_error"),
        )
    }


def first_tokens(name: str, below: str, limit: str, above: str, within: int) -> Series:
    """Return a histogram to which each step adds 1,000, so many of them within the limit."""
    counts = {"0.1": 0, below: 900, limit: within, above: 1000, "+Inf": 1000}
    buckets = {f'{name}_bucket{{le="{le}"}}': f"0+{count}x40" for le, count in counts.items()}
    return buckets | {f"{name}_count": "0+1000x40"}


def few_slow(each: str) -> Series:
    """Return streams whose first token took between 2 and 3 seconds."""
    name = f"{TTFT}_bucket"
    slow = {f'{name}{{le="3.0"}}': each, f'{name}{{le="+Inf"}}': each, f"{TTFT}_count": each}
    return {f'{name}{{le="2.0"}}': "0x40"} | slow


def admission(admitted: int, **refused: int) -> Series:
    """Return what each step lets in and refuses, by reason."""
    refusals = {
        f'gateway_refusals_total{{reason="{reason}"}}': f"0+{count}x60"
        for reason, count in refused.items()
    }
    return {"gateway_admissions_total": f"0+{admitted}x60", **refusals}


def media(refused: int) -> Series:
    """Return a hundred pictures a step, of which so many are refused."""
    labels = 'kind="image",source="url"'
    return {
        f'gateway_media_items_total{{{labels},outcome="ok"}}': f"0+{100 - refused}x60",
        f'gateway_media_items_total{{{labels},outcome="refused"}}': f"0+{refused}x60",
    }


def thoughts(truncated: int) -> Series:
    """Return a hundred thoughts a step, of which so many are cut."""
    return {
        "gateway_thinking_tokens_count": "0+100x60",
        "gateway_truncated_in_thinking_total": f"0+{truncated}x60",
    }


def leak(tasks: int, running: int) -> Series:
    """Return a gateway with 20 tasks for a day and then so many, and its running requests."""
    return {
        "gateway_asyncio_tasks": f"20x144 {tasks}x30",
        "gateway_requests_running": f"{running}x180",
    }


TTFT: Final = "gateway_time_to_first_token_seconds"
TTFAT: Final = "gateway_time_to_first_answer_token_seconds"
BUILD: Final = 'gateway_build_info{version="1",model="m",vllm="0.32.0"}'
KV_CACHE: Final = 'vllm:kv_cache_usage_perc{engine="0",model_name="m"}'
PREEMPTIONS: Final = 'vllm:num_preemptions_total{engine="0",model_name="m"}'
OF_ENGINE: Final = {"engine": "0", "model_name": "m"}
BOOK: Final = 'gateway_book_failures_total{book="ledger"}'
KEYS: Final = 'gateway_key_source_stale{source="store"}'
BUDGET: Final = 'gateway_key_budget_used_ratio{key="alice"}'
CERTIFICATE: Final = "gateway_tls_certificate_expiry_timestamp_seconds"
RARELY: Final = " ".join(f"{count} {count} {count}" for count in range(20))
FOR_EVER: Final = " ".join(["Inf"] * 70)  # there is no certificate
DAY: Final = 86_400

CASES: Final = (
    # 1.48 % fail for 60 minutes after clean hours. Beside it: eight minutes fewer; and an hour that
    # was worse, but is just below in its last minutes.
    Case(
        "ErrorBudgetBurnFast", 360, requests("0+4000x120", "0x75 60+60x40"),
        (
            requests("0+4000x120", "0x77 60+60x40"),
            requests("0+4000x120", "0x75 120+120x9 1256+56x30"),
        ),
        "1.478%", of="pool", step_minutes=4,
    ),
    # 0.62 % fail for nearly six hours. Beside it: 12 minutes fewer; and six hours that were worse,
    # but are just below in their last half hour.
    Case(
        "ErrorBudgetBurnFast", 412, requests("0+40000x120", "0x15 248+248x100"),
        (
            requests("0+40000x120", "0x18 248+248x100"),
            requests("0+40000x120", "0x15 280+280x78 22348+228x30"),
        ),
        "0.6026%", of="pool", step_minutes=4,
    ),
    # Few requests: the sixth failure fires, five are quiet.
    Case(
        "ErrorBudgetBurnFast", 384, requests("0+4x120", "0x90 1+1x5 6x30"),
        (
            requests("0+4x120", "0x90 1+1x4 5x30"),
            requests("0+4x120", "0x120") | not_counted("0+9x120"),
        ),
        "9.091%", of="pool", step_minutes=4,
    ),
    # 0.14 % fail for 52 of 72 hours. Beside it: three hours fewer; and three days that were worse,
    # but are just below in their last hours.
    Case(
        "ErrorBudgetBurnSlow", 7440, requests("0+100000x130", "0x72 140+140x60"),
        (
            requests("0+100000x130", "0x75 140+140x60"),
            requests("0+100000x130", "0x72 300+300x29 9095+95x30"),
        ),
        "0.101%", of="pool", step_minutes=60,
    ),
    Case(
        "ErrorBudgetBurnSlow", 4680, requests("0+6x120", "0x72 1+1x5 6x30"),
        (requests("0+6x120", "0x72 1+1x4 5x30"),), "1.37%", of="pool", step_minutes=60,
    ),
    Case(
        "FirstTokenSlow", 11, first_tokens(TTFT, "1.5", "2.0", "3.0", 940),
        (first_tokens(TTFT, "1.5", "2.0", "3.0", 960),), "2.167s", of="pool",
    ),
    # Few streams, and each of them slow: six within a quarter of an hour fire, four do not.
    Case(
        "FirstTokenSlow", 23, few_slow("0+0.4x40"), (few_slow("0+0.3x40"),), "2.95s", of="pool"
    ),
    Case(
        "FirstAnswerTokenSlow", 16, first_tokens(TTFAT, "15", "30", "45", 940),
        (first_tokens(TTFAT, "15", "30", "45", 960),), "32.5s", of="pool",
    ),
    Case("AnswersTruncatedInThinking", 21, thoughts(6), (thoughts(4),), "6%", of="pool"),
    Case(
        "MediaRefused", 21, media(55), (media(45),), "55%", of="pool",
        labels={"kind": "image", "source": "url"},
    ),
    Case(
        "RequestsRefused", 11, admission(89, engine_overloaded=6, waited=5),
        (admission(91, engine_overloaded=5, waited=4), admission(50, rate_limit_exceeded=50)),
        "11%", of="pool",
    ),
    Case(
        "KeyLimitsReached", 31, admission(78, rate_limit_exceeded=22),
        (admission(82, rate_limit_exceeded=18), admission(50, engine_overloaded=50)),
        "22%", of="pool", labels={"reason": "rate_limit_exceeded"},
    ),
    Case(
        "QueueNeverEmpty", 26, {"gateway_requests_queued": "0x5 1x40"},
        ({"gateway_requests_queued": "0x5 9x14 0 9x40"},), "at least 1 ",
    ),
    Case(
        "NoEngineReady", 16, {"gateway_engine_ready": "1x10 0x20"},
        (
            {
                'gateway_engine_ready{pod="vl-0"}': "1x10 0x20",
                'gateway_engine_ready{pod="vl-1"}': "1x40",
            },
            {"gateway_engine_ready": "0x40"},
            {"gateway_engine_ready": "1x10 0x4 1x20"},
        ),
        "0 of", of="pool",
    ),
    Case(
        "EngineNotReady", 30, {"gateway_engine_ready": "0x40"},
        ({"gateway_engine_ready": "0x29 1x20"},), "is 0",
    ),
    Case(
        "EngineHung", 8, {"gateway_engine_hung": "0x5 1x10"},
        ({"gateway_engine_hung": "0x5 1x1 0x10"},), "is 1",
    ),
    Case(
        "EngineRestartLoop", 33, {"gateway_engine_starts_total": "1x10 2x10 3x10 4x20"},
        ({"gateway_engine_starts_total": "1x10 2x10 3x40"},), "3 times",
    ),
    Case(
        "KvCacheFull", 10, {KV_CACHE: "0.96x20"}, ({KV_CACHE: "0.94x20"},), "96%", labels=OF_ENGINE
    ),
    Case(
        "PreemptionsHigh", 25, {PREEMPTIONS: "0+1.1x40"}, ({PREEMPTIONS: "0+0.9x40"},),
        "1.1 requests", labels=OF_ENGINE,
    ),
    Case(
        "GatewayGone", 14, {BUILD: "1x10 stale"},
        (
            {
                BUILD.replace("{", '{pod="vl-0",'): "1x10 stale",
                BUILD.replace("{", '{pod="vl-1",'): "1x40",
            },
            {BUILD: "1x10 _x2 1x20"},
        ),
        "value 1", of="pool",
    ),
    Case("GatewayGone", 3, {"up": "1x20"}, (), "value 1", of="nothing"),
    Case(
        "GatewayDown", 16, {BUILD: "1x10 stale", "up": "1x10 0x20"},
        ({"up": "1x10 0x20"}, {BUILD: "1x40", "up": "1x10 0x4 1x20"}), "is 0",
    ),
    Case(
        "GatewayRestartLoop", 18,
        {BUILD: "1x40", "process_start_time_seconds": "10x5 400x5 800x5 1100x20"},
        (
            {BUILD: "1x40", "process_start_time_seconds": "10x5 400x5 800x40"},
            {"process_start_time_seconds": "10x5 400x5 800x5 1100x20"},
        ),
        "3 times",
    ),
    Case(
        "DrainCutShort", 6, {"gateway_drain_used_ratio": "0x5 0.95 stale"},
        ({"gateway_drain_used_ratio": "0x5 0.85 0x40"},), "95%",
    ),
    Case("TasksLeak", 1570, leak(125, 0), (leak(115, 0), leak(125, 1)), "105 ", step_minutes=10),
    Case(
        "KeySourceStale", 11, {KEYS: "0x5 1x20"}, ({KEYS: "0x5 1x4 0x20"},), "value 1",
        labels={"source": "store"},
    ),
    Case(
        "RateLimitLeasesStale", 16, {"gateway_rate_limit_leases_stale": "0x5 1x20"},
        ({"gateway_rate_limit_leases_stale": "0x5 1x9 0x20"},), "value 1",
    ),
    Case(
        "CertificateEndsSoon", 60, {CERTIFICATE: f"{14 * DAY - 60}x70"},
        ({CERTIFICATE: f"{14 * DAY + 3600}x70"}, {CERTIFICATE: FOR_EVER}), "13d 22h 59m",
    ),
    Case(
        "CertificateEndsNow", 10, {CERTIFICATE: f"{2 * DAY - 60}x20"},
        ({CERTIFICATE: f"{2 * DAY + 600}x20"},), "1d 23h 49m",
    ),
    Case(
        "CertificateStale", 16, {"gateway_tls_certificate_stale": "0x5 1x20"},
        ({"gateway_tls_certificate_stale": "0x5 1x9 0x20"},), "value 1",
    ),
    Case(
        "LedgerBehind", 5, {"gateway_ledger_lag_seconds": "61x20"},
        ({"gateway_ledger_lag_seconds": "59x20"},), "1m 1s",
    ),
    Case(
        "LedgerRowsDropped", 6, {"gateway_ledger_dropped_rows_total": "0x5 1x40"},
        ({"gateway_ledger_dropped_rows_total": "5x40"},), "1 requests",
    ),
    Case(
        "StoreFailing", 13, {"gateway_ledger_failures_total": RARELY},
        ({"gateway_ledger_failures_total": "0x5 1x40"},), "2 attempts",
    ),
    Case(
        "KeyBudgetNearItsEnd", 5, {BUDGET: "0.91x20"}, ({BUDGET: "0.89x20"},), "91%", of="pool",
        labels={"key": "alice"},
    ),
    Case(
        "BookNotKept", 6, {BOOK: "0x5 1x40"}, ({BOOK: "5x40"},), "1 finished",
        labels={"book": "ledger"},
    ),
    Case(
        "SpansDropped", 23, {"gateway_spans_dropped_total": RARELY},
        ({"gateway_spans_dropped_total": "0x5 1x40"},), "5 spans",
    ),
)  # fmt: skip

"""A row of the overview: what the gateways themselves are and live on."""

from typing import Final

from deploy.dashboards.board import Panel, Query, Row, bad_from, percentiles
from deploy.dashboards.promql import gauge, rate, series, total

OWN_CPU: Final = (
    f"{rate('process_cpu_seconds_total', by=('job', 'instance'))}"
    " and on (job, instance) gateway_build_info"
)
DAYS: Final = 86_400

STATE: Final = Row(
    "How are the gateways?",
    (
        Panel(
            "What runs here?",
            "Several versions or images at once: a roll-out goes on, or has stopped half-way.",
            (Query(series("gateway_build_info"), ""),),
            "short",
            "table",
            width=16,
            height=5,
        ),
        Panel(
            "How long did the last start take?",
            "From the gateway's start to each phase. Longer than the start-up budget: the probe "
            "restarts the engine for ever; look at where its weights come from.",
            (
                Query(
                    f"max by (phase) ({series('gateway_startup_seconds')})",
                    "{{phase}}",
                ),
            ),
            "s",
            "bargauge",
            height=5,
        ),
        Panel(
            "How many engines are ready, and how many hang?",
            "Ready below the number of pods: some start, drain or failed. A hung one is restarted "
            "by its probe; if it hangs again, look into its log for a stuck step.",
            (
                Query(gauge("gateway_engine_ready"), "ready"),
                Query(gauge("gateway_engine_hung"), "hung"),
                Query(
                    total(f"changes({series('gateway_engine_starts_total')}[$__rate_interval])"),
                    "started",
                ),
            ),
            "short",
        ),
        Panel(
            "Which gateways drain?",
            "Gateways in each phase. One that drains for long waits for long answers; see whether "
            "drain_seconds is above the p99 of a request's duration.",
            (Query(gauge("gateway_drain_phase", by=("phase",)), "{{phase}}"),),
            "short",
            stacked=True,
        ),
        Panel(
            "How near do drains come to their limit?",
            "The share of drain_seconds after which requests still run, of the slowest gateway. At "
            "1 their answers are cut off: raise it, and Kubernetes' grace period with it.",
            (Query(f"max({series('gateway_drain_used_ratio')})", "used"),),
            "percentunit",
            thresholds=bad_from(0.5, 0.9),
            maximum=1,
        ),
        Panel(
            "Is the usage ledger behind?",
            "Age of the oldest request not yet in the store. Growing: the store is away or slow; "
            "requests go on, and rows are dropped once too many wait.",
            (Query(f"max({series('gateway_ledger_lag_seconds')})", "lag"),),
            "s",
            thresholds=bad_from(30, 300),
        ),
        Panel(
            "How long does the store take for a batch?",
            "Slow: look at the store's disk and locks.",
            percentiles("gateway_ledger_write_seconds"),
            "s",
            thresholds=bad_from(0.5, 2),
        ),
        Panel(
            "What could not be written down?",
            "All at 0 is good. Dropped rows are usage that nobody will pay for; the log says once "
            "a minute why.",
            (
                Query(rate("gateway_ledger_dropped_rows_total"), "rows dropped"),
                Query(rate("gateway_ledger_failures_total"), "writes failed"),
                Query(rate("gateway_spans_dropped_total"), "spans dropped"),
                Query(rate("gateway_book_failures_total"), "books failed"),
            ),
            "ops",
        ),
        Panel(
            "What is out of date?",
            "1 where the last good one holds because the new one cannot be read: a revoked key "
            "still works, limits are not shared, or a certificate is not renewed. The log names "
            "the file or store.",
            (
                Query(f"max({series('gateway_key_source_stale')})", "keys"),
                Query(f"max({series('gateway_rate_limit_leases_stale')})", "limits"),
                Query(f"max({series('gateway_tls_certificate_stale')})", "certificate"),
            ),
            "short",
            thresholds=((None, "green"), (1, "red")),
            maximum=1,
            width=6,
        ),
        Panel(
            "How many days is the certificate good?",
            "The first to end. Under two weeks: whoever renews it has stopped; see its log. Empty "
            "where TLS ends before the gateway.",
            (
                Query(
                    f"(min({series('gateway_tls_certificate_expiry_timestamp_seconds')} < Inf)"
                    f" - time()) / {DAYS}",
                    "days",
                ),
            ),
            "short",
            width=6,
        ),
        Panel(
            "How much CPU do gateways use?",
            "Each has one thread for streams: near 1 it delays tokens, so add replicas.",
            (Query(OWN_CPU, "{{instance}}"),),
            "short",
            thresholds=bad_from(0.7, 0.9),
            width=6,
        ),
        Panel(
            "How many tasks has a gateway?",
            "It follows the running requests. Growing at rest: a leak; restart and report it.",
            (Query(series("gateway_asyncio_tasks"), "{{instance}}"),),
            "short",
            width=6,
        ),
    ),
)

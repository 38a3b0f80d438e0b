"""Can this run's times be trusted, and was it the endpoint that was measured? Pure.

A run is INVALID by any of these rules; each names its figure, its bound and what to do.

- *Timing.* In any step and worker, or in all together, the 99th percentile of |recorded - true| of
  the metronome's events is over max(1 ms, 2 % of the median time to first token). Fewer events than
  such a percentile needs are not judged alone; too few in all is a reason of its own, and so is
  a load process that sent requests and told nothing.
- *Client's CPU.* A load process used over 90 % of its core during a second of a step.
- *Lateness.* In an open loop, over 1 % of the requests (and more than one) were sent later than
  max(20 ms, 2 % of the median time to first token) after their time: nothing but the client
  decides when an open loop sends.
- *Network*, off loopback only, where nothing but the server's reading slows the handing over: the
  95th percentile of the time to hand a request over is over a quarter of the median time to first
  token (and over 50 ms), or the round trip is over half of it. The figures then are the network's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from loadtests.certificate.witness import WitnessReport
from loadtests.records import Record
from loadtests.result import Certificate
from loadtests.shapes import Rate, StepTiming
from loadtests.statistics.intervals import nearest_rank, smallest_sample

TIMING_SECONDS, TIMING_SHARE = 0.001, 0.02
CPU_SHARE = 0.9
LATENESS_SECONDS, LATENESS_SHARE, LATE_REQUESTS = 0.020, 0.02, 0.01
UPLOAD_SECONDS, UPLOAD_SHARE, ROUND_TRIP_SHARE = 0.050, 0.25, 0.5
IN_CLUSTER = "run it inside the cluster, beside the endpoint"


@dataclass(frozen=True, slots=True)
class Timing:
    """The timing errors of one group of events, in seconds, and what they may be."""

    errors: Sequence[float]  # ordered
    bound: float

    @property
    def p99(self) -> float | None:
        """Return the 99th percentile; None for too few events."""
        return percentile(self.errors, 0.99)

    @property
    def badness(self) -> float:
        """Return how many times the bound the 99th percentile is."""
        return (self.p99 or 0.0) / self.bound


def certify(  # noqa: PLR0913 - what a certificate rests on, each by name
    reports: Sequence[WitnessReport],
    records: Sequence[Record],
    timings: Sequence[StepTiming],
    *,
    events_per_core_second: float | None,
    round_trip_seconds: float | None,
    is_loopback: bool,
) -> Certificate:
    """Judge the client, by the rules above."""
    timing = worst_timing(reports, records, timings)
    late = lateness(records, timings)
    share = busiest_share(reports, timings)
    reasons = [
        *silence_reasons(reports, records),
        *timing_reasons(timing, reports),
        *cpu_reasons(share),
        *lateness_reasons(late, median_ttft(records)),
    ]
    if not is_loopback:
        reasons += network_reasons(records, round_trip_seconds)
    return Certificate(
        valid=not reasons,
        reasons=tuple(reasons),
        timing_error_p50_seconds=percentile(timing.errors, 0.5),
        timing_error_p99_seconds=timing.p99,
        timing_samples=sum(len(report.errors_us) for report in reports),
        timing_bound_seconds=timing.bound,
        send_lateness_p99_seconds=percentile(late, 0.99),
        client_cpu_share=share,
        events_per_second=busiest_events(records),
        events_per_core_second=events_per_core_second,
        round_trip_seconds=round_trip_seconds,
        clock=", ".join(sorted({report.clock for report in reports})) or "not known",
        real_time=bool(reports) and all(report.real_time for report in reports),
    )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile of ordered values; None where there are too few."""
    if len(ordered) < smallest_sample(share):
        return None
    return ordered[nearest_rank(len(ordered), share) - 1]


def median_ttft(records: Iterable[Record]) -> float | None:
    """Return the median time from sending to first token, of the requests that got one."""
    times = [r.first_token_seconds for r in records if r.first_token_seconds is not None]
    return median(times) if times else None


def timing_bound(records: Iterable[Record]) -> float:
    """Return how wrong times may be beside these requests, in seconds."""
    return max(TIMING_SECONDS, TIMING_SHARE * (median_ttft(records) or 0.0))


def worst_timing(
    reports: Sequence[WitnessReport], records: Sequence[Record], timings: Sequence[StepTiming]
) -> Timing:
    """Return the group, of one worker in one step, whose error is largest beside its bound."""
    every = sorted(abs(error) / 1e6 for report in reports for error in report.errors_us)
    together = Timing(every, timing_bound(records))
    groups = [together]
    for timing in timings:
        bound = timing_bound(r for r in records if r.step == timing.step.index)
        groups += [Timing(_errors_within(report, timing), bound) for report in reports]
    judged = [group for group in groups if group.p99 is not None]
    return max(judged, key=lambda group: group.badness, default=together)


def _errors_within(report: WitnessReport, timing: StepTiming) -> list[float]:
    began, ended = timing.began_seconds, timing.ended_seconds + timing.drain_seconds
    samples = zip(report.sent_seconds, report.errors_us, strict=True)
    return sorted(abs(error) / 1e6 for sent, error in samples if began <= sent < ended)


def silence_reasons(reports: Iterable[WitnessReport], records: Iterable[Record]) -> Iterator[str]:
    """Say which load processes, lost ones above all, told nothing of their own times."""
    silent = {record.worker for record in records} - {report.worker for report in reports}
    for worker in sorted(silent):
        yield f"Load process {worker + 1} told nothing of its timing error: run it again."


def timing_reasons(timing: Timing, reports: Sequence[WitnessReport]) -> Iterator[str]:
    """Say why the times cannot be trusted."""
    least = smallest_sample(0.99)
    for report in reports:
        if report.failure:
            yield (
                f"The timing error could not be checked to the end ({report.failure}): "
                "run it again on a machine that is less busy."
            )
    if timing.p99 is None:
        yield (
            f"The timing error was checked on {len(timing.errors)} events, and {least} are "
            "needed: let the run last 10 s or longer."
        )
    elif timing.badness > 1:
        yield (
            f"The 99th percentile of the timing error is {_ms(timing.p99)}, over the "
            f"{_ms(timing.bound)} allowed: give the load a core of its own, or use more workers."
        )


def busiest_share(reports: Iterable[WitnessReport], timings: Sequence[StepTiming]) -> float:
    """Return the largest share of a core that a load process used in a second of a step."""
    return max(
        (
            second.share
            for report in reports
            for second in report.cpu
            for timing in timings
            if timing.began_seconds < second.at_seconds <= timing.ended_seconds + 1
        ),
        default=0.0,
    )


def cpu_reasons(share: float) -> Iterator[str]:
    """Say why the client was too busy."""
    if share > CPU_SHARE:
        yield (
            f"A load process used {share:.0%} of its core in its busiest second, over the "
            f"{CPU_SHARE:.0%} allowed: use more workers."
        )


def lateness(records: Iterable[Record], timings: Iterable[StepTiming]) -> list[float]:
    """Return how late each request of an open loop was sent, ordered."""
    opened = {timing.step.index for timing in timings if isinstance(timing.step.load, Rate)}
    return sorted(record.lateness_seconds for record in records if record.step in opened)


def lateness_reasons(late: Sequence[float], ttft: float | None) -> Iterator[str]:
    """Say why an open loop was none."""
    bound = max(LATENESS_SECONDS, LATENESS_SHARE * (ttft or 0.0))
    beyond = sum(seconds > bound for seconds in late)
    if beyond > max(1.0, LATE_REQUESTS * len(late)):
        yield (
            f"{beyond} of {len(late)} requests were sent more than {_ms(bound)} after their time, "
            f"the last of them {_ms(late[-1])}, and {LATE_REQUESTS:.0%} are allowed: use more "
            "workers, or a lower rate."
        )


def network_reasons(records: Sequence[Record], round_trip: float | None) -> Iterator[str]:
    """Say why the figures are the network's rather than the endpoint's."""
    ttft = median_ttft(records)
    if ttft is None:
        return
    uploads = sorted(r.uploaded_seconds for r in records if r.uploaded_seconds is not None)
    p95, bound = percentile(uploads, 0.95), max(UPLOAD_SECONDS, UPLOAD_SHARE * ttft)
    if p95 is not None and p95 > bound:
        yield (
            f"The 95th percentile of the time to hand a request over is {_ms(p95)}, over the "
            f"{_ms(bound)} allowed beside a median time to first token of {_ms(ttft)}: "
            f"{IN_CLUSTER}."
        )
    if round_trip is not None and round_trip > ROUND_TRIP_SHARE * ttft:
        yield (
            f"The round trip of {_ms(round_trip)} is over half of the median time to first token "
            f"of {_ms(ttft)}: {IN_CLUSTER}."
        )


def busiest_events(records: Iterable[Record]) -> float:
    """Return how many events with text all workers together read in the busiest second."""
    counts: dict[int, int] = {}
    for record in records:
        if record.first_token_seconds is None:
            continue
        first = int((record.sent_seconds + record.first_token_seconds) * 1e6)
        for moment in accumulate(record.event_gaps_us, initial=first):
            second = moment // 1_000_000
            counts[second] = counts.get(second, 0) + 1
    return float(max(counts.values(), default=0))


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"

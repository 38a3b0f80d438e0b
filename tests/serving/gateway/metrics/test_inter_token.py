"""The times between events: a histogram as Prometheus has it, written without its library."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from serving.gateway.metrics.buckets import INTER_TOKEN
from serving.gateway.metrics.inter_token import HELP, NAME, InterTokenTimes

# Powers of two add up without rounding, in whichever order.
GAPS = st.lists(st.tuples(st.sampled_from([2.0**-n for n in range(-4, 14)]), st.integers(1, 5)))


@given(GAPS)
def test_it_is_the_histogram_that_prometheus_would_have_made(gaps):
    """Events that came with another are gaps of nothing: sum by count is the time for one."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    times = InterTokenTimes()
    ours.register(times)
    histogram = Histogram(NAME, HELP, buckets=INTER_TOKEN, registry=theirs)
    for seconds, events in gaps:
        times.observe(seconds, events)
        histogram.observe(seconds)
        for _ in range(events - 1):
            histogram.observe(0)
    page = generate_latest(theirs).decode().splitlines()
    assert generate_latest(ours).decode().splitlines() == [
        line for line in page if "_created" not in line
    ]

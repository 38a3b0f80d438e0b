"""The header that tells a client where its request's time went until its answer began."""

from typing import Final

from serving.gateway.timeline import Stage, Timeline

# Less would be told as 0.0 ms.
LEAST_SECONDS: Final = 0.00005


def server_timing(timeline: Timeline, now: float) -> bytes:
    """Return the value of Server-Timing: each stage that took time until now, in ms.

    Source: https://www.w3.org/TR/server-timing/. What the engine says of its own queue it says at
    the end: in a stream's header that is part of `prefill`.
    """
    timeline.end(now)
    told = ((stage, timeline.seconds.get(stage, 0.0)) for stage in Stage)
    return ", ".join(
        f"{stage};dur={seconds * 1000:.1f}" for stage, seconds in told if seconds >= LEAST_SECONDS
    ).encode()

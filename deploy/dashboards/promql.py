"""The PromQL of the panels, written once: every query counts only what the board has selected."""

from typing import Final

# A variable whose value is "All" stands for `.*`, which also fits where the label is missing:
# outside Kubernetes nothing has a namespace or a pod.
SELECTED: Final = 'namespace=~"$namespace",pod=~"$pod",instance=~"$instance"'
# Grafana's own: at least four scrapes, wider where the shown time is long.
RATE_WINDOW: Final = "$__rate_interval"
SHOWN_TIME: Final = "$__range"


def series(name: str, *matchers: str) -> str:
    """Return the selector of a metric's series."""
    return f"{name}{{{','.join((*matchers, SELECTED))}}}"


def total(expression: str, *by: str) -> str:
    """Return a sum over all series, or over those with the same labels."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def gauge(name: str, *matchers: str, by: tuple[str, ...] = ()) -> str:
    """Return a gauge, summed."""
    return total(series(name, *matchers), *by)


def rate(name: str, *matchers: str, by: tuple[str, ...] = ()) -> str:
    """Return a counter's growth a second, summed."""
    return total(f"rate({series(name, *matchers)}[{RATE_WINDOW}])", *by)


def grown(name: str, *matchers: str, by: tuple[str, ...] = ()) -> str:
    """Return a counter's growth in the shown time, summed."""
    return total(f"increase({series(name, *matchers)}[{SHOWN_TIME}])", *by)


def quantile(share: float, histogram: str, *by: str) -> str:
    """Return a percentile of a histogram."""
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', by=('le', *by))})"


def mean(histogram: str) -> str:
    """Return the mean of a histogram."""
    return f"{rate(f'{histogram}_sum')} / {rate(f'{histogram}_count')}"


def within(histogram: str, bound: str) -> str:
    """Return the share of a histogram's values in the shown time that are at most a bound's."""
    fast = grown(f"{histogram}_bucket", f'le="{bound}"')
    return share(fast, grown(f"{histogram}_count"))


def share(part: str, whole: str) -> str:
    """Return a part of a whole; nothing of nothing, since Grafana shows 0/0 as a red figure."""
    return f"{part} / ({whole} > 0)"

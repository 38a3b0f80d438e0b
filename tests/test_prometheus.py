"""The Prometheus that tests run."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from tests import prometheus, promql
from tests.prometheus import Start


def test_it_scrapes_records_and_answers(start_prometheus: Start, tmp_path: Path) -> None:
    """What a job exports can be asked for, and so can what a rule makes of it."""
    registry = CollectorRegistry()
    Gauge("apples", "In the basket", registry=registry).set(7)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "groups: [{name: fruit, rules: [{record: 'job:apples:double', expr: 2 * apples}]}]"
    )
    jobs = [prometheus.job("basket", f"127.0.0.1:{server.server_port}", place="kitchen")]
    try:
        running = start_prometheus(jobs, [rules])
        running.wait(lambda: running.query("job:apples:double"))
        [apples] = running.query('apples{job="basket",place="kitchen"}')
        [doubled] = running.query("job:apples:double")
        assert (apples["value"][1], doubled["value"][1]) == ("7", "14")
        assert running.query("pears") == []
        with pytest.raises(AssertionError, match="parse error"):
            running.query("sum(")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("expression", "questions"),
    [
        ("rate(a[5m]) * 60 > 1", ["rate(a{}[5m]) * 60"]),
        ("a == 0 and max_over_time(a[6h]) == 1", ["a{}", "max_over_time(a{}[6h])"]),
        ("(sum(a) unless b) or absent(c)", ["sum(a{})", "b{}", "c{}"]),
    ],
)
def test_an_alert_is_taken_apart(expression: str, questions: list[str]) -> None:
    """What must have series for it to fire is asked, without the comparisons that hide them."""
    assert promql.questions(expression) == questions


def test_selectors_are_found_wherever_they_stand() -> None:
    """In sums, windows, offsets and parentheses, each once."""
    asked = 'sum by (x) (rate(a{b="c"}[5m] offset 1d)) / (a{b="c"} + 2) > bool -quantile(0.5, d)'
    assert promql.selectors(asked) == ['a{b="c"}', "d{}"]
    assert promql.names(asked) == {"a", "d"}
    assert promql.limits("a - b > 3.5") == [3.5]

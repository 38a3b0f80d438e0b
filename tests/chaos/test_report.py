"""Figures, rows and the report's file, into which a run of some experiments writes only theirs."""

import asyncio
import json
import math
import mmap
import os
from pathlib import Path

import psutil
import pytest

from deploy.results import table
from tests.chaos import __main__ as program
from tests.chaos import report
from tests.chaos.figures import median, quantile, slope
from tests.chaos.fuzzer import requests, urls
from tests.chaos.report import Check, Row, merged
from tests.chaos.site import total
from tests.chaos.vitals import growth, open_files, own_bytes, watched

GOOD, BAD = Check("p99 100 ms"), Check("3 broken", False)


def row(name: str, *checks: Check) -> Row:
    """Make a row."""
    return Row(name, f"{name}!", "0 broken", checks)


def test_quantiles_are_values_that_were_seen() -> None:
    """By nearest rank; of nothing there is none."""
    values = [float(number) for number in range(1, 101)]
    assert (quantile(values, 0.99), median(values), quantile(values, 1.0)) == (99, 50, 100)
    assert quantile([7.0], 0.99) == 7
    assert math.isnan(quantile([], 0.5))


def test_a_slope_is_that_of_the_line() -> None:
    """Through noise, too; of one point there is none."""
    assert slope([(x, 2.0 * x + (-1) ** x) for x in range(1000)]) == pytest.approx(2, abs=0.01)
    assert slope([(1.0, 5.0)]) == slope([]) == 0
    assert growth([(0, 90), (1, 0), (2, 1), (3, 2)], after=1, over=10) == pytest.approx(10)


def test_a_row_holds_where_all_its_checks_do() -> None:
    """What does not hold is said in bold; a row without checks proves nothing."""
    assert row("a", GOOD).holds
    assert not row("a", GOOD, BAD).holds
    assert not row("a").holds
    assert row("a", GOOD, BAD).measured == "p99 100 ms; **3 broken: does not hold**"


def test_a_run_of_some_keeps_the_rows_of_the_others() -> None:
    """In the order of the experiments, each with its own date."""
    first = merged({}, [row("b", GOOD), row("a", BAD)], "2026-01-01", ["a", "b", "c"])
    second = merged(first, [row("a", GOOD)], "2026-01-02", ["a", "b", "c"])
    assert [(r["name"], r["date"]) for r in second["rows"]] == [
        ("a", "2026-01-02"),
        ("b", "2026-01-01"),
    ]
    assert [r["holds"] for r in first["rows"]] == [False, True]
    assert merged(first, [], "2026-01-03", ["b"])["rows"] == first["rows"][1:]
    assert "cores" in first["machine"]


def test_the_report_becomes_the_readmes_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its marks, beside the results, which the file is none of."""
    readme = tmp_path / "README.md"
    names = ("results", "load-clients", "reliability")
    marks = [f"<!-- {name} -->\nold\n<!-- /{name} -->" for name in names]
    readme.write_text("A\n{}\nB\n{}\n{}\nC\n".format(*marks))
    monkeypatch.setattr(table, "README", readme)
    monkeypatch.setattr(report, "FILE", tmp_path / table.RELIABILITY)
    monkeypatch.setattr(table.load_reliability, "__defaults__", (tmp_path,))
    monkeypatch.setattr(table.load, "__defaults__", (tmp_path,))
    report.write([row("a", GOOD)], ["a"])
    page = readme.read_text()
    assert "| a! | 0 broken | p99 100 ms |" in page
    assert "`make chaos` on " in page
    assert "\nold\n" not in page and page.startswith("A\n") and page.endswith("\nC\n")
    assert json.loads((tmp_path / table.RELIABILITY).read_text())["rows"][0]["holds"] is True


@pytest.mark.parametrize(("checks", "code"), [((GOOD,), 0), ((GOOD, BAD), 1), ((), 1)])
def test_the_exit_code_tells_whether_all_rows_hold(
    checks: tuple[Check, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a full run writes its report, a quick one none."""
    written: list[list[Row]] = []

    async def experiment(*, quick: bool) -> Row:
        return row("a", *checks)

    monkeypatch.setattr(program, "EXPERIMENTS", {"a": experiment, "b": experiment})
    monkeypatch.setattr(program, "write", lambda rows, order: written.append(rows))
    assert program.main(["a", "--quick"]) == code
    assert written == []
    assert program.main(["b,a"]) == code
    assert len(written[0]) == 2


def test_an_experiment_that_breaks_off_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others go on, and one that nobody knows is refused before any."""

    async def broken(*, quick: bool) -> Row:
        raise TimeoutError("it never came")

    monkeypatch.setattr(program, "EXPERIMENTS", {"a": broken})
    assert program.main(["a", "--quick"]) == 1
    assert "TimeoutError: it never came" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        program.main(["z"])


def test_a_metric_is_added_up_over_its_labels() -> None:
    """And not over metrics whose names begin alike."""
    page = '# HELP a_b x\na_b{x="1"} 2.0\na_b{x="2"} 3\na_b_total 9\na_b 1\n'
    assert total(page, "a_b") == 6
    assert total("", "a_b") == 0


def test_vitals_are_the_processs_own() -> None:
    """An open file and a megabyte are seen."""
    me = psutil.Process()
    before = open_files(me), own_bytes(me)
    with Path(os.devnull).open("rb"):
        assert open_files(me) == before[0] + 1
    with mmap.mmap(-1, 2**24) as kept:
        kept.write(bytes(len(kept)))
        assert own_bytes(me) - before[1] > len(kept) / 2

    async def look() -> list[tuple[float, float]]:
        async with watched(me, 0.01) as samples:
            await asyncio.sleep(0.3)
        return samples

    samples = asyncio.run(look())
    assert len(samples) > 1 and samples[0][1] > 1


def test_fuzzed_requests_repeat_and_reach_every_kind() -> None:
    """The same for a seed; some valid JSON, some not, some for forbidden addresses."""
    forbidden = urls(["127.0.0.1", "::1"], 999)
    first = list(requests(1, 500, forbidden))
    assert first == list(requests(1, 500, forbidden))
    assert first != list(requests(2, 500, forbidden))
    assert len({request.path for request in first}) > 15
    assert any(b":999" in request.body for request in first)
    assert {request.method for request in first} > {"GET", "POST"}
    valid = sum(_is_json(request.body) for request in first)
    assert 300 < valid < 490
    assert "http://[::1]:999/a.png" in forbidden


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    except RecursionError:
        return False
    return True

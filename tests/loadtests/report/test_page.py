"""The page: whole, small, the same each time, safe to mail, and honest about what it lacks."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadtests.failure import LoadError
from loadtests.records import Record
from loadtests.report import write_report
from loadtests.report.folder import METRICS, REQUESTS, SUMMARY, Run, Seen, read_run, shown_step
from loadtests.report.page import page
from loadtests.result import read_summary, write_summary
from tests.loadtests.report.synthetic import RUN, Made, records_of, step_of, write

MAX_BYTES = 3_000_000
VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = "</text></title><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
CANARY = "canary-" + "0123456789abcdef" * 4


class Reader(HTMLParser):
    """Reads a page as strictly as HTML can be: every tag is closed by its own end."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.faults.append(f"{tag} has an attribute twice")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that is its own end, as SVG's may be."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close a tag."""
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        """Keep the words that people see."""
        if self.open and self.open[-1] not in {"style", "script"}:
            self.text.append(data)

    @property
    def said(self) -> str:
        """Return all words, each gap a space."""
        return " ".join(" ".join(self.text).split())


def changed(folder: Path, **changes: Any) -> Run:
    """Return a run whose summary says something else."""
    summary = read_summary(folder / SUMMARY)
    verdict = msgspec.structs.replace(summary.verdict, **changes)
    return Run(msgspec.structs.replace(summary, verdict=verdict), [], [])


def test_the_page_is_whole(html: str, html_of_one: str) -> None:
    """Every tag is closed, every id is there once, every link within it leads somewhere."""
    for whole in (html, html_of_one):
        read = Reader(whole)
        assert read.faults == []
        assert read.open == []
        assert "&amp;" not in whole  # nothing has been escaped twice
        ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
        assert len(set(ids)) == len(ids)
        named = {name for _, a in read.tags for name in (a.get("aria-labelledby") or "").split()}
        links = {(a["href"] or "")[1:] for tag, a in read.tags if tag == "a"}
        assert named | links <= set(ids)
        assert links


def test_the_page_needs_nothing_else(html: str) -> None:
    """No file, no address, no style or script but its own, and a policy that says so."""
    read = Reader(html)
    assert {tag for tag, _ in read.tags} & {"link", "img", "iframe", "object", "form"} == set()
    for _, attributes in read.tags:
        assert not {"src", "style", "onclick", "onload"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    (policy,) = (a["content"] for _, a in read.tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_the_verdict_comes_first(run: Run, html: str) -> None:
    """The sentence is the page's one heading of the first order, before any figure."""
    read = Reader(html)
    assert [tag for tag, _ in read.tags].count("h1") == 1
    said = read.said.removeprefix("VALID: ")
    order = [run.summary.verdict.sentence, "VALID", "objectives met", "TTFT p95 ≤ 0.5 s", "2,6"]
    places = [said.index(words) for words in order]
    assert places == sorted(places)


def test_invalid_and_partial_runs_say_so(folder: Path) -> None:
    """Before anything else."""
    run = changed(folder, measurement="INVALID", partial="a worker was lost")
    said = Reader(page(run)).said
    assert "INVALID PARTIAL: a worker was lost" in said[:400]


def test_every_objective_is_told_at_every_step(html: str) -> None:
    """Met, missed or undecided, with what was measured."""
    said = Reader(html).said
    table = said[said.index("Objective 1 user") : said.index("Why these limits")]
    assert table.count("undecided") == 4
    assert table.count("missed") + table.count("met") == 8
    assert "People doubt that they were heard." in said


def test_an_absent_percentile_says_why(html_of_one: str) -> None:
    """Three requests have no median; the page says how many it takes."""
    assert "no median: n = 3; p50 needs 11" in html_of_one
    assert 'title="n = 3; p95 needs 130">–</abbr>' in html_of_one
    assert "No metrics of engine or gateway could be read" in html_of_one
    assert "None: every request got a complete answer" in html_of_one


def test_a_run_of_one_step_shows_what_makes_sense_for_it(html: str, html_of_one: str) -> None:
    """No frontier of one point, and no comparison of steps."""
    for words in ('id="frontier"', "Thinking by step", 'id="goodput-name"'):
        assert words in html
        assert words not in html_of_one


def test_a_step_that_counted_nothing_does_not_stand_for_the_run(folder: Path) -> None:
    """An interrupted run is told by the last step that says anything."""
    summary = read_summary(folder / SUMMARY)
    verdict = msgspec.structs.replace(summary.verdict, best_step=None)
    rows = (msgspec.structs.replace(summary.steps[3].all, requests=0),)
    steps = (*summary.steps[:3], msgspec.structs.replace(summary.steps[3], rows=rows))
    shown = shown_step(msgspec.structs.replace(summary, steps=steps, verdict=verdict))
    assert shown == summary.steps[2]
    none = msgspec.structs.replace(summary, steps=steps[3:], verdict=verdict)
    assert shown_step(none) == steps[3]


def test_objectives_at_the_top_say_of_which_step_they_are(html: str, html_of_one: str) -> None:
    """Where there are several; another step may miss others."""
    assert re.search(r"objectives met At \d+ users: ✓ TTFT", Reader(html).said)
    assert "At 1 user:" not in Reader(html_of_one).said


def test_a_run_that_asked_nothing_does_not_claim_answers(folder: Path) -> None:
    """No failure of no request is nothing to be glad of."""
    said = Reader(page(Run(read_summary(folder / SUMMARY), [], []))).said
    assert "No request was sent." in said
    assert "every request got a complete answer" not in said


def test_a_run_without_steps_still_has_a_page(folder: Path) -> None:
    """It says that nothing was measured, and which run it was."""
    summary = msgspec.structs.replace(read_summary(folder / SUMMARY), steps=())
    read = Reader(page(Run(summary, [], [])))
    assert read.faults == []
    assert "no step was counted: nothing is measured" in read.said
    assert RUN["command"] in read.said


def test_a_run_can_be_done_again(html: str) -> None:
    """All that it takes stands on the page; what nobody told is said to be untold."""
    said = Reader(html).said
    for words in (RUN["command"], "0.32.0", "3f1c9a", "b52f6c1e", "20260701", "1360420"):
        assert str(words) in said
    assert "GPU here not told" in said


def test_failures_are_told_by_kind_with_what_was_said(tmp_path: Path) -> None:
    """A kind has a row, an outcome a column; words so long that they may be secret are left out."""
    made = Made(users=(2,), failing=1, detail=f"no room for {CANARY} here", metrics=False)
    write(tmp_path / "run", made)
    said = Reader(page(read_run(tmp_path / "run"))).said
    assert "http error 503: no room for … here" in said
    assert CANARY not in said
    failed = records_of(0, made)
    assert f"{len(failed)} requests failed in all" in said


def test_what_comes_from_outside_is_never_markup(tmp_path: Path) -> None:
    """Names of models, kinds and scenarios, and errors' words, stand there as they are."""
    told = RUN | dict.fromkeys(("scenario", "url", "model_served", "command"), HOSTILE)
    kinds = (HOSTILE, "text")
    made = Made(
        users=(2, 4), run=told | {HOSTILE: HOSTILE}, kinds=kinds, detail=HOSTILE, failing=0.2
    )
    write(tmp_path / "run", made)
    html = page(read_run(tmp_path / "run"))
    read = Reader(html)
    assert read.faults == []
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert not any("onerror" in attributes for _, attributes in read.tags)
    assert HOSTILE in "".join(read.text)


def test_the_page_is_the_same_each_time(folder: Path, html: str) -> None:
    """So that a page that changed means that something did."""
    path = write_report(folder)
    assert path == folder / "report.html"
    assert path.read_text(encoding="utf-8") == html


def test_a_hundred_thousand_requests_fit_in_a_mail(folder: Path) -> None:
    """Under 3 MB, and the page says how many of them are drawn."""
    run = read_run(folder)
    few = run.requests
    many = [few[number * len(few) // 100_000] for number in range(100_000)]
    html = page(Run(run.summary, many, run.readings * 40))
    assert len(html.encode()) < MAX_BYTES / 2
    assert re.search(r"3,\d\d\d of 100,000 requests are shown: one in 34", html)


def test_what_is_read_of_a_record_is_what_is_written(folder: Path) -> None:
    """The part that is drawn has the names and meaning of the whole."""
    assert set(Seen.__struct_fields__) <= set(Record.__struct_fields__)
    records = sorted(
        (r for n in range(6) for r in records_of(n, Made())), key=lambda r: r.scheduled_seconds
    )
    for seen, record in zip(read_run(folder).requests, records, strict=True):
        ttft = record.since_scheduled(record.first_token_seconds)
        ttfat = record.since_scheduled(record.first_answer_seconds)
        assert seen.ttft == (None if ttft is None else pytest.approx(ttft))
        assert seen.ttfat == (None if ttfat is None else pytest.approx(ttfat))
        assert seen.failed is not record.answered


@pytest.mark.parametrize("missing", [REQUESTS, SUMMARY])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, missing: str) -> None:
    """In one sentence that names it."""
    write(tmp_path / "run", Made(users=(1,)))
    (tmp_path / "run" / missing).unlink()
    with pytest.raises(LoadError, match=missing):
        read_run(tmp_path / "run")
    (tmp_path / "run" / missing).write_text("first\nsomething else\n")
    with pytest.raises(LoadError, match="cannot be read"):
        read_run(tmp_path / "run")


def test_lines_that_a_killed_run_left_unfinished_are_left_out(tmp_path: Path) -> None:
    """Of requests and of metrics."""
    write(tmp_path / "run", Made(users=(1,)))
    whole = read_run(tmp_path / "run")
    for name in (REQUESTS, METRICS):
        with (tmp_path / "run" / name).open("ab") as file:
            file.write(b'{"at": 1')
    cut = read_run(tmp_path / "run")
    assert (cut.requests, cut.readings) == (whole.requests, whole.readings)


def test_summaries_are_written_as_they_are_read(tmp_path: Path) -> None:
    """The made-up runs are of the format that real ones have."""
    summary = write(tmp_path / "run", Made(users=(1,)))
    write_summary(tmp_path / "again.json", read_summary(tmp_path / "run" / SUMMARY))
    assert read_summary(tmp_path / "again.json") == summary
    assert step_of(0, records_of(0, Made(users=(1,))), Made(users=(1,))) == summary.steps[0]

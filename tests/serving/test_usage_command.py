"""`serving usage`: sums of a real store, as a table, as CSV and as JSON."""

import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result

from serving.store.address import default_path
from serving.store.usage import DaySum
from serving.usage_command import usage
from serving.usage_report import add_up, table
from tests.serving.used import Run, ready, record, write

DAY = 86_400


@pytest.fixture(name="used")
def _used() -> Iterator[Run]:
    """Return what runs `serving usage`."""
    with ready(usage) as run:
        yield run


@pytest.fixture(name="now")
def _now() -> float:
    """Fill the store with two keys, two models, three apps and all ends; return the time."""
    now = datetime.now(UTC).replace(hour=12).timestamp()
    write(
        record("req_1", time=now, app="Shop", images=2, image_tokens=60, cost=0.25),
        record("req_2", time=now, app="Shop", outcome="engine_error", cost=0.0),
        record("req_3", time=now, key="bob", key_id="key_2", model="other", cost=0.5),
        record("req_4", time=now, outcome="rate_limited", admitted=False, cost=0.0),
        record("req_5", time=now - 3 * DAY, app="=cmd()", outcome="client_gone", cost=0.125),
        record("req_6", time=now - 40 * DAY, cost=1.0),
    )
    return now


def rows(result: Result) -> list[dict[str, Any]]:
    """Return the rows of JSON output."""
    assert result.exit_code == 0, result.stderr
    return list(json.loads(result.stdout)["rows"])


def day(now: float, ago: int = 0) -> str:
    """Return a day as it is shown."""
    return datetime.fromtimestamp(now - ago * DAY, UTC).date().isoformat()


def test_days_are_added_up(used: Run, now: float) -> None:
    """Of the last 30 days, the oldest first, refused and failed ones included."""
    found = rows(used("--format", "json"))
    assert [row["day"] for row in found] == [day(now, 3), day(now)]
    today = found[1]
    ends = [today[end] for end in ("requests", "ok", "refused", "cancelled", "failed")]
    assert ends == [4, 2, 1, 0, 1]
    assert (today["images"], today["image_tokens"]) == (2, 60)
    assert today["cost_usd"] == 0.75
    total = json.loads(used("--format", "json").stdout)["total"]
    assert (total["requests"], total["cost_usd"]) == (5, 0.875)


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        pytest.param("key", [("alice", 4), ("bob", 1)], id="key"),
        pytest.param("model", [("other", 1), ("tiny-qwen3-vl", 4)], id="model"),
        pytest.param("app", [("", 2), ("=cmd()", 1), ("Shop", 2)], id="app"),
        pytest.param(
            "model, key",
            [("other", "bob", 1), ("tiny-qwen3-vl", "alice", 4)],
            id="two",
        ),
    ],
)
@pytest.mark.usefixtures("now")
def test_any_group_adds_up(used: Run, by: str, groups: list[tuple[Any, ...]]) -> None:
    """By one or by several, in their order, each with its own requests."""
    names = by.split(", ")
    found = rows(used("--by", by, "--format", "json"))
    assert [(*(row[name] for name in names), row["requests"]) for row in found] == groups


@pytest.mark.parametrize(
    ("words", "requests"),
    [
        pytest.param(["--since", "2d"], 4, id="days"),
        pytest.param(["--since", "3d", "--until", "3d"], 1, id="one day"),
        pytest.param(["--since", "today"], 4, id="today"),
        pytest.param(["--since", "2000-01-01"], 6, id="date"),
        pytest.param(["--since", "2000-01-01", "--until", "2001-01-01"], 0, id="nothing"),
        pytest.param(["--key", "bob"], 1, id="name"),
        pytest.param(["--key", "key_1"], 4, id="id"),
        pytest.param(["--key", "key_1", "--since", "2000-01-01"], 5, id="both"),
    ],
)
@pytest.mark.usefixtures("now")
def test_what_is_asked_for_is_what_counts(used: Run, words: list[str], requests: int) -> None:
    """Days are inclusive at both ends; a key is known by its name and its id."""
    told = used(*words, "--format", "json")
    assert json.loads(told.stdout)["total"]["requests"] == requests


@pytest.mark.usefixtures("now")
def test_the_table_fits_80_columns(used: Run) -> None:
    """With a heading, aligned numbers and a total at its foot; what has no app is a dash."""
    title, gap, *lines = used("--by", "key,app", COLUMNS="80").stdout.splitlines()
    assert title.endswith(" (UTC); prompt, thought and answer in tokens")
    assert not gap
    assert lines[0].split() == [
        "Key", "App", "Requests", "Failed", "Prompt", "Thought", "Answer", "USD"
    ]  # fmt: skip
    assert lines[1].split() == ["alice", "-", "1", "0", "100", "16", "4", "0.000000"]
    assert lines[-1].split() == ["Total", "5", "1", "500", "80", "20", "0.875000"]
    assert max(map(len, lines)) <= 80
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("by", [("day",), ("key", "app"), ("day", "key", "model", "app")])
def test_big_numbers_and_long_names_are_whole(by: tuple[str, ...]) -> None:
    """Names are folded, no digit is lost; a client's name for itself is no markup."""
    names = {
        "key": "alice@example.org",
        "model": "Qwen/Qwen3-VL-8B-Thinking",
        "app": "[b]A-shop[/b]",
    }
    sums = DaySum(
        day=date(2026, 12, 31),
        key_id="k",
        **names,
        ok=1_234_567,
        prompt_tokens=2_345_678_901,
        reasoning_tokens=1_234_567_890,
        answer_tokens=123_456_789,
        cost=12_345.6789,
    )
    report = add_up([sums], by, date(2026, 1, 1), date(2026, 12, 31))
    lines = table(report, width=80).splitlines()[2:]
    numbers = ["1,234,567", "0", "2,345,678,901", "1,234,567,890", "123,456,789", "12,345.6789"]
    assert lines[1].split()[-6:] == lines[-1].split()[-6:] == numbers
    assert len(by) > 1 or max(map(len, lines)) <= 80
    ends = [*(lines[0].index(group.capitalize()) for group in by[1:]), lines[1].index(numbers[0])]
    begins = [0, *ends]
    for group, begin, end in zip(by, begins, ends, strict=False):
        folded = "".join(line[begin:end].strip() for line in lines[1:-1])
        assert folded == names.get(group, "2026-12-31")


def test_only_names_that_have_to_be_folded_are() -> None:
    """A short one leaves its room to a longer one."""
    one = DaySum(day=date(2026, 1, 1), key_id="k", key="k", app="", model="Qwen3-VL-8B-Thinking")
    report = add_up([one], ("key", "app", "model"), one.day, one.day)
    assert "Qwen3-VL-8B-Thinking" in table(report, width=80)
    assert "Qwen3-VL-8B-Thinking" not in table(report, width=70)
    assert all(len(line) <= 70 for line in table(report, width=70).splitlines())


@pytest.mark.usefixtures("now")
def test_csv_has_every_number(used: Run) -> None:
    """It reads back as it was; no client's name for itself becomes a formula."""
    told = used("--by", "app", "--format", "csv")
    found = list(csv.DictReader(io.StringIO(told.stdout)))
    assert [row["app"] for row in found] == ["", "'=cmd()", "Shop"]
    assert found[2]["cost_usd"] == "0.25"
    same = rows(used("--by", "app", "--format", "json"))
    for text, number in zip(found, same, strict=True):
        assert all(float(text[name]) == number[name] for name in number if name != "app")


def test_nothing_says_so(used: Run) -> None:
    """Where, of when and of whom; and that nothing is kept, where that is so."""
    today = datetime.now(UTC).date()
    write(record("req_1", time=time.time() - 40 * DAY))
    told = used("--key", "alice")
    assert told.exit_code == 0
    assert f"from {today - timedelta(days=30)} to {today}" in told.stdout
    assert "the key alice" in told.stdout
    assert str(default_path()) in told.stdout
    assert "store.usage is off" not in told.stdout
    assert "store.usage is off" in used(SERVING_STORE__USAGE="false").stdout
    assert json.loads(used("--format", "json").stdout)["rows"] == []


def test_looking_makes_no_store(used: Run) -> None:
    """It says what does."""
    refused = used()
    assert refused.exit_code == 1
    assert str(default_path()) in refused.stderr
    assert not default_path().exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--by", "week"], "'week'", id="group"),
        pytest.param(["--by", ""], "day, key, model, app", id="no group"),
        pytest.param(["--since", "yesterday"], "--since is refused: 'yesterday'", id="word"),
        pytest.param(["--until", "2026-13-01"], "--until is refused: '2026-13-01'", id="month"),
        pytest.param(["--since", "999999d"], "--since is refused", id="too long ago"),
        pytest.param(["--until", "1d", "--since", "today"], "is after --until", id="exchanged"),
        pytest.param(["--key", "alicia"], "Did you mean alice?", id="nearly a key"),
        pytest.param(["--key", "zzz"], "serving keys list", id="no key"),
    ],
)
@pytest.mark.usefixtures("now")
def test_what_cannot_be_read_is_one_sentence(used: Run, words: list[str], said: str) -> None:
    """It names the option and what it takes."""
    refused = used(*words)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert said in refused.stderr


@pytest.mark.usefixtures("now")
def test_a_keys_text_is_not_repeated(used: Run) -> None:
    """Whoever takes --key for the key itself does not find it in a log."""
    refused = used("--key", "sk-qwen-secret")
    assert refused.exit_code == 1
    assert "secret" not in refused.output


def test_postgresql_holds_the_same(used: Run, postgres_url: str) -> None:
    """The report of the store that settings name, whichever it is."""
    write(record("req_1", cost=0.25), record("req_2", key="bob", key_id="key_2"), url=postgres_url)
    [bob] = rows(
        used("--by", "key", "--key", "bob", "--format", "json", SERVING_STORE__URL=postgres_url)
    )
    assert (bob["key"], bob["requests"], bob["cost_usd"]) == ("bob", 1, 0.001)

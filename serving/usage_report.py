"""What `serving usage` shows: the ledger's sums by day, added up as asked for."""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from itertools import groupby, zip_longest
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, Final

from rich.cells import cell_len, chop_cells, set_cell_size

from serving import settings as configuration
from serving.failure import NotDone
from serving.gateway.key_terms import KEY_START, duration
from serving.gateway.period import FIRST_DAY
from serving.store.address import Address
from serving.store.database import visited_store
from serving.store.keys import KeyStore
from serving.store.usage import DaySum, UsageStore

GROUPS: Final = ("day", "key", "model", "app")
ENDS: Final = ("ok", "refused", "cancelled", "failed")
TOKENS: Final = tuple(
    f"{kind}_tokens" for kind in ("prompt", "cached", "image", "video", "reasoning", "answer")
)
SUMS: Final = (*ENDS, *TOKENS, "images", "videos", "cost")
NUMBERS: Final = ("requests", *SUMS[:-1], "cost_usd")
# What fits a terminal of 80 columns beside what it is added up by.
SHOWN: Final = {
    "requests": "Requests",
    "failed": "Failed",
    "prompt_tokens": "Prompt",
    "reasoning_tokens": "Thought",
    "answer_tokens": "Answer",
    "cost_usd": "USD",
}
MIN_NAME_CHARACTERS: Final = len("2027-01-31")
# A spreadsheet takes a text that starts so for a formula, and an app names itself.
FORMULA_STARTS: Final = tuple("=+-@＝＋－＠\t\r")

Numbers = dict[str, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user has said."""

    by: str
    since: str
    until: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Lines of sums, each for one value of every group, and the sums of all."""

    since: date
    until: date
    by: tuple[str, ...]
    lines: list[tuple[tuple[str, ...], Numbers]]
    total: Numbers


def run(config: Path | None, asked: Asked, form: str) -> int:
    """Print the report; raises NotDone for what cannot be read or is not there."""
    by, today = _groups(asked.by), datetime.now(UTC)
    since, until = _day(asked.since, "--since", today), _day(asked.until, "--until", today)
    if since > until:
        raise NotDone(f"--since {since} is after --until {until}.", "Exchange the two.")
    settings = configuration.load(config, os.environ).settings
    address = Address.of(settings.store)
    with visited_store(address) as engine:
        ledger = UsageStore(engine)
        days = ledger.days(since, until)
        if asked.key is not None:
            days = _of_key(days, asked.key, lambda: _known_keys(ledger, KeyStore(engine), until))
    report = add_up(days, by, since, until)
    if not report.lines and form == "table":
        sys.stdout.write(_nothing(report, asked.key, str(address), keeps=settings.store.usage))
        return 0
    sys.stdout.write(FORMS[form](report))
    return 0


def add_up(days: Iterable[DaySum], by: tuple[str, ...], since: date, until: date) -> Report:
    """Add up by some of GROUPS; keys of one name count as one."""
    ordered = sorted(days, key=lambda day: _values(day, by))
    lines = [
        (values, _sums(group))
        for values, group in groupby(ordered, key=lambda day: _values(day, by))
    ]
    return Report(since, until, by, lines, _sums(ordered))


def table(report: Report, width: int | None = None) -> str:
    """Write a table for people; the longest names are folded to fit, numbers never."""
    usd_digits = 4 if report.total["cost_usd"] >= 1 else 6  # of a few small requests
    total = _numbers(report.total, usd_digits)
    # No sum is longer than the total's.
    sizes = [max(map(len, pair)) for pair in zip(SHOWN.values(), total, strict=True)]
    heads = [group.capitalize() for group in report.by]
    named = [[value or "-" for value in values] for values, _ in report.lines]
    room = (width or get_terminal_size().columns) - sum(sizes) - len(sizes) - len(heads) + 1
    last = ["Total", *[""] * (len(heads) - 1)]
    names = _name_sizes([heads, last, *named], room)
    written = [
        f"{report.since} to {report.until} (UTC); prompt, thought and answer in tokens",
        "",
        *_row(heads, names, list(SHOWN.values()), sizes),
    ]
    for values, (_, numbers) in zip(named, report.lines, strict=True):
        written += _row(values, names, _numbers(numbers, usd_digits), sizes)
    written += _row(last, names, total, sizes)
    return "".join(f"{line}\n" for line in written)


def as_csv(report: Report) -> str:
    """Write one line for each row under a heading, all numbers, without the total."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow((*report.by, *NUMBERS))
    for values, numbers in report.lines:
        names = (f"'{text}" if text.startswith(FORMULA_STARTS) else text for text in values)
        writer.writerow((*names, *(numbers[name] for name in NUMBERS)))
    return written.getvalue()


def as_json(report: Report) -> str:
    """Write rows and total as one object."""
    rows = [dict(zip(report.by, values, strict=True)) | numbers for values, numbers in report.lines]
    whole = {
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "by": report.by,
        "rows": rows,
        "total": report.total,
    }
    return f"{json.dumps(whole, indent=2, ensure_ascii=False)}\n"


FORMS: Final[Mapping[str, Callable[[Report], str]]] = {
    "table": table,
    "csv": as_csv,
    "json": as_json,
}


def _values(day: DaySum, by: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(getattr(day, group)) for group in by)


def _sums(days: Iterable[DaySum]) -> Numbers:
    rows = [[getattr(day, name) for name in SUMS] for day in days]
    sums: list[Any] = [sum(column) for column in zip(*rows, strict=True)] or [0] * len(SUMS)
    # Far below what a request costs: keeps 0.1 + 0.2 out of the sums.
    return dict(zip(NUMBERS, (sum(sums[: len(ENDS)]), *sums[:-1], round(sums[-1], 9)), strict=True))


def _name_sizes(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return how wide the columns of names are: the widest gives way until all fit."""
    sizes = [max(map(cell_len, names)) for names in zip(*rows, strict=True)]
    while sum(sizes) > room and max(sizes) > MIN_NAME_CHARACTERS:
        sizes[sizes.index(max(sizes))] -= 1
    return sizes


def _row(
    names: Sequence[str], name_sizes: Sequence[int], numbers: Sequence[str], sizes: Sequence[int]
) -> Iterator[str]:
    """Write a row on as many lines as its names need; its numbers are on the first."""
    said = " ".join(f"{number:>{size}}" for number, size in zip(numbers, sizes, strict=True))
    folded = [chop_cells(name, size) for name, size in zip(names, name_sizes, strict=True)]
    for parts in zip_longest(*folded, fillvalue=""):
        left = (set_cell_size(part, size) for part, size in zip(parts, name_sizes, strict=True))
        yield f"{' '.join(left)} {said}".rstrip()
        said = ""


def _numbers(numbers: Numbers, usd_digits: int) -> list[str]:
    return [
        f"{numbers[name]:,.{usd_digits}f}" if name == "cost_usd" else f"{numbers[name]:,}"
        for name in SHOWN
    ]


def _groups(text: str) -> tuple[str, ...]:
    """Read what to add up by; raises NotDone."""
    said = tuple(dict.fromkeys(group.strip() for group in text.split(",")))
    for group in said:
        if group not in GROUPS:
            raise NotDone(
                f"--by is refused: there is no {group!r}.", f"Give any of {', '.join(GROUPS)}."
            )
    return said


def _day(text: str, option: str, now: datetime) -> date:
    """Read a day, or how many days before now; raises NotDone."""
    try:
        if text == "today":
            return now.date()
        return date.fromisoformat(text) if "-" in text else (now - duration(text)).date()
    except (ValueError, OverflowError):
        raise NotDone(
            f"{option} is refused: {text!r} is no day.",
            "Give 2027-01-31, 7d for a week ago, or today.",
        ) from None


def _of_key(days: list[DaySum], name: str, known: Callable[[], set[str]]) -> list[DaySum]:
    """Return one key's days, named by its name or id; raises NotDone where nobody knows it."""
    own = [day for day in days if name in {day.key, day.key_id}]
    if own or name in (names := known()):
        return own
    nearest = get_close_matches(name, names, n=1)
    meant = f" Did you mean {nearest[0]}?" if nearest else ""
    what = "That" if name.startswith(KEY_START) else name[:64]
    raise NotDone(
        f"{what} is neither the name nor the id of a key, in this store or in what it says of "
        f"usage.{meant}",
        "`serving keys list` and `serving usage --by key` show what there is.",
    )


def _known_keys(ledger: UsageStore, keys: KeyStore, until: date) -> set[str]:
    used = {name for day in ledger.days(FIRST_DAY, until) for name in (day.key, day.key_id)}
    return used | {name for key in keys.list() for name in (key.name, key.id)}


def _nothing(report: Report, key: str | None, where: str, *, keeps: bool) -> str:
    whose = "" if key is None else f" with the key {key}"
    said = f"Nothing was used{whose} from {report.since} to {report.until} (UTC), by {where}.\n"
    return said if keeps else f"{said}store.usage is off: nothing is written down.\n"

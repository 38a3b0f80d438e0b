"""Program: writes the table of all parameters, serving/gateway/PARAMETERS.md, anew.

Fields come from the document of the API, and what was seen of them from the tests' own rows.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from serving.catalogue import THINKING, entry_for
from serving.gateway.docs.document import document
from serving.gateway.docs.fields import Field, fields
from serving.gateway.docs.offer import Offer
from serving.gateway.docs.operations import OPERATIONS
from serving.options import GatewaySettings
from tests.engine import dialect_parameters, parameters

TABLE = Path(__file__).parents[2] / "serving" / "gateway" / "PARAMETERS.md"
ROWS = (*parameters.ROWS, *dialect_parameters.ROWS)
INTRODUCTION = """\
# Parameters

Every field of a request, its effect, and the tests of it: what `tests/engine/test_parameters.py`
sees it do through the real engine with the tiny model, streamed and not. Made by `make contracts`
from the types that validate requests and from the rows of that test; the endpoint itself shows the
fields at `/docs`, with all nested types and the limits that it is configured with.

Each path is there under `/v1` (OpenAI) and `/api/v1` (OpenRouter). null counts as not sent. `/v1`
refuses a field that is not listed; `/api/v1` ignores it unless `provider.require_parameters` is
true.
"""
IGNORED_TEST = "test_ignored_fields_change_nothing"
# A field that is one object, and nothing else but perhaps a switch, is shown with its parts.
OBJECT = re.compile(r"(?:true or false \| )?\[(\w+)\]")


def table() -> str:
    """Return the whole page."""
    described = document(Offer.of(entry_for(THINKING), GatewaySettings()))
    sections = [INTRODUCTION]
    for path, operation in OPERATIONS.items():
        if operation.request is None:
            continue
        listed = fields(described, operation.request.__name__)
        sections.append(f"\n## POST {path}\n")
        sections.append(
            "| field | type | limits | effect | tested: what is seen |\n|---|---|---|---|---|"
        )
        sections += [
            _line(path, name, field)
            for name, field in parts(described, [each for each in listed if not each.ignored])
        ]
        ignored = ", ".join(f"`{each.name}`" for each in listed if each.ignored)
        sections.append(f"\nAccepted, without effect, as `{IGNORED_TEST}` sees: {ignored}.")
    return "\n".join(sections) + "\n"


def parts(described: dict[str, object], listed: list[Field]) -> Iterator[tuple[str, Field]]:
    """Name the fields, those of an object after it and with its name before theirs."""
    for each in listed:
        yield each.name, each
        if inner := OBJECT.fullmatch(each.type):
            for part in fields(described, inner[1]):
                yield f"{each.name}.{part.name}", part


def seen(path: str, name: str) -> list[str]:
    """Return what the tests see of a field on a path."""
    return [row.effect for row in ROWS if row.parameter == name and path in row.on]


def _line(path: str, name: str, field: Field) -> str:
    required = " (required)" if field.required and "." not in name else ""
    cells = [
        f"`{name}`{required}",
        re.sub(r"\[(\w+)\]", r"\1", field.type),
        field.limits,
        field.effect,
        "; ".join(seen(path, name)),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")

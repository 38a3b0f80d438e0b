"""The page of the API at /docs: the document as HTML, whole without a script or another file."""

import re
from collections.abc import Iterable, Iterator
from html import escape
from importlib import resources
from string import Template
from typing import Any, Final, NamedTuple

from serving.gateway.docs.document import document
from serving.gateway.docs.failures import CODES, error_types
from serving.gateway.docs.fields import Field, fields, types
from serving.gateway.docs.offer import Offer
from serving.gateway.docs.operation import Operation
from serving.gateway.docs.operations import OPERATIONS

Json = dict[str, Any]

TEMPLATE: Final = Template(
    resources.files("serving.gateway.docs").joinpath("page.html").read_text("utf-8")
)
TYPE: Final = re.compile(r"\[(\w+)\]")
FORMS: Final = {
    "OpenAIError": "/v1",
    "OpenRouterError": "/api/v1",
    "AnthropicError": "messages under both",
}
COLUMNS: Final = ("Limits", "Default", "Effect")


class _Mark(NamedTuple):
    """The word beside the fields that are, or are not, always there."""

    required: bool
    word: str


_REQUIRED: Final = _Mark(True, "required")
_OPTIONAL: Final = _Mark(False, "not always")


def page(offer: Offer, base: str) -> str:
    """Write the page as it is seen at `base`, the address that the reader's browser used."""
    described = document(offer)
    requests = [each.request.__name__ for each in OPERATIONS.values() if each.request]
    answers = [name for each in OPERATIONS.values() for name in _answers(each)]
    asked = types(described, *requests)
    answered = list(dict.fromkeys([*answers, *types(described, *answers)]))
    return TEMPLATE.substitute(
        model=escape(offer.model),
        base=escape(base),
        key="KEY" if offer.needs_key else "none",
        key_rule=_key_rule(offer),
        names=", ".join(f"<code>{escape(name)}</code>" for name in offer.names),
        body_limit=f"{offer.max_body_bytes / 2**20:g}",
        images=_count(offer.max_images, "picture"),
        videos=_count(offer.max_videos, "video"),
        max_output=f"{offer.max_output_tokens:,}",
        endpoint_links=_links((operation.id, path) for path, operation in OPERATIONS.items()),
        request_links=_links((name, name) for name in asked),
        answer_links=_links((name, name) for name in answered),
        endpoints="\n".join(_endpoint(described, *each) for each in OPERATIONS.items()),
        request_types="\n".join(_type(described, name, _REQUIRED) for name in asked),
        answer_types="\n".join(_type(described, name, _OPTIONAL) for name in answered),
        codes="\n".join(_codes()),
        forms="\n".join(_form(described, *each) for each in FORMS.items()),
    )


def _endpoint(described: Json, path: str, operation: Operation) -> str:
    answers = ", ".join(_linked(f"[{name}]") for name in _answers(operation))
    where = " (under /api/v1 alone)" * (operation.openai is None)
    lines = [
        f'<section aria-labelledby="{operation.id}">',
        f'<h3 id="{operation.id}"><code>{operation.method} {escape(path)}</code></h3>',
        f"<p>{escape(operation.summary)}{where}. Answers and their events: {answers}.</p>",
    ]
    if operation.query:
        asked = (f"<code>{name}</code>: {escape(said)}" for name, said in operation.query.items())
        lines.append(f"<p>Query: {'; '.join(asked)}.</p>")
    if operation.request is not None:
        listed = fields(described, operation.request.__name__)
        shown = [each for each in listed if not each.ignored]
        lines.append(_table(f"Fields of {path}", shown, _REQUIRED))
        ignored = ", ".join(f"<code>{each.name}</code>" for each in listed if each.ignored)
        lines.append(f"<p>Accepted, without effect: {ignored}.</p>")
    return "\n".join([*lines, "</section>"])


def _type(described: Json, name: str, mark: _Mark) -> str:
    meaning = described["components"]["schemas"][name].get("description", "")
    listed = fields(described, name)
    return "\n".join(
        [
            f'<section aria-labelledby="{name}">',
            f'<h3 id="{name}"><code>{name}</code></h3>',
            f"<p>{escape(meaning)}</p>",
            _table(f"Fields of {name}", listed, mark) if listed else "",
            "</section>",
        ]
    )


def _form(described: Json, name: str, where: str) -> str:
    error = described["components"]["schemas"][name]
    lines = [f"<h3>{escape(where)}</h3>", "<ul>"]
    lines += [f"<li><code>{path}</code>{said}</li>" for path, said in _leaves(error, "")]
    return "\n".join([*lines, "</ul>"])


def _leaves(schema: Json, path: str) -> Iterator[tuple[str, str]]:
    for name, inner in schema["properties"].items():
        if "properties" in inner:
            yield from _leaves(inner, f"{path}{name}.")
        else:
            said = inner.get("description") or ", ".join(inner.get("enum", ()))
            yield path + name, f": {escape(said)}" if said else ""


def _codes() -> Iterator[str]:
    for code, (status, meaning) in CODES.items():
        openrouter, anthropic = error_types(code)
        cells = [f"<code>{code}</code>", escape(meaning), openrouter, anthropic]
        yield f'<tr><th scope="row">{status}</th>{_cells(cells)}</tr>'


def _table(caption: str, rows: list[Field], mark: _Mark) -> str:
    """Write a table of fields without the columns that would be empty."""
    columns = [each for each in COLUMNS if any(getattr(row, each.lower()) for row in rows)]
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Field", "Type", *columns))
    lines = [
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table>',
        f"<thead><tr>{heads}</tr></thead>",
        "<tbody>",
    ]
    for row in rows:
        marked = f' <span class="mark">{mark.word}</span>' if row.required is mark.required else ""
        name = f'<th scope="row"><code>{escape(row.name)}</code>{marked}</th>'
        cells = [_linked(row.type), *(escape(getattr(row, each.lower())) for each in columns)]
        lines.append(f"<tr>{name}{_cells(cells)}</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _linked(words: str) -> str:
    return TYPE.sub(r'<a href="#\1">\1</a>', escape(words, quote=False))


def _links(targets: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f'<li><a href="#{target}">{escape(name)}</a></li>' for target, name in targets)


def _answers(operation: Operation) -> list[str]:
    """Return the types of an operation's answers, OpenAI's dialect first."""
    kinds = [
        kind
        for answer in operation.answers
        for kind in (answer.whole, answer.event)
        if kind is not None
    ]
    return list(dict.fromkeys(kind.__name__ for kind in kinds))


def _key_rule(offer: Offer) -> str:
    if not offer.needs_key:
        return "No key is needed; what a client sends as one is not looked at."
    return "Every request but this page and its document needs a key, as bearer or x-api-key."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"

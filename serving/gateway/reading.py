"""Reads a request into its type: unknown fields by the dialect's rule, every fault by its name."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw

from serving.gateway.body import Body
from serving.gateway.choices import choices
from serving.gateway.dialect import Dialect
from serving.gateway.errors import BadRequest

T = TypeVar("T", bound=msgspec.Struct)
# What to send instead, by the field whose value is none of those that are served.
Hints = Iterable[tuple[re.Pattern[str], str]]

NEVER_OPEN: Final = frozenset(
    [
        "priority",
        "cache_salt",
        "chat_template",
        "chat_template_kwargs",
        "kv_transfer_params",
        "ec_transfer_params",
        "vllm_xargs",
        "ignore_eos",
        "mm_processor_kwargs",
        "media_io_kwargs",
        "request_id",
        "documents",
        "add_generation_prompt",
        "continue_final_message",
        "add_special_tokens",
        "prompt_embeds",
        "mm_payload",
        "return_mm_kwargs",
    ]
)
# What only a router of several models could do, and what this server says to it.
ROUTING: Final = {
    "models": "This server routes between no models; send 'model' alone.",
    "provider": "This server is the only provider: it takes provider.require_parameters alone.",
}
# Fields whose texts have limits, which a mark in the place of a long one would pass.
SHORT_TEXTS: Final = ("stop", "stop_sequences", "bad_words", "metadata")
# Fields that hold JSON of the client's own making.
SCHEMAS: Final = ("response_format", "structured_outputs", "tools")
LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")
WHERE: Final = re.compile(r"(?P<what>.*?)(?: - at `(?:key` in `)?\$\.?(?P<where>.*)`)?", re.DOTALL)
UNKNOWN_VALUE: Final = "used: Invalid "
# A short word is a name that a closed list lacks; what is longer may be a text or a key.
OWN_VALUE: Final = re.compile(
    r"\A(Invalid (?:enum )?value)(?! ['\"][\w-]{1,20}['\"]\Z).*", re.DOTALL
)
MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]+)`")


def read_request(
    body: Body,
    kind: type[T],
    dialect: Dialect,
    ignored: Collection[str] = (),
    hints: Hints = (),
) -> T:
    """Decode a body; raises BadRequest naming the field, with the hint that there is for it.

    `ignored` fields are taken and dropped. All others that `kind` does not have are refused in
    OpenAI's dialect, and dropped in OpenRouter's unless the client requires its parameters.
    """
    try:
        request = msgspec.json.decode(body.skeleton, type=kind)
        sent = _OBJECT.decode(body.skeleton)
    except msgspec.ValidationError as error:
        raise _hinted(_invalid(str(error)), kind, hints) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(
            f"The request body is not valid JSON: {_fault(error)}.", code="invalid_json"
        ) from None
    for name in SHORT_TEXTS:
        if name in sent and body.was_cut(sent[name]):
            raise invalid(f"'{name}' holds a text that is too long.", name)
    names = {name for name, raw in sent.items() if raw != _NULL}
    known = {*kind.__struct_encode_fields__, *ignored}
    strict = not dialect.ignores_unknown or _required(sent.get("provider", _NULL))
    if unknown := sorted(names - known - ({"provider"} if dialect.ignores_unknown else set())):
        if strict:
            raise _unknown(unknown[0], known)
        for name in ROUTING.keys() & set(unknown):
            raise BadRequest(ROUTING[name], code="unsupported_parameter", param=name)
    return request


def missing(param: str) -> BadRequest:
    """Return the error for a field that is not there."""
    return BadRequest(f"'{param}' is missing.", code="missing_parameter", param=param)


def invalid(message: str, param: str) -> BadRequest:
    """Return the error for a value that cannot be used."""
    return BadRequest(message, code="invalid_value", param=param)


def check_integers(engine_fields: Mapping[str, Any]) -> None:
    """Check the schemas that are to be sent to the engine; raises BadRequest.

    The engine passes integers on in 64 bits and fails at longer ones. All others have limits.
    """
    schemas = {name: engine_fields[name] for name in SCHEMAS if name in engine_fields}
    encoded = msgspec.json.encode(schemas)
    if LONG_NUMBER.search(encoded):
        _check_width(msgspec.json.decode(encoded), "")


def _check_width(value: Any, where: str) -> None:
    match value:
        case dict():
            for name, inner in value.items():
                _check_width(inner, f"{where}.{name}".lstrip("."))
        case list():
            for at, inner in enumerate(value):
                _check_width(inner, f"{where}[{at}]")
        case int() if not -(2**63) <= value < 2**64:
            where = _short(where, 128)
            raise invalid(f"'{where}' is an integer of more than 64 bits.", where)


def _required(provider: Raw) -> bool:
    """Tell whether the client asks that all its parameters count."""
    try:
        asked = msgspec.json.decode(provider, type=_Provider | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest(
            ROUTING["provider"], code="unsupported_parameter", param="provider"
        ) from None
    return bool(asked and asked.require_parameters)


def _fault(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return "it holds bytes that are not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
    return str(error)


def _invalid(message: str) -> BadRequest:
    found = WHERE.fullmatch(message)
    what, where = (found["what"], found["where"] or "") if found else (message, "")
    what = _short(OWN_VALUE.sub(r"\1", what), 200)
    if absent := MISSING.match(what):
        return missing(f"{where}.{absent['name']}".lstrip("."))
    if what.startswith("Expected `null`") and where.startswith("messages["):
        return invalid(f"'{where}' has no place here: only assistant messages hold it.", where)
    if not where:
        return BadRequest(f"The request body has a wrong form: {what}.", code="invalid_value")
    return invalid(f"'{where}' has a value that cannot be used: {what}.", where)


def _hinted(error: BadRequest, kind: type[msgspec.Struct], hints: Hints) -> BadRequest:
    """Add what to send instead: the hint for the field, or the values that it has."""
    name = error.param or ""
    said = [hint for field, hint in hints if field.fullmatch(name)]
    if not said and UNKNOWN_VALUE in error.message and len(values := choices(kind, name)) > 1:
        said = [f"Use one of {', '.join(values)}."]
    error.message = " ".join([error.message, *said])
    return error


def _unknown(name: str, known: Collection[str]) -> BadRequest:
    if name in NEVER_OPEN:
        hint = "This server does not open it to clients."
    else:
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'?" if near else "Leave it out."
    shown = _short(name, 64)
    return BadRequest(
        f"Unrecognized request argument supplied: '{shown}'. {hint}",
        code="unknown_parameter",
        param=shown,
    )


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


class _Provider(msgspec.Struct, forbid_unknown_fields=True):
    require_parameters: bool | None = None


_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_NULL = Raw(b"null")

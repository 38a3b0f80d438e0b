"""What `serving keys` does and says; a key's text is shown once, when it is made."""

import contextlib
import json
import os
import re
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from serving import settings as configuration
from serving.engine.hardware import detect
from serving.failure import NotDone, StartError
from serving.gateway import tls
from serving.gateway.key import Key, digest, usd
from serving.gateway.key_file import entry
from serving.gateway.key_terms import KeyTerms, checked_terms, duration, moment, shown
from serving.gateway.keys import is_loopback
from serving.gateway.period import day_of, start_of
from serving.options import GatewaySettings, StoreSettings
from serving.selection import Selection, select
from serving.startup import EVERY_ADDRESS, api_url
from serving.store.address import Address
from serving.store.database import visited_store
from serving.store.keys import Issued, KeyStore, new_text
from serving.store.usage import UsageStore

# A digest without salt hides only what nobody can guess.
MIN_KEY_CHARACTERS: Final = 32
# What every client can send in a header.
KEY_TEXT: Final = re.compile(r"[!-~]+")
HEADINGS: Final = ("ID", "NAME", "OWNER", "STATE", "REQ/MIN", "TOKENS/MIN", "CONCURRENT")
MORE_HEADINGS: Final = ("BUDGET", "PRIORITY", "ADMIN", "EXPIRES", "MODELS")


def create(config: Path | None, said: dict[str, Any], url: str | None) -> int:
    """Make a key and print it with all that its holder needs."""
    terms = _terms(said)
    selection = select(config, os.environ, detect(), on_trust=True)
    settings = selection.loaded.settings
    _check_budget(terms, settings.store)
    with _store(settings.store, new=True) as store:
        is_first = not store.list()
        issued = store.create(terms)
    lines = [f"The key {terms.name} ({issued.key.id}) is made. It is shown this once.", ""]
    lines += _message(issued, selection, url)
    where = Address.of(settings.store)
    lines += ["", f"Every server with this store takes it within 10 seconds: {where}."]
    if is_first:
        lines.append("A server that asked nobody for a key until now asks everybody for one then.")
    unknown = [name for name in terms.models if name not in selection.entry.names]
    if unknown:
        known = ", ".join(selection.entry.names)
        lines.append(f"Not served with these settings: {', '.join(unknown)}; served: {known}.")
    if terms.budget_usd is not None and selection.entry.price.is_free:
        lines.append("The model costs 0 USD with these settings, so that the budget never ends.")
    return _print(lines)


def show_all(config: Path | None) -> int:
    """Print one line a key."""
    with _store(configuration.load(config, os.environ).settings.store) as store:
        rows = [HEADINGS + MORE_HEADINGS, *(_row(key) for key in store.list())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return _print("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def show(config: Path | None, name_or_id: str) -> int:
    """Print all that is known of one key."""
    address = Address.of(configuration.load(config, os.environ).settings.store)
    with visited_store(address) as engine:
        key = KeyStore(engine).find(name_or_id)
        since = start_of(key.budget_period, day_of(time.time()))
        spent = UsageStore(engine).spent(key.id, since)
    facts = {
        "id": key.id,
        "name": key.name,
        "owner": key.owner or "-",
        "state": key.state(time.time()),
        "models": ", ".join(key.models) or "all",
        "limits": _limits(key),
        "spent": usd(spent) + (f" since {since}" if key.budget_period else ""),
        "priority": key.priority,
        "admin": _yes(key.admin),
        "created": shown(key.created_at),
        "expires": shown(key.expires_at),
        "revoked": shown(key.revoked_at),
        "digest": f"sha256:{key.digest.hex()}",
    }
    if key.previous_expires_at is not None:
        facts["rotated"] = f"the text before works until {shown(key.previous_expires_at)}"
    return _print(f"{name:<9} {value}" for name, value in facts.items())


def revoke(config: Path | None, name_or_id: str) -> int:
    """End a key for ever."""
    with _store(configuration.load(config, os.environ).settings.store) as store:
        key = store.revoke(name_or_id)
    said = f"The key {key.name} ({key.id}) is revoked; within 10 seconds no server takes it."
    return _print([said])


def rotate(config: Path | None, name_or_id: str, grace: str, url: str | None) -> int:
    """Give a key a new text and print it with all that its holder needs."""
    try:
        grace_seconds = 0.0 if grace == "0" else duration(grace).total_seconds()
    except ValueError as error:
        raise NotDone(f"--grace is refused: {error}.", "Correct it, or leave it out.") from None
    selection = select(config, os.environ, detect(), on_trust=True)
    with _store(selection.loaded.settings.store) as store:
        issued = store.rotate(name_or_id, grace_seconds)
    key, end = issued.key, "ends within 10 seconds"
    if grace_seconds:
        end = f"works until {shown(key.previous_expires_at)}"
    lines = [f"The key {key.name} ({key.id}) has a new text, shown this once; the old one {end}."]
    return _print([*lines, "", *_message(issued, selection, url)])


def write_entry(said: dict[str, Any], read: Callable[[], str], *, new: bool) -> int:
    """Print the file's entry of a key: of a new one, printed to stderr, or of the one read."""
    terms = _terms(said)
    text = new_text() if new else read().strip()
    if len(text) < MIN_KEY_CHARACTERS:
        raise NotDone(
            f"The key has {len(text)} characters; one of fewer than {MIN_KEY_CHARACTERS} could be "
            "guessed from its digest.",
            "Pass a random one on stdin, or let --new make it.",
        )
    if not KEY_TEXT.fullmatch(text):
        raise NotDone(
            "The key holds blanks, or characters beyond ASCII: not every client can send those.",
            "Pass another one on stdin, or let --new make it.",
        )
    if new:
        sys.stderr.write(f"The key {terms.name} is made. It is shown this once.\n\n  {text}\n\n")
    sys.stdout.write(entry(terms, digest(text.encode())))
    return 0


def _check_budget(terms: KeyTerms, store: StoreSettings) -> None:
    """Raise NotDone for a budget that no server with these settings could hold to."""
    if terms.budget_usd is not None and not store.usage:
        raise NotDone(
            "store.usage is false: what a key spends is not kept, so that no budget can hold.",
            "Leave --budget-usd out, or keep the usage.",
        )


@contextlib.contextmanager
def _store(settings: StoreSettings, *, new: bool = False) -> Iterator[KeyStore]:
    """Open the store; one that is not there is made only if it is to be a new one."""
    with visited_store(Address.of(settings), new=new) as engine:
        yield KeyStore(engine)


def _terms(said: dict[str, Any]) -> KeyTerms:
    """Check what was said of a key; an end may be given as a time from now."""
    if (end := said.get("expires_at")) is not None:
        said = said | {"expires_at": _end(end)}
    return checked_terms(said)


def _end(said: str) -> datetime | str:
    with contextlib.suppress(ValueError):
        return datetime.now(UTC) + duration(said)
    try:
        moment(said)
    except ValueError as error:
        raise NotDone(
            f"--expires is refused: {error}.", "Correct it, or give a time from now: 30m, 24h, 90d."
        ) from None
    return said


def _message(issued: Issued, selection: Selection, url: str | None) -> list[str]:
    """Write what to send to the key's holder, ready to be copied."""
    key, gateway = issued.key, selection.loaded.settings.gateway
    base = (url or _url(gateway)).rstrip("/")
    model = key.models[0] if key.models else selection.entry.id
    question = {"model": model, "messages": [{"role": "user", "content": "What is 12 + 7?"}]}
    words = ["curl", "-s", f"{base}/v1/chat/completions", "-H"]
    words += [f"authorization: Bearer {issued.text}", "-H", "content-type: application/json"]
    words += ["-d", json.dumps(question, separators=(",", ":"))]
    lines = [
        f"  Base URL  {base}/v1   (OpenRouter's dialect: {base}/api/v1)",
        f"  Model     {model}",
        f"  Key       {issued.text}",
        f"  Limits    {_limits(key)}",
        f"  Ends      {shown(key.expires_at)}",
        "",
        f"  {shlex.join(words)}",
    ]
    if url is None and is_loopback(gateway.host):
        lines += ["", f"gateway.host is {gateway.host}: only this machine reaches that address."]
        lines += ["Where the key's holder uses another one, name it with --url."]
    return lines


def _url(gateway: GatewaySettings) -> str:
    """Return the API's address as others know it: by its certificate, or by this machine's name."""
    names: tuple[str, ...] = ()
    with contextlib.suppress(StartError):  # the certificate's key may be another user's
        pair = tls.Pair.read(gateway)
        names = pair.names if pair else ()
    if gateway.host in EVERY_ADDRESS:
        gateway = gateway.model_copy(update={"host": socket.getfqdn()})
    return api_url(gateway, names)


def _row(key: Key) -> Sequence[str]:
    numbers = (key.requests_per_minute, key.tokens_per_minute, key.max_concurrent)
    return (
        key.id,
        key.name,
        key.owner or "-",
        key.state(time.time()),
        *("-" if number is None else f"{number:,}" for number in numbers),
        "-" if key.budget_usd is None else key.budget,
        key.priority,
        _yes(key.admin),
        shown(key.expires_at),
        ", ".join(key.models) or "all",
    )


def _limits(key: Key) -> str:
    limits = {
        "requests a minute": key.requests_per_minute,
        "tokens a minute": key.tokens_per_minute,
        "at the same time": key.max_concurrent,
    }
    said = [f"{number:,} {what}" for what, number in limits.items() if number is not None]
    if key.budget_usd is not None:
        said.append(key.budget)
    return ", ".join(said) or "none"


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _print(lines: Iterator[str] | Sequence[str]) -> int:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0

"""What `serving request` does: it finds a request in the ledger and has its story told."""

import json
import os
import sys
from pathlib import Path
from typing import Final

from serving import settings
from serving.failure import NotDone
from serving.gateway.answer_id import request_ids
from serving.gateway.key_terms import KEY_START
from serving.options import StoreSettings
from serving.request_story import Story
from serving.store.address import Address
from serving.store.database import visited_store
from serving.store.usage import UsageStore

WEEK_SECONDS: Final = 7 * 86_400


def run(config: Path | None, text: str, *, as_json: bool) -> int:
    """Print the story of one request; raises NotDone where it is not found."""
    store = settings.load(config, os.environ).settings.store
    address = Address.of(store)
    with visited_store(address) as engine:
        ledger = UsageStore(engine)
        record = ledger.find(request_ids(text))
        if record is None:
            raise _not_found(text, address, store)
        week = ledger.sample(record.time - WEEK_SECONDS, record.time)
    story = Story.of(record, week)
    if as_json:
        sys.stdout.write(f"{json.dumps(story.facts(), indent=2, ensure_ascii=False)}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in story.lines())
    return 0


def _not_found(text: str, address: Address, store: StoreSettings) -> NotDone:
    """Say why a request may not be there, and where else to look."""
    what = "with that id" if text.startswith(KEY_START) else text[:64]
    why = [
        "it is still running",
        "it was refused before it came to the engine (of those only sums are kept)",
        f"it is older than {store.request_days} days (store.request_days)",
        "another gateway's store has it",
    ]
    if not store.usage:
        why.insert(0, "nothing is written down (store.usage is off)")
    return NotDone(
        f"There is no request {what} in {address}. Either {', or '.join(why)}.",
        "Look for its request_id in the gateway's log, or give that gateway's configuration "
        "(--config, or SERVING_STORE__URL).",
    )

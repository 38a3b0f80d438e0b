"""The Overview: facts of the served model, each from the catalogue, the options or the engine."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from serving.catalogue import ModelEntry, Price
from serving.gateway.budget import SHARES
from serving.gateway.engine_watch import EngineWatch
from serving.gateway.media_kind import PICTURE, VIDEO
from serving.gateway.page.amounts import price_of
from serving.options import GatewaySettings

Facts = Iterable[tuple[str, str]]

MIB: Final = 2**20
NOT_YET: Final = "known once the engine is ready"


def facts(pairs: Facts) -> str:
    """Write names and values (HTML) as a list."""
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{rows}</dl>'


def model(entry: ModelEntry) -> str:
    """Write what it is and by which names it is asked for."""
    names = "".join(f"<li><code>{escape(name)}</code></li>" for name in entry.names[1:])
    thinks = "always, before it answers; the thought has a field of its own"
    if not entry.thinks:
        thinks = "no"
    return facts(
        [
            ("Served as", f"<code>{escape(entry.id)}</code>"),
            ("Also asked for as", f'<ul class="names">{names}</ul>' if names else "no other name"),
            ("Reads", "text, pictures, videos"),
            ("Writes", "text"),
            ("Thinks", thinks),
        ]
    )


def limits(settings: GatewaySettings, context: int | None) -> str:
    """Write what one request may hold."""
    output = min(settings.max_output_tokens, context or settings.max_output_tokens)
    return facts(
        [
            ("Context", f"{context:,} tokens" if context else NOT_YET),
            ("Thought and answer", f"{output:,} tokens together"),
            ("Pictures", f"up to {settings.max_images}: {_formats(PICTURE.types)}"),
            ("Picture’s side", f"{settings.max_image_side:,} pixels"),
            ("Videos", f"up to {settings.max_videos}: {_formats(VIDEO.types)}"),
            ("One picture or video", f"{settings.max_media_bytes / MIB:g} MiB"),
            ("Whole request", f"{settings.max_body_bytes / MIB:g} MiB"),
        ]
    )


def prices(price: Price) -> str:
    """Write list prices and offered ones."""
    if not (price.prompt or price.completion):
        return '<p class="note">The operator has set no price: requests cost nothing here.</p>'
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{_dollars(listed)}</td>'
        f"<td>{_dollars(listed * (1 - price.discount))}</td></tr>"
        for name, listed in (("Input", price.prompt), ("Output", price.completion))
    )
    return (
        f"<table><caption>USD per million tokens; {price.discount:.0%} off</caption>"
        '<thead><tr><td></td><th scope="col">List</th><th scope="col">Here</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def sampling(entry: ModelEntry) -> str:
    """Write the model's own sampling, which holds where a request says nothing."""
    pictures, text = (entry.sampling_defaults(media=media) for media in (True, False))
    if not pictures and not text:
        return '<p class="note">The engine’s own defaults.</p>'
    rows = "".join(
        f'<tr><th scope="row"><code>{name}</code></th>'
        f"<td>{_number(pictures, name)}</td><td>{_number(text, name)}</td></tr>"
        for name in dict.fromkeys((*pictures, *text))
    )
    return (
        "<table><caption>Where a request says nothing</caption><thead><tr><td></td>"
        '<th scope="col">With pictures</th><th scope="col">Text alone</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def thinking(entry: ModelEntry, default_share: float) -> str:
    """Write which share of max_tokens each effort gives the thought."""
    if not entry.thinks:
        return '<p class="note">This model answers at once.</p>'
    rows = "".join(
        f'<tr><th scope="row"><code>{effort}</code></th><td>{share:.0%}</td></tr>'
        for effort, share in SHARES.items()
    )
    return (
        "<table><caption>Most of <code>max_tokens</code> that the thought may take; "
        f"{default_share:.0%} where nothing is asked</caption>"
        '<thead><tr><th scope="col">Effort</th><th scope="col">Share</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def engine(watch: EngineWatch) -> str:
    """Write how the engine is now."""
    why_not = watch.unready()
    state = f"not ready: {escape(why_not)}" if why_not else "ready"
    kind = "bad" if why_not else "good"
    cache = watch.kv_cache_tokens
    used = f", {watch.kv_cache_usage:.0%} in use" if watch.kv_cache_usage else ""
    return facts(
        [
            ("State", f'<span class="state {kind}">{state}</span>'),
            ("Engine", _version(watch.engine_version)),
            ("KV cache", f"{cache:,} tokens{used}" if cache else NOT_YET),
        ]
    )


def _version(version: str | None) -> str:
    """Write vLLM's version: None before the engine was ready, empty where it does not say."""
    return f"vLLM, version {NOT_YET}" if version is None else f"vLLM {escape(version)}"


def _formats(types: Mapping[str, str]) -> str:
    return ", ".join(types)


def _dollars(amount: float) -> str:
    return price_of(amount) if amount else "free"


def _number(values: Mapping[str, float | int], name: str) -> str:
    return f"{values[name]:g}" if name in values else "–"

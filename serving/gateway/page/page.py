"""The page at /: one document with its tabs, whole without a script but for what is asked live."""

from html import escape
from importlib import resources
from string import Template
from typing import Final

import msgspec

from serving.catalogue import TINY, ModelEntry
from serving.gateway.budget import SHARES
from serving.gateway.media_kind import PICTURE, VIDEO
from serving.gateway.page import overview, results
from serving.gateway.page.amounts import price_of
from serving.gateway.page.assets import ASSETS, BASE
from serving.gateway.page.reports import Reports
from serving.gateway.page.samples import SAMPLES, TEXTS, Sample
from serving.gateway.served import ServedModel
from serving.options import GatewaySettings

TEMPLATE: Final = Template(
    resources.files("serving.gateway.page").joinpath("page.html").read_text("utf-8")
)
# A browser learns at once of the modules that others import, and fetches all side by side.
PRELOADS: Final = "\n".join(
    f'<link rel="modulepreload" href="{path}">' for path in ASSETS if path.endswith(".js")
)
TOY: Final = "Test model: shapes, digits, sums; not Qwen3-VL-8B"


def page(served: ServedModel, base: str, reports: Reports) -> str:
    """Write the page as it is seen at `base`, the address that the reader's browser used."""
    entry, settings, watch = served.entry, served.limits, served.watch
    context = watch.max_model_len
    return TEMPLATE.substitute(
        model=escape(entry.id),
        name=escape(entry.id.rpartition("/")[2]),
        base=escape(base),
        key="KEY" if served.keys.needed else "none",
        key_rule=_key_rule(needed=served.keys.needed),
        key_hidden="" if served.keys.needed else "hidden",
        preloads=PRELOADS,
        banner=f'<p class="banner" role="note">{TOY}</p>' if entry.id == TINY else "",
        lede=_lede(entry),
        chips="".join(f"<li>{chip}</li>" for chip in _chips(entry, context)),
        facts=overview.model(entry),
        limits=overview.limits(settings, context),
        prices=overview.prices(entry.price),
        sampling=overview.sampling(entry),
        thinking=overview.thinking(entry, settings.default_thinking_share),
        engine=overview.engine(watch),
        score=results.score(reports.score, reports.score_day),
        load=results.load(reports.load),
        offer=escape(_offer(entry, settings)),
        samples="\n".join(map(_sample_button, SAMPLES)),
        texts="\n".join(
            f'<li><button type="button" class="quiet" data-question="{escape(text)}">'
            f"{escape(text)}</button></li>"
            for text in TEXTS
        ),
        sample=SAMPLES[0].file,
        question=SAMPLES[0].question,
        efforts="".join(f'<option value="{effort}">{effort} effort</option>' for effort in SHARES),
        effort_hidden="" if entry.thinks else "hidden",
        accept=",".join((*PICTURE.types.values(), *VIDEO.types.values())),
    )


def _lede(entry: ModelEntry) -> str:
    thinks = " It thinks before it answers, and shows both." if entry.thinks else ""
    return f"Reads text, pictures and videos, and writes text.{thinks}"


def _chips(entry: ModelEntry, context: int | None) -> list[str]:
    price = entry.price
    offered = [each * (1 - price.discount) for each in (price.prompt, price.completion)]
    return [
        "text + picture + video → text",
        *([f"{context:,} tokens of context"] if context else []),
        *(["thinks"] if entry.thinks else []),
        *(
            [f"{price_of(offered[0])} in, {price_of(offered[1])} out a million tokens"]
            if any(offered)
            else []
        ),
    ]


def _offer(entry: ModelEntry, settings: GatewaySettings) -> str:
    """Return, as JSON, what the chat has to know: it checks files by it before they leave."""
    return msgspec.json.encode(
        {
            "model": entry.id,
            "picture_types": PICTURE.types,
            "video_types": VIDEO.types,
            "max_images": settings.max_images,
            "max_videos": settings.max_videos,
            "max_media_bytes": settings.max_media_bytes,
            "max_body_bytes": settings.max_body_bytes,
            "max_image_side": settings.max_image_side,
        }
    ).decode()


def _sample_button(sample: Sample) -> str:
    return (
        f'<li><button type="button" class="sample" data-question="{escape(sample.question)}" '
        f'data-picture="{BASE}samples/{sample.file}">'
        f'<img src="{BASE}samples/{sample.file}" alt="{sample.shows}" width="320" height="240" '
        'loading="lazy">'
        f"<span>{escape(sample.question)}</span></button></li>"
    )


def _key_rule(*, needed: bool) -> str:
    if needed:
        return "Put your key in the place of <code>KEY</code>."
    return "No key is needed here; what a client sends as one is not looked at."

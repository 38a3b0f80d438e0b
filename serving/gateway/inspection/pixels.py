"""A picture decoded, its pixels thrown away: what fails here would fail in the engine."""

import io
import warnings
from types import ModuleType
from typing import Final

from PIL import GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from serving.gateway.inspection import gif, jpeg, png, webp
from serving.gateway.inspection.finding import TOO_LARGE, Limits, Refused
from serving.gateway.inspection.tail import check_tail

FORMATS: Final[dict[str, ModuleType]] = {"PNG": png, "JPEG": jpeg, "GIF": gif, "WEBP": webp}
PLUGINS: Final = (GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin)
DRAFT_SCALE: Final = 8  # JPEG's decoder computes an eighth of each side at a fraction of the cost


def look(data: bytes, form: str, limits: Limits) -> dict[str, float]:
    """Return a picture's width and height; raises Refused, or whatever the decoder raises."""
    outline = FORMATS[form].outline(data)
    if outline.frames > limits.max_frames:
        raise Refused(
            TOO_LARGE,
            f"is an animation of {outline.frames} frames; the limit is {limits.max_frames}. "
            "Send one of them.",
        )
    check_tail(data, outline.end)
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), "r", [form]) as it:
        width, height = it.size
        if max(width, height) > limits.max_side:
            pass
        elif form == "PNG":
            it.verify()
            png.check_rows(data)
        else:
            it.draft("RGB", (-(-width // DRAFT_SCALE), -(-height // DRAFT_SCALE)))
            it.load()
    return {"width": width, "height": height}

"""A picture decoded, its pixels thrown away: what fails here would fail in the engine."""

import io
import warnings
from types import ModuleType
from typing import Final

from PIL import Image

from serving.gateway.inspection import gif, jpeg, png, webp
from serving.gateway.inspection.finding import TOO_LARGE, UNSUPPORTED, Limits, Refused
from serving.gateway.inspection.tail import check_tail

FORMATS: Final[dict[str, ModuleType]] = {"PNG": png, "JPEG": jpeg, "GIF": gif, "WEBP": webp}
# What the engine asks of a file, in this order; the first that knows it decodes it, and some look
# elsewhere than at its first bytes (vLLM 0.32, vllm.multimodal.image.ALLOWED_IMAGE_FORMATS).
ENGINE_ORDER: Final = (
    *("AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF"),
    *("ICNS", "ICO", "IM", "IMT", "IPTC", "JPEG", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX"),
    *("PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SPIDER", "SUN", "TGA", "TIFF", "WEBP"),
    *("XBM", "XPM", "XVTHUMB"),
)
ALIASES: Final = {"MPO": "JPEG"}  # one that says where further pictures stand behind it
DRAFT_SCALE: Final = 8  # JPEG's decoder computes an eighth of each side at a fraction of the cost


def load_decoders() -> None:
    """Load them all: later there may be no memory for it."""
    Image.init()


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
    file = io.BytesIO(data)
    with warnings.catch_warnings(action="ignore"), Image.open(file, "r", ENGINE_ORDER) as it:
        if ALIASES.get(it.format or "", it.format) != form:
            raise Refused(UNSUPPORTED, f"is {form} and {it.format} in one. Send it as one.")
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

"""Make the videos anew: `python -m loadtests.workloads.videos`. Needs PyAV, as the gateway does."""

import random
from pathlib import Path
from typing import Final

import av
from PIL import Image, ImageDraw

from loadtests.workloads.scenes import COLOURS, textured

FOLDER: Final = Path(__file__).parent
SHOWN: Final = ("red", "blue", "yellow")
SIZE: Final = (640, 360)
SECONDS: Final = 4
FRAMES_PER_SECOND: Final = 12
RADIUS: Final = 60
BACKGROUND: Final = (150, 155, 160)
SEED: Final = 1


def main() -> None:
    """Write one video a colour."""
    for colour in SHOWN:
        _film(colour, FOLDER / f"{colour}.mp4")


def _film(colour: str, path: Path) -> None:
    """Show a circle that crosses the picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "30", "threads": "1"}
        for number in range(SECONDS * FRAMES_PER_SECOND):
            image = _frame(colour, number)
            frame = av.VideoFrame(*SIZE, "rgb24")
            frame.planes[0].update(image.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _frame(colour: str, number: int) -> Image.Image:
    image = Image.new("RGB", SIZE, BACKGROUND)
    part = number / (SECONDS * FRAMES_PER_SECOND)
    x, y = RADIUS + part * (SIZE[0] - 2 * RADIUS), SIZE[1] / 2
    ImageDraw.Draw(image).circle((x, y), RADIUS, fill=COLOURS[colour])
    return textured(random.Random(SEED), image)  # noqa: S311 - repeatable; the texture stands still


if __name__ == "__main__":
    main()

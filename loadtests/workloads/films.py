"""Questions about short videos of 640 x 360 pixels and four seconds, each copy another file."""

import random
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

from loadtests.prompt import Prompt
from loadtests.scenario import Served
from loadtests.workloads.answers import Says
from loadtests.workloads.files import File
from loadtests.workloads.pictures import ANSWER_TOKENS, SIZES, remarks, shown_prompt
from loadtests.workloads.workload import Kind, Workload, picture_tokens

FRAMES_READ: Final = 8  # two a second
FRAMES_A_TOKEN: Final = 2
QUESTION: Final = "What colour is it?"


def _videos(rng: random.Random, served: Served) -> Iterator[Prompt]:
    shown = {
        path.name.removesuffix(".mp4"): File(path.read_bytes(), "MP4")
        for path in sorted(files("loadtests.workloads.videos").iterdir(), key=lambda p: p.name)
        if path.name.endswith(".mp4")
    }

    def endless() -> Iterator[Prompt]:
        for remark in remarks(rng, "video"):
            colour, file = rng.choice(list(shown.items()))
            part = {"type": "video_url", "video_url": {"url": file.url(remark)}}
            yield shown_prompt("video", [part], QUESTION, Says((colour,)))

    return endless()


TOKENS: Final = picture_tokens(*SIZES["360p"]) * FRAMES_READ // FRAMES_A_TOKEN
VIDEO: Final = Workload((Kind("video", TOKENS, ANSWER_TOKENS, _videos),))

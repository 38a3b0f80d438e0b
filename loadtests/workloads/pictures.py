"""Questions about pictures: one of several sizes, cold and repeated; several; an answer in JSON.

Cold is a file that was not sent before in the run, repeated is one that was. Pictures are drawn and
encoded before the first request; from then on every cold one is a copy with a remark of its own, so
that they never run out.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import cycle, repeat
from typing import Any, Final

from loadtests.prompt import Pictures, Prompt
from loadtests.scenario import Served
from loadtests.workloads.answers import Equals, Says
from loadtests.workloads.files import File, encoded_picture
from loadtests.workloads.questions import Question
from loadtests.workloads.scenes import COLOURS, Scene, Size, draw, random_scene
from loadtests.workloads.workload import Kind, Workload, picture_tokens

SIZES: Final = {
    "360p": (640, 360),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "4K": (3840, 2160),
}
FORMS: Final = ("JPEG", "PNG")
# Different ones of a size: so many pixels altogether, which take half a second to draw and encode.
PIXELS_DRAWN: Final = 4_200_000
MOST_DRAWN: Final = 6
ANSWER_TOKENS: Final = 2048
SEVERAL: Final = (2, 4, 8)
COLOURS_OF_SEVERAL: Final = 3
SCENES_OF_SEVERAL: Final = 3
NUMBER_WORDS: Final = ("one", "two", "three")
SCHEMA: Final = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": list(COLOURS)},
        "kind": {"type": "string", "enum": ["circle", "square", "triangle"]},
        "count": {"type": "integer"},
    },
    "required": ["colour", "kind", "count"],
    "additionalProperties": False,
}

Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture and what it shows."""

    scene: Scene
    file: File


@lru_cache(maxsize=32)
def album(seed: int, size: Size, form: str) -> tuple[Picture, ...]:
    """Draw different pictures of one size, fewer the larger; kept, as several kinds show them."""
    rng = random.Random(f"{seed} {size}")  # noqa: S311 - repeatable; both formats show the same
    many = max(1, min(MOST_DRAWN, PIXELS_DRAWN // (size[0] * size[1])))
    return tuple(_picture(rng, random_scene(rng), size, form) for _ in range(many))


def part(url: str) -> Part:
    """Return the part of a message that shows a picture."""
    return {"type": "image_url", "image_url": {"url": url}}


def question_about(rng: random.Random, scene: Scene) -> Question:
    """Ask for the colour, the number or the kind of the shapes."""
    count = Says((str(scene.count), NUMBER_WORDS[scene.count - 1]))
    return rng.choice(
        (
            Question("What colour is it?", Says((scene.colour,))),
            Question("How many shapes are there?", count),
            Question("What shape is it?", Says((scene.shape,))),
        )
    )


def remarks(rng: random.Random, name: str) -> Iterator[str]:
    """Yield remarks that no other kind of this workload and no other copy has."""
    own = random.Random(f"{rng.getrandbits(64)} {name}")  # noqa: S311 - repeatable
    return (f"{own.getrandbits(64):016x}" for _ in repeat(None))


def single(size: str, form: str, sent: Pictures) -> Kind:
    """Return a kind that shows one picture a request."""
    start = partial(_cold if sent is Pictures.COLD else _repeated, size, form)
    return Kind(_name(size, form, sent), picture_tokens(*SIZES[size]), ANSWER_TOKENS, start)


def _name(size: str, form: str, sent: Pictures) -> str:
    return f"{size} {form} {sent.value}"


def _picture(rng: random.Random, scene: Scene, size: Size, form: str) -> Picture:
    return Picture(scene, encoded_picture(draw(rng, scene, size), form))


def _cold(size: str, form: str, rng: random.Random, served: Served) -> Iterator[Prompt]:
    pictures = album(rng.getrandbits(64), SIZES[size], form)
    name = _name(size, form, Pictures.COLD)
    return (
        _asked(rng, name, shown.scene, shown.file.url(remark))
        for shown, remark in zip(cycle(pictures), remarks(rng, name), strict=False)
    )


def _repeated(size: str, form: str, rng: random.Random, served: Served) -> Iterator[Prompt]:
    """Show a few pictures again and again; the first time they count as cold."""
    pictures = album(rng.getrandbits(64), SIZES[size], form)
    name = _name(size, form, Pictures.REPEATED)
    salted = remarks(rng, name)
    kept = [(shown.scene, shown.file.url(next(salted))) for shown in pictures]

    def endless() -> Iterator[Prompt]:
        for scene, url in kept:
            yield _asked(rng, _name(size, form, Pictures.COLD), scene, url)
        for scene, url in cycle(kept):
            yield _asked(rng, name, scene, url, Pictures.REPEATED)

    return endless()


def _asked(
    rng: random.Random, kind: str, scene: Scene, url: str, sent: Pictures = Pictures.COLD
) -> Prompt:
    question = question_about(rng, scene)
    return shown_prompt(kind, [part(url)], question.text, question.right, pictures=sent)


def shown_prompt(
    kind: str,
    parts: list[Part],
    text: str,
    right: Callable[[str, str], bool],
    *,
    pictures: Pictures = Pictures.COLD,
) -> Prompt:
    """Return a prompt of pictures and a question after them."""
    content = [*parts, {"type": "text", "text": text}]
    return Prompt(
        kind,
        ({"role": "user", "content": content},),
        ANSWER_TOKENS,
        right=right,
        pictures=pictures,
        picture_count=sum(each["type"] == "image_url" for each in parts),
    )


def several(count: int) -> Kind:
    """Return a kind that shows so many pictures a request, all of one colour, which is asked."""
    name, size = f"{count} pictures", SIZES["720p"]

    def start(rng: random.Random, served: Served) -> Iterator[Prompt]:
        groups = _one_coloured(rng.getrandbits(64), size)
        salted = remarks(rng, name)

        def endless() -> Iterator[Prompt]:
            while True:
                group = rng.choice(groups)
                parts = [part(p.file.url(next(salted))) for p in rng.choices(group, k=count)]
                colour = group[0].scene.colour
                yield shown_prompt(name, parts, "What colour is it?", Says((colour,)))

        return endless()

    # The tiny model was taught one picture a question and still knows two.
    return Kind(name, count * picture_tokens(*size), ANSWER_TOKENS, start, toy=count <= 2)


@lru_cache(maxsize=4)
def _one_coloured(seed: int, size: Size) -> tuple[tuple[Picture, ...], ...]:
    rng = random.Random(seed)  # noqa: S311 - repeatable
    return tuple(
        tuple(
            _picture(rng, random_scene(rng, colour), size, "JPEG") for _ in range(SCENES_OF_SEVERAL)
        )
        for colour in rng.sample(list(COLOURS), COLOURS_OF_SEVERAL)
    )


def _described(rng: random.Random, served: Served) -> Iterator[Prompt]:
    """Ask for a picture's content as JSON that keeps a schema."""
    return _in_json(rng, album(rng.getrandbits(64), SIZES["360p"], "JPEG"))


def _in_json(rng: random.Random, pictures: tuple[Picture, ...]) -> Iterator[Prompt]:
    form = {"type": "json_schema", "json_schema": {"name": "scene", "schema": SCHEMA}}
    for shown, remark in zip(cycle(pictures), remarks(rng, "json schema"), strict=False):
        scene, parts = shown.scene, [part(shown.file.url(remark))]
        right = Equals({"colour": scene.colour, "kind": scene.shape, "count": scene.count})
        prompt = shown_prompt("json schema", parts, "Describe the picture as JSON.", right)
        yield replace(prompt, parameters={"response_format": form})


SENT: Final = (Pictures.COLD, Pictures.REPEATED)
SINGLE: Final = Workload(
    tuple(single(size, form, sent) for size in SIZES for form in FORMS for sent in SENT)
)
MANY: Final = Workload(tuple(several(count) for count in SEVERAL))
STRUCTURED: Final = Workload(
    (Kind("json schema", picture_tokens(*SIZES["360p"]), ANSWER_TOKENS, _described),)
)

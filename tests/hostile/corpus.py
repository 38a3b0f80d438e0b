"""The whole corpus in an order that its seed gives."""

import itertools
import random
from collections.abc import Callable, Iterator

from tests.hostile.bodies import BODIES, CODES, Body
from tests.hostile.case import Case, chat, data_url, picture, video
from tests.hostile.decoys import Decoys
from tests.hostile.pictures import PICTURES, File
from tests.hostile.urls import REFUSED, URLS
from tests.hostile.videos import VIDEOS

Maker = Callable[[random.Random, int], Case]
MEDIA_TYPES = ("image/png", "image/jpeg", "video/mp4", "application/octet-stream", "")


def corpus(seed: int, count: int, decoys: Decoys) -> Iterator[Case]:
    """Yield `count` cases, each kind in turn, each with random choices of its own."""
    rng = random.Random(seed)
    for number, make in enumerate(itertools.islice(itertools.cycle(_makers()), count)):
        made = make(random.Random(rng.getrandbits(64)), decoys.port)
        yield Case(f"{number} {made.name}", made.body, made.codes, made.may_pass)


def _makers() -> list[Maker]:
    makers = [_file("picture", form) for form in PICTURES]
    makers += [_file("video", form) for form in VIDEOS]
    makers += [_url(form) for form in URLS for _ in range(3)]
    makers += [_body(form) for form in BODIES]
    return makers


def _file(kind: str, form: Callable[[random.Random], File]) -> Maker:
    def make(rng: random.Random, _: int) -> Case:
        file = form(rng)
        url = data_url(file.data, rng.choice(MEDIA_TYPES))
        return _medium(f"{kind} {form.__name__}", kind, url, file.codes, file.may_pass)

    return make


def _url(form: Callable[[random.Random, int], str]) -> Maker:
    def make(rng: random.Random, port: int) -> Case:
        kind = rng.choice(("picture", "video"))
        url = form(rng, port)
        return _medium(f"{kind} at {url[:60]!r}", kind, url, REFUSED, False)

    return make


def _body(form: Callable[[random.Random], Body]) -> Maker:
    def make(rng: random.Random, _: int) -> Case:
        body = form(rng)
        return Case(f"body {form.__name__}", body.data, frozenset(CODES), body.may_pass)

    return make


def _medium(name: str, kind: str, url: str, codes: tuple[str, ...], may_pass: bool) -> Case:
    part, stem = (picture(url), "image") if kind == "picture" else (video(url), "video")
    return Case(name, chat(part), frozenset(code.format(stem) for code in codes), may_pass)

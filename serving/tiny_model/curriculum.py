"""What the tiny model learns: seeded samples of every task, each with a thought and an answer.

A sample depends on its split, its task and its index alone, and every picture comes from
continuous random choices seeded by them, so no two splits share a picture.
"""

import random

from serving.tiny_model import first_set, second_set
from serving.tiny_model.samples import Sample

# Tasks by the pictures that a question has: their batches differ in form.
ONE_PICTURE = (*first_set.PICTURE_TASKS, *second_set.ONE_PICTURE_TASKS)
PICTURES = tuple(second_set.PICTURES_TASKS)
VIDEO = tuple(second_set.VIDEO_TASKS)
TEXT = (*first_set.TEXT_TASKS, *second_set.TEXT_TASKS)
TASKS = (*ONE_PICTURE, *PICTURES, *VIDEO, *TEXT)


def sample(split: str, task: str, index: int, aspect: float = 1.0) -> Sample:
    """Return sample `index` of a task; the same arguments always give the same sample.

    `aspect` is the width / height of its pictures.
    """
    rng = random.Random(f"{split}/{task}/{index}")  # noqa: S311 — reproducible, not secret
    if task in first_set.PICTURE_TASKS:
        return first_set.picture_sample(rng, task, aspect)
    if task in first_set.TEXT_TASKS:
        return first_set.TEXT_TASKS[task](rng)
    if task in second_set.TEXT_TASKS:
        return second_set.TEXT_TASKS[task](rng)
    return second_set.SEEING_TASKS[task](rng, aspect)

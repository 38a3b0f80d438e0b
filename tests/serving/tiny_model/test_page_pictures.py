"""The page's sample pictures: small, and what their samples say they are."""

import pytest
from PIL import Image

from serving.gateway.page.samples import SAMPLES, Sample
from serving.tiny_model.first_set import PICTURE_TASKS
from serving.tiny_model.page_pictures import FOLDER, picture_for, scene_for

MAX_BYTES = 8_000


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.file)
def test_file_is_the_scene(sample: Sample) -> None:
    """The committed picture has the pixels that are drawn anew, and the answer is the scene's."""
    path = FOLDER / sample.file
    assert path.stat().st_size < MAX_BYTES
    with Image.open(path) as kept:
        assert kept.tobytes() == picture_for(sample).tobytes()
    [rule] = [rule for asked, rule in PICTURE_TASKS.values() if sample.question in asked]
    assert rule(scene_for(sample)) == sample.answer


def test_folder_holds_nothing_else() -> None:
    """A picture that is no sample any more is gone."""
    assert {path.name for path in FOLDER.iterdir()} == {sample.file for sample in SAMPLES}

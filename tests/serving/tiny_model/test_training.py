"""Training lowers the loss, goes on where it stopped, and leaves a folder that can be served."""

from __future__ import annotations

import math
import random
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serving.engine.checkpoint import missing_parts
from serving.tiny_model import curriculum
from serving.tiny_model.samples import Sample
from tests.later import Later

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Qwen3VLProcessor

    from serving.tiny_model.lessons import Batch
    from serving.tiny_model.training import Run

pytestmark = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed; enable: make serve"
)
torch = Later("torch")
safetensors = Later("safetensors")
transformers = Later("transformers")
architecture = Later("serving.tiny_model.architecture")
lessons = Later("serving.tiny_model.lessons")
training = Later("serving.tiny_model.training")

COMMITTED = Path(curriculum.__file__).with_name("checkpoint")


class Drill:
    """Lessons that repeat a small batch with pictures of a task, one of sums, one of digits."""

    def __init__(self, processor: Qwen3VLProcessor, task: str = "colour") -> None:
        drawer = lessons.Lessons(processor, "drill")
        self._seen: Batch = drawer.batch(drawn(task), [(6, 6)])
        self._texts: Batch = drawer.batch(drawn("addition"))
        self._pages: Batch = drawer.pages()

    def seen(self, _progress: float) -> Batch:
        """Repeat the pictures."""
        return self._seen

    def texts(self, _mix: dict[str, int], _count: int) -> Batch:
        """Repeat the sums."""
        return self._texts

    def pages(self) -> Batch:
        """Repeat the pages of digits."""
        return self._pages


def drawn(task: str) -> list[Sample]:
    """Return four samples of a task."""
    return [curriculum.sample("drill", task, index) for index in range(4)]


@pytest.fixture(scope="module")
def drill(processor: Qwen3VLProcessor) -> Drill:
    """Return the small lessons."""
    return Drill(processor)


@pytest.fixture(scope="module")
def warm(drill: Drill) -> tuple[Run, list[dict[str, float]]]:
    """Return a run after ten steps at full pace, and what each of them lost."""
    run = training.start("cpu")
    run.steps = training.WARM_UP_STEPS
    return run, [training.step(run, drill, "cpu", 0.0) for _ in range(10)]


@pytest.fixture(scope="module")
def saved(
    warm: tuple[Run, list[dict[str, float]]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the folder of that run."""
    folder = tmp_path_factory.mktemp("run")
    warm[0].save(folder)
    return folder


@pytest.fixture(scope="module")
def fresh() -> Run:
    """Return a run with random weights at full pace, which tests may teach something."""
    run: Run = training.start("cpu")
    run.steps = training.WARM_UP_STEPS
    return run


@pytest.fixture(params=["new", "committed"])
def checkpoint(request: pytest.FixtureRequest) -> Path:
    """Return a folder that training left: the one just saved, and the one that is served."""
    if request.param == "new":
        return Path(request.getfixturevalue("saved"), training.PUBLISHED)
    if not COMMITTED.exists():
        pytest.skip("the tiny model has no checkpoint; enable: make train")
    return COMMITTED


def test_a_few_steps_lower_every_loss(
    warm: tuple[Run, list[dict[str, float]]],
) -> None:
    """Pictures, texts and sight are all learned, from the loss of a guess downwards."""
    losses = warm[1]
    guess = torch.log(torch.tensor(float(architecture.VOCABULARY))).item()
    assert losses[0]["picture"] == pytest.approx(guess, rel=0.1)
    for name in ("picture", "text", "sight", "read"):
        first, *_, last = [loss[name] for loss in losses if name in loss]
        assert last < 0.8 * first, name


def test_a_resumed_run_goes_on_as_if_never_stopped(
    warm: tuple[Run, list[dict[str, float]]], saved: Path, drill: Drill
) -> None:
    """Step, time, weights and optimiser come back: the next step loses exactly the same."""
    resumed = training.start("cpu")
    resumed.resume(saved)
    run = warm[0]
    assert (resumed.steps, resumed.seconds) == (run.steps, run.seconds)
    assert run.steps == training.WARM_UP_STEPS + 10
    ahead = [[training.step(r, drill, "cpu", 0.1) for _ in range(2)] for r in (resumed, run)]
    assert ahead[0] == ahead[1]


def test_a_run_without_a_past_starts_at_zero(tmp_path: Path) -> None:
    """An empty folder resumes nothing."""
    run = training.start("cpu")
    run.resume(tmp_path)
    assert (run.steps, run.seconds) == (0, 0.0)


def test_a_run_begins_with_the_weights_of_a_checkpoint(saved: Path) -> None:
    """They are read in float32, at step 0, and the optimiser moves them and nothing else."""
    run = training.start("cpu", saved / training.PUBLISHED)
    with safetensors.safe_open(saved / training.PUBLISHED / "model.safetensors", "pt") as weights:
        stored = {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118
    begun = run.pupil.network.state_dict()
    assert all(torch.equal(begun[name], stored[name].float()) for name in stored)
    assert {p.dtype for p in run.pupil.parameters()} == {torch.float32}
    assert (run.steps, run.seconds) == (0, 0.0)
    eos = run.processor.tokenizer.eos_token_id
    assert run.pupil.network.generation_config.eos_token_id == eos
    moved = {id(p) for group in run.optimiser.param_groups for p in group["params"]}
    assert moved == {id(p) for p in run.pupil.parameters()}


def test_every_probe_asks_for_what_sight_says() -> None:
    """Their names and order are those of Sight's fields, in which a batch is moved."""
    assert list(training.PROBES) == [field.name for field in fields(lessons.Sight)]


@pytest.mark.parametrize("task", ["digits", "beside", "frames", "video"])
def test_each_form_of_picture_is_learned_from(
    task: str, fresh: Run, processor: Qwen3VLProcessor
) -> None:
    """A step on a batch of one task alone has losses that are numbers, and moves the tower."""
    tower = fresh.pupil.network.model.visual.state_dict()
    before = {name: weight.clone() for name, weight in tower.items()}
    losses = training.step(fresh, Drill(processor, task), "cpu", 0.0)
    assert set(losses) == {"picture", "text", "sight", "read"}
    assert all(math.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(weight).all() for weight in fresh.pupil.parameters())
    assert not any(torch.equal(before[name], tower[name]) for name in before)


@pytest.mark.parametrize("task", ["colour", "which_picture", "video"])
def test_the_pupil_computes_what_the_served_network_does(task: str, fresh: Run) -> None:
    """Its shortcuts change the logits by no more than bfloat16 rounds."""
    config = architecture.configuration(fresh.processor.tokenizer)
    served = transformers.Qwen3VLForConditionalGeneration(config).float().eval()
    served.load_state_dict(fresh.pupil.network.state_dict())
    batch = lessons.Lessons(fresh.processor, "served").batch(drawn(task), [(6, 6)])
    with torch.no_grad():
        logits, _, _ = fresh.pupil(batch)
        expected = served(**batch.inputs).logits[:, :-1][batch.labels[:, 1:] != lessons.IGNORED]
    assert (logits - expected).abs().mean() < 0.03 * expected.std()


def test_a_checkpoint_is_small_bfloat16_and_without_a_second_head(checkpoint: Path) -> None:
    """The whole folder stays under 8 MB, and the tied embedding is stored once."""
    assert missing_parts(checkpoint) == []
    assert sum(path.stat().st_size for path in checkpoint.iterdir()) < 8_000_000
    with safetensors.safe_open(checkpoint / "model.safetensors", "pt") as weights:
        kinds = {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
        names = set(weights.keys())
        sizes = [torch.tensor(weights.get_slice(name).get_shape()).prod() for name in names]
    assert kinds == {"BF16"}
    assert sum(sizes) < 4_000_000
    assert not [name for name in names if "lm_head" in name or "probes" in name]


def test_a_checkpoint_says_what_the_engine_must_know(checkpoint: Path) -> None:
    """Architecture, context, template and end of a turn are those that were trained with."""
    config = transformers.AutoConfig.from_pretrained(checkpoint)
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    assert config.architectures == ["Qwen3VLForConditionalGeneration"]
    assert config.text_config.max_position_embeddings == architecture.CONTEXT
    assert tokenizer.get_chat_template() == architecture.TEMPLATE.read_text()
    assert tokenizer.convert_ids_to_tokens(tokenizer.eos_token_id) == "<|im_end|>"
    assert tokenizer.get_vocab() == architecture.build_tokenizer().get_vocab()


def test_a_saved_network_loads_with_the_weights_it_had(
    warm: tuple[Run, list[dict[str, float]]], tmp_path: Path
) -> None:
    """Nothing but the rounding to bfloat16 separates what was trained from what is served."""
    run = warm[0]
    run.save(tmp_path)
    served = transformers.Qwen3VLForConditionalGeneration.from_pretrained(
        tmp_path / training.PUBLISHED, dtype=torch.bfloat16
    ).state_dict()
    trained = run.pupil.network.state_dict()
    assert served.keys() == trained.keys()
    assert all(torch.equal(served[name], trained[name].bfloat16()) for name in served)


def test_the_pace_warms_up_stays_and_falls() -> None:
    """The rate rises for 150 steps, holds for a third of the time, and ends near nothing."""
    rates = [training.learning_rate(step, 0.0) for step in range(150)]
    assert rates == sorted(rates)
    assert training.learning_rate(10_000, 0.3) == training.LEARNING_RATE == rates[-1]
    assert training.learning_rate(10_000, 0.7) < training.LEARNING_RATE
    assert 0 < training.learning_rate(10_000, 1.0) < 0.01 * training.LEARNING_RATE


class Parrot:
    """Repeats every target, but misses one token of each batch's first row."""

    training = True

    def eval(self) -> None:
        """Stop learning."""
        self.training = False

    def train(self) -> None:
        """Learn again."""
        self.training = True

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits that favour what is said, targets, and no loss of sight."""
        assert not self.training
        targets = batch.labels[:, 1:]
        learned = targets[targets != lessons.IGNORED]
        said = learned.clone()
        said[random.Random(0).randrange(int((targets[0] != lessons.IGNORED).sum()))] += 1
        logits = torch.nn.functional.one_hot(said, architecture.VOCABULARY + 1).float()
        return logits, learned, torch.zeros(())


def test_one_wrong_token_makes_a_sample_wrong(processor: Qwen3VLProcessor) -> None:
    """The trainer's score counts samples that are right throughout, each task by itself."""
    run = training.Run(Parrot(), processor, torch.optim.SGD([torch.zeros(1)]))
    shares = training.score(run, "cpu", samples=2)
    assert set(shares) == set(curriculum.TASKS)
    for task in curriculum.TEXT:
        assert shares[task] == 15 / 16
    assert all(0 < shares[task] < 1 for task in curriculum.TASKS)
    assert run.pupil.training, "training goes on afterwards"

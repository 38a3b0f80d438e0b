"""Train the tiny model: `python -m serving.tiny_model.training --minutes 90 --out FOLDER`.

Runs on CPU or CUDA, shows loss and per-task score, and goes on where it stopped when FOLDER holds
an unfinished run; a new run begins with the weights of the committed checkpoint. Multiplies in
bfloat16, the type that is served. Beside predicting text it learns from every picture token what is
seen there (`Sight`), which teaches the vision tower in a fraction of the steps; those probes are
thrown away.
"""

import argparse
import copy
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import (
    Qwen3VLVisionAttention,
    apply_rotary_pos_emb_vision,
)

from serving.tiny_model import architecture
from serving.tiny_model.digits import MAX_DIGITS
from serving.tiny_model.lessons import (
    IGNORED,
    ONE_PICTURE_MIX,
    SHORT_MIX,
    TOOL_MIX,
    TWO_PICTURES_MIX,
    Batch,
    Lessons,
    Sight,
)
from serving.tiny_model.scenes import COLOURS, KINDS

LEARNING_RATE = 1.5e-3
WARM_UP_STEPS = 150
REPORT_SECONDS = 600
COMMITTED = Path(__file__).with_name("checkpoint")
PUBLISHED = "tiny-qwen3-vl"  # the folder of the checkpoint, by which a server knows the model
KNOWN_WEIGHT = 0.002  # of a token that is certain already; a token in full doubt has 1
READING = 0.8  # of the training, in which pages of digits are looked at beside all else
GROUND_WEIGHT = 0.1  # of a token of the background, of which there are many, in a probe
# What is asked of every picture token, in the order of Sight's fields, with its number of answers.
PROBES = {
    "kind": 1 + len(KINDS),
    "colour": len(COLOURS),
    "centre": 1,
    "rank": MAX_DIGITS,
    "total": MAX_DIGITS,
    "digit": 1 + 10,
}
TEXT_BATCHES: tuple[tuple[dict[str, int], int], ...] = (
    ({"aloud": 1}, 6),
    (TOOL_MIX, 6),
    (SHORT_MIX, 16),
    ({"which_picture": 1}, 24),
)


class Pupil(nn.Module):
    """The network with its temporary probes, and the loss of a batch."""

    def __init__(self, network: Qwen3VLForConditionalGeneration) -> None:
        super().__init__()
        self.network = network
        # With heads of 32 plain products are faster on a CPU than the fused attention.
        network.set_attn_implementation("eager")
        width = network.config.vision_config.out_hidden_size
        self.probes = nn.Linear(width, sum(PROBES.values()))
        self._seen: torch.Tensor | None = None
        network.model.visual.merger.register_forward_hook(self._keep)
        for block in network.model.visual.blocks:
            block.attn.forward = partial(attend, block.attn, block.attn.forward)
        embed = network.model.visual.patch_embed
        # A convolution whose kernel is its stride is one matrix product, five times as fast so.
        embed.forward = lambda patches: F.linear(
            patches, embed.proj.weight.flatten(1), embed.proj.bias
        )

    def compile(self) -> None:
        """Fuse what surrounds matrix products, which takes a C++ compiler and a minute."""
        for block in self.network.model.visual.blocks:
            block.mlp.compile(dynamic=True)
        for layer in self.network.model.language_model.layers:
            layer.compile(dynamic=True)

    def _keep(self, _module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        self._seen = output

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return logits and targets of the learned positions, and the loss of the probes."""
        targets = batch.labels[:, 1:]
        learned = targets != IGNORED
        with torch.autocast(targets.device.type, torch.bfloat16):
            hidden = self.network.model(**batch.inputs, use_cache=False).last_hidden_state
            logits = self.network.lm_head(hidden[:, :-1][learned])
            sight = self._sight_loss(batch.sight)
        return logits.float(), targets[learned], sight

    def look(self, batch: Batch) -> torch.Tensor:
        """Return the loss of the probes on pictures about which nothing is asked."""
        with torch.autocast(batch.labels.device.type, torch.bfloat16):
            self.network.model.get_image_features(**batch.inputs)
            return self._sight_loss(batch.sight)

    def _sight_loss(self, sight: Sight | None) -> torch.Tensor:
        if sight is None or self._seen is None:
            return torch.zeros(())
        seen, self._seen = self.probes(self._seen).float(), None
        loss = torch.zeros((), device=seen.device)
        answers = seen.split(list(PROBES.values()), dim=1)
        for (name, width), said in zip(PROBES.items(), answers, strict=True):
            truth = getattr(sight, name)
            if width == 1:
                loss = loss + 3 * F.binary_cross_entropy_with_logits(said[:, 0], truth)
            elif (truth != IGNORED).any():  # a mean over nothing is not a number
                weight = torch.ones(width, device=said.device)
                weight[0] = GROUND_WEIGHT if name in ("kind", "digit") else 1.0
                loss = loss + F.cross_entropy(said, truth, weight, ignore_index=IGNORED)
        return loss


def attend(
    attention: Qwen3VLVisionAttention,
    one_by_one: Callable[..., torch.Tensor],
    hidden_states: torch.Tensor,
    cu_seqlens: torch.Tensor,
    **more: Any,
) -> torch.Tensor:
    """Return what the vision tower's attention makes of (patches, width).

    Pictures of one size go through it together; the original goes through them `one_by_one`.
    `cu_seqlens` are the numbers of patches up to each picture.
    """
    lengths = set((cu_seqlens[1:] - cu_seqlens[:-1]).tolist())
    if len(lengths) > 1:
        return one_by_one(hidden_states, cu_seqlens, **more)
    heads = attention.qkv(hidden_states).unflatten(1, (3, attention.num_heads, -1))
    query, key, value = heads.unbind(1)
    query, key = apply_rotary_pos_emb_vision(query, key, *more["position_embeddings"])
    query, key, value = (
        each.unflatten(0, (-1, *lengths)).transpose(1, 2) for each in (query, key, value)
    )
    weights = (query @ key.transpose(2, 3) * attention.scaling).softmax(-1).to(value.dtype)
    return attention.proj((weights @ value).transpose(1, 2).flatten(0, 1).flatten(1))


@dataclass
class Run:
    """A training run: what is saved and resumed together."""

    pupil: Pupil
    processor: Qwen3VLProcessor
    optimiser: torch.optim.Optimizer
    steps: int = 0
    seconds: float = 0.0

    def save(self, folder: Path) -> None:
        """Write the state to resume from and the checkpoint as it stands, in bfloat16."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "pupil": self.pupil.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
            "seconds": self.seconds,
        }
        torch.save(state, folder / "state.partial")
        (folder / "state.partial").replace(folder / "state.pt")
        published = copy.deepcopy(self.pupil.network).bfloat16()
        published.save_pretrained(folder / PUBLISHED)
        self.processor.save_pretrained(folder / PUBLISHED)

    def resume(self, folder: Path) -> None:
        """Load the state of an earlier run, if there is one."""
        if (folder / "state.pt").exists():
            state = torch.load(folder / "state.pt", weights_only=True)
            self.pupil.load_state_dict(state["pupil"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.steps, self.seconds = state["steps"], state["seconds"]


def start(device: str, checkpoint: Path | None = None) -> Run:
    """Return a run at step 0, with random weights or those of a checkpoint's folder."""
    network, processor = architecture.build()
    if checkpoint:
        network = type(network).from_pretrained(checkpoint, dtype=torch.float32)
    pupil = Pupil(network).to(device)
    decayed = [p for p in pupil.parameters() if p.ndim >= 2]
    rest = [p for p in pupil.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
    return Run(pupil, processor, torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.98)))


def learning_rate(steps: int, progress: float) -> float:
    """Warm up, stay for a third of the time, then fall linearly to nearly nothing."""
    return LEARNING_RATE * min(1.0, (steps + 1) / WARM_UP_STEPS, 1.5 * (1 - progress) + 0.005)


def step(run: Run, lessons: Lessons, device: str, progress: float) -> dict[str, float]:
    """Learn from one batch with pictures and one of text."""
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(run.steps, progress)
    mix, count = TEXT_BATCHES[run.steps % len(TEXT_BATCHES)]
    losses = {}
    for batch in (lessons.seen(progress), lessons.texts(mix, count)):
        logits, targets, sight = run.pupil(moved(batch, device))
        loss = doubtful_loss(logits, targets)
        losses["picture" if batch.sight else "text"] = loss.item()
        if batch.sight:
            losses["sight"] = sight.item()
        (loss + max(0.1, 1 - progress) * sight).backward()
    if progress < READING:
        read = run.pupil.look(moved(lessons.pages(), device))
        read.backward()
        losses["read"] = read.item()
    nn.utils.clip_grad_norm_(run.pupil.parameters(), 1.0)
    run.optimiser.step()
    run.optimiser.zero_grad(set_to_none=True)
    run.steps += 1
    return losses


def doubtful_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the cross entropy, each token weighed by the doubt left in it.

    One token of a long count decides where it stops; in a plain mean the others, long known, would
    hide it.
    """
    loss = F.cross_entropy(logits, targets, reduction="none")
    weight = 1 - torch.exp(-loss.detach()) + KNOWN_WEIGHT
    return (weight * loss).sum() / weight.sum()


def moved(batch: Batch, device: str) -> Batch:
    """Copy a batch to the device."""
    if device == "cpu":
        return batch
    sight = batch.sight and Sight(*(getattr(batch.sight, name).to(device) for name in PROBES))
    inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
    return Batch(batch.tasks, inputs, batch.labels.to(device), sight)


@torch.no_grad()
def score(run: Run, device: str, samples: int = 32) -> dict[str, float]:
    """Return the share of unseen samples of each task that greedy decoding gets right throughout.

    Greedy decoding repeats a text exactly when each of its tokens is the likeliest after those
    before it, so one forward pass tells.
    """
    run.pupil.eval()
    right: dict[str, list[bool]] = {}
    lessons = Lessons(run.processor, "validation")
    mixes: list[Callable[[], Batch]] = [
        *(lambda t=task: lessons.one({t: 1}) for task in ONE_PICTURE_MIX),
        *(lambda t=task: lessons.two({t: 1}) for task in TWO_PICTURES_MIX),
        lessons.frames,
        lessons.videos,
        *(lambda t=task: lessons.texts({t: 1}, 16) for task in (*SHORT_MIX, *TOOL_MIX, "aloud")),
    ]
    for draw in mixes:
        marked: list[bool] = []
        while len(marked) < samples:
            batch = draw()
            logits, targets, _ = run.pupil(moved(batch, device))
            owners = (batch.labels[:, 1:] != IGNORED).nonzero()[:, 0]
            wrong = set(owners[(logits.argmax(-1) != targets).cpu()].tolist())
            marked += [row not in wrong for row in range(len(batch.tasks))]
        right[batch.tasks[0]] = marked
    run.pupil.train()
    return {task: sum(marks) / len(marks) for task, marks in right.items()}


def train(run: Run, folder: Path, minutes: float, device: str) -> None:
    """Train until `minutes` of training time are spent, reporting and saving on the way.

    SIGINT and SIGTERM end it after the step in hand, with everything saved.
    """
    stops: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: stops.append(received))
    lessons = Lessons(run.processor, "train", seed=run.steps)
    run.pupil.train()
    reported = run.seconds
    while (progress := run.seconds / (60 * minutes)) < 1 and not stops:
        began = time.perf_counter()
        losses = step(run, lessons, device, progress)
        run.seconds += time.perf_counter() - began
        if run.steps % 50 == 0:
            pace = {"s/step": time.perf_counter() - began}
            say(f"{run.seconds / 60:6.1f} min  step {run.steps:6}  {_figures(losses | pace)}")
        if run.seconds - reported > REPORT_SECONDS:
            reported = run.seconds
            say(f"scores: {_figures(score(run, device))}")
            run.save(folder)
    run.save(folder)
    if not stops:
        say(f"scores: {_figures(score(run, device, 200))}")


def _figures(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in values.items())


def say(line: str) -> None:
    """Print a line at once, so that a log can be followed."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=90, help="training time in all")
    parser.add_argument("--anew", action="store_true", help="begin with random weights")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    # Confident predictions leave gradients too small for a float's usual form, and a CPU computes
    # with such numbers many times more slowly. Threads started later inherit the setting.
    torch.set_flush_denormal(True)
    run = start(options.device, None if options.anew else COMMITTED)
    run.resume(options.out)
    if shutil.which("g++"):
        run.pupil.compile()
    train(run, options.out, options.minutes, options.device)


if __name__ == "__main__":
    main()

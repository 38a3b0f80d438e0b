"""What this machine will serve: model, profile and effective settings, decided in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from serving import settings
from serving.catalogue import THINKING, ModelEntry, entry_for
from serving.engine import arithmetic, weights
from serving.engine.checkpoint import opens_thought
from serving.engine.choice import TINY, Choice, choose_model
from serving.engine.hardware import Machine
from serving.engine.profile import settle
from serving.options import EngineSettings


@dataclass(frozen=True, slots=True)
class Selection:
    """The settings to start with, the model they serve, and why."""

    loaded: settings.Loaded
    entry: ModelEntry
    choice: Choice
    is_exact: bool

    @property
    def engine(self) -> EngineSettings:
        """The engine's part of the settings."""
        return self.loaded.settings.engine

    def environment(self) -> dict[str, str]:
        """Return the variables under which another process decides the same without looking."""
        decided = {
            "SERVING_ENGINE__MODEL": self.engine.model,
            "SERVING_ENGINE__PROFILE": self.engine.profile,
        }
        # Empty where no GPU can be used: the engine must not find one that was ruled out.
        decided["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.uuid for gpu in self.choice.gpus)
        return decided


def select(
    config: Path | None,
    environ: Mapping[str, str],
    machine: Machine,
    *,
    on_trust: bool = False,
) -> Selection:
    """Choose profile and model for a machine; what the user asked for by name is never replaced.

    With `on_trust` a model or profile asked for by name is not held against the machine: the engine
    may hold the memory already, run elsewhere, or only be planned. Raises StartError for bad
    settings and for a model that does not fit.
    """
    if on_trust:
        emptied = (replace(gpu, free_bytes=gpu.memory_bytes) for gpu in machine.gpus)
        machine = replace(machine, gpus=tuple(emptied))
    gpu = machine.gpus[0] if machine.gpus else None
    asked = settings.load(config, environ).settings.engine
    loaded, is_exact = settle(config, environ, gpu)
    if on_trust and not asked.model == asked.profile == "auto":
        choice = Choice(loaded.settings.engine.model, "It was asked for.")
    else:
        choice = _fitting(machine, asked.model, loaded.settings.engine)
    if choice.model == TINY and loaded.settings.engine.model != TINY:
        loaded, is_exact = settle(config, {**environ, "SERVING_ENGINE__MODEL": TINY}, gpu)
        loaded = replace(loaded, origins=loaded.origins | {"engine.model": "the hardware found"})
    models = loaded.settings.models
    entry = entry_for(loaded.settings.engine.model, models.aliases, models.price)
    if (folder := weights.local_folder(loaded.settings.engine.model)) and folder.is_dir():
        entry = replace(entry, thinks=opens_thought(folder))
    return Selection(loaded, entry, choice, is_exact)


def _fitting(machine: Machine, asked: str, engine: EngineSettings) -> Choice:
    """Choose what the machine holds; without a GPU, say what one would have held."""
    if engine.model == TINY and machine.gpus:
        return choose_model(machine, TINY)
    checkpoint = THINKING if engine.model == TINY else engine.model
    return choose_model(machine, asked, checkpoint=checkpoint, layout=arithmetic.layout(engine))

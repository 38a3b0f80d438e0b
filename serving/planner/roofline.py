"""What the 8B architecture should reach on a GPU by its data sheet, where nothing was measured.

A decode step reads all weights of the language model once and each sequence's keys and values:

    step         = weight bytes / (bandwidth · 0.7) + 2 ms
    output_token = context · KV bytes / (bandwidth · 0.7) + 2 · parameters / (FLOP/s · 0.5)
    prompt_token = (2 · parameters + attention over half the prompt) / (FLOP/s · 0.5)
    picture_token = prompt_token + 4 patches · (2 · encoder + its attention) / (FLOP/s · 0.2)

(S. Williams et al., Roofline, CACM 52(4), 2009, with the terms added instead of the larger taken.)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from serving import settings
from serving.engine import profile
from serving.engine.arithmetic import known_shape, kv_bytes_per_token, kv_cache_tokens
from serving.engine.shape import FP8_PARAMETERS, PARAMETERS, QWEN3_VL_8B, ModelShape
from serving.failure import NotDone
from serving.planner.line import Line
from serving.planner.model import TIMES, Model, Spread, Waiting
from serving.planner.work import Weights, Work

EMBEDDING_PARAMETERS: Final = 151_936 * 4_096  # the head has as many
ENCODER_PARAMETERS: Final = PARAMETERS - FP8_PARAMETERS - 2 * EMBEDDING_PARAMETERS
ENCODER_LAYERS: Final = 27
ENCODER_WIDTH: Final = 1_152

# Shares of a data sheet's peak. Estimates, on the careful side of what kernels are known to reach.
BANDWIDTH_SHARE: Final = 0.7  # weights are read in long runs, keys and values in pages
COMPUTE_SHARE: Final = 0.5  # chunks of thousands of tokens fill the tensor cores about half
ENCODER_SHARE: Final = 0.2  # narrow layers, and pictures come a few at a time
STEP_OVERHEAD_SECONDS: Final = 0.002  # scheduling, sampling and detokenizing between two steps
REQUEST_SECONDS: Final = 0.001  # a prompt's last chunk fills no whole step
FIRST_FIXED_SECONDS: Final = 0.05  # HTTP, template, tokenizing, decoding of pictures
SHARED_BETWEEN_GPUS: Final = 0.85  # of each GPU, where a replica spans several
# Lengths of thoughts and answers are taken to be spread exponentially: -ln(1 - q) of the mean.
EXPONENTIAL: Final = MappingProxyType({"p50": 0.69, "p90": 2.30, "p95": 3.00, "p99": 4.61})
PER_TOKEN: Final = MappingProxyType({"p50": 1.0, "p90": 1.1, "p95": 1.2, "p99": 1.5})


@dataclass(frozen=True, slots=True)
class DataSheet:
    """A GPU's peak: memory, and matrices of dense bfloat16."""

    bytes_per_second: float
    flops: float
    source: str


# Per GPU, without sparsity; names are those of serving/engine/profiles.
DATA_SHEETS: Final[Mapping[str, DataSheet]] = MappingProxyType(
    {
        "a100-80g": DataSheet(2.039e12, 312e12, "NVIDIA A100 data sheet, SXM 80 GB"),
        "l40s": DataSheet(0.864e12, 362e12, "NVIDIA L40S data sheet"),
        "h100": DataSheet(3.35e12, 989e12, "NVIDIA H100 data sheet, SXM"),
        "h200": DataSheet(4.8e12, 989e12, "NVIDIA H200 data sheet, SXM"),
        "b200": DataSheet(8e12, 2250e12, "NVIDIA DGX B200 data sheet"),
    }
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A model nobody has measured, and where its numbers come from."""

    model: Model
    source: str


def weights(sheet: DataSheet, shape: ModelShape, kv_bytes: float, work: Work) -> Weights:
    """Return the weights for requests like `work`; the module's text has the formulas."""
    bandwidth = sheet.bytes_per_second * BANDWIDTH_SHARE
    compute = sheet.flops * COMPUTE_SHARE
    read_bytes = shape.weight_bytes - 2 * (EMBEDDING_PARAMETERS + ENCODER_PARAMETERS)
    context = work.prompt_tokens + work.output_tokens / 2
    attention = 4 * shape.layers * shape.heads * shape.head_dim * work.prompt_tokens / 2
    prompt_token = (2 * FP8_PARAMETERS + attention) / compute
    patches = shape.merge**2
    of_one = work.picture_tokens / work.pictures if work.pictures else 0.0
    per_patch = 2 * ENCODER_PARAMETERS + 4 * ENCODER_LAYERS * ENCODER_WIDTH * patches * of_one
    return Weights(
        step=read_bytes / bandwidth + STEP_OVERHEAD_SECONDS,
        output_token=context * kv_bytes / bandwidth
        + 2 * (FP8_PARAMETERS + EMBEDDING_PARAMETERS) / compute,
        prompt_token=prompt_token,
        picture_token=prompt_token + patches * per_patch / (sheet.flops * ENCODER_SHARE),
        request=REQUEST_SECONDS,
    )


def assumed(gpu: str) -> Iterable[Line]:
    """Yield the numbers that an estimate stands on, each with its source."""
    sheet, here = DATA_SHEETS[gpu], "serving/planner/roofline.py"
    for name, value, unit, source in (
        ("bandwidth", sheet.bytes_per_second, "bytes/s of a GPU", sheet.source),
        ("bfloat16", sheet.flops, "FLOP/s of a GPU, dense", sheet.source),
        ("bandwidth_share", BANDWIDTH_SHARE, "share reached", here),
        ("compute_share", COMPUTE_SHARE, "share reached", here),
        ("encoder_share", ENCODER_SHARE, "share reached", here),
        ("step_overhead", STEP_OVERHEAD_SECONDS, "s", here),
        ("shared_between_gpus", SHARED_BETWEEN_GPUS, "share of each GPU, where several", here),
    ):
        yield Line("assumed", name, value, unit, "given", source)


def usual_model(gpu: str) -> str:
    """Return the model that the GPU's profile serves; raises NotDone for an unknown GPU."""
    if gpu not in DATA_SHEETS:
        raise NotDone(
            f"--gpu {gpu} is not known and has no baseline.",
            f"Choose one of {', '.join(DATA_SHEETS)}, or give --curve.",
        )
    return str(profile.load(gpu).engine["model"])


def estimate(
    gpu: str, model: str, work: Work, gpus: int, max_running: int | None = None
) -> Estimate:
    """Estimate a replica of `gpus`; raises NotDone for a model nothing is known of.

    It runs `max_running` requests at once, and no more than its profile and its memory let it.
    """
    shape = known_shape(model)
    if shape is None:
        raise NotDone(
            f"--model {model} cannot be estimated: only the 8B models' architecture is known here.",
            "Measure it and give --curve.",
        )
    chosen = profile.load(gpu)
    engine = settings.load(None, {}, chosen).settings.engine
    engine = engine.model_copy(update={"tensor_parallel_size": gpus})
    sheet = DATA_SHEETS[gpu]
    factor = gpus * SHARED_BETWEEN_GPUS if gpus > 1 else 1.0
    several = DataSheet(sheet.bytes_per_second * factor, sheet.flops * factor, sheet.source)
    whole = work.prompt_tokens + work.output_tokens
    fitting = int(kv_cache_tokens(engine, shape, chosen.memory_bytes) // max(1.0, whole))
    if fitting < 1:
        raise NotDone(
            f"A request of {whole:,.0f} tokens does not fit the KV cache of {gpu}.",
            "Shorten it or choose a GPU with more memory.",
        )
    factors = {
        (time, name): Spread(value)
        for time in TIMES
        for name, value in (PER_TOKEN if time == "tpot" else EXPONENTIAL).items()
    }
    costs = weights(several, shape, kv_bytes_per_token(engine, shape), work)
    return Estimate(
        Model(
            costs,
            Waiting(FIRST_FIXED_SECONDS + costs.prefill_seconds(work), 1.0, 0.0),
            factors,
            min(max_running or engine.max_num_seqs, engine.max_num_seqs, fitting),
            (0.0,) * 5,
        ),
        f"roofline of {gpu}: {sheet.source}",
    )


def proportions(work: Work) -> Weights:
    """Return what measured steps that cannot tell kinds of work apart are split by."""
    kv_bytes = 2 * QWEN3_VL_8B.kv_values_per_token
    return weights(DATA_SHEETS["h100"], QWEN3_VL_8B, kv_bytes, work)

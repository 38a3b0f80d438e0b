"""The options of the engine."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from serving.catalogue import CATALOGUE, TINY
from serving.options.group import CollectorUrl, Group, Text
from serving.options.run_folder import run_folder

KvCacheDtype = Literal[
    "auto",
    "bfloat16",
    "float16",
    "fp8",
    "fp8_e4m3",
    "fp8_e5m2",
    "fp8_per_token_head",
    "int8_per_token_head",
    "int4_per_token_head",
]


class EngineSettings(Group):
    """What the vLLM engine is started with; options named like vLLM's flags mean the same."""

    model: Text = Field(
        default="auto",
        description="auto (what the hardware holds), tiny, a Hugging Face id, or a folder",
    )

    @field_validator("model")
    @classmethod
    def _known_by_one_name(cls, model: str) -> str:
        """Take the tiny model's own id for its short name, and a folder by its full path."""
        if model == TINY:
            return "tiny"
        return str(Path(model).absolute()) if "/" in model and Path(model).is_dir() else model

    revision: Text | None = Field(
        default=None,
        description="Commit of the model repository; a known model has one, others take their main",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_by_its_commit(cls, options: Any) -> Any:
        """Pin a published checkpoint that nobody pinned: weights never change unseen."""
        if not isinstance(options, dict) or options.get("revision") is not None:
            return options
        known = CATALOGUE.get(str(options.get("model")))
        return {**options, "revision": known.revision} if known else options

    profile: Text = Field(
        default="auto",
        description="auto (by the GPU found), or the name of a file in engine/profiles",
    )
    listen: Text = Field(
        default_factory=lambda: str(run_folder() / "engine.sock"),
        description="Path of the engine's Unix socket, or tcp://127.0.0.1:PORT for debugging",
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        default="auto", description="Type of weights and activations; auto takes the checkpoint's"
    )
    quantization: Text | None = Field(
        default=None,
        description="Quantize at load, for example fp8_per_block; a FP8 checkpoint needs none",
    )
    tensor_parallel_size: int = Field(
        default=1, ge=1, description="GPUs that share one copy of the model"
    )
    gpu_memory_utilization: float = Field(
        default=0.92, gt=0, le=1, description="Share of each GPU's memory that vLLM takes"
    )
    kv_cache_dtype: KvCacheDtype = Field(
        default="auto",
        description="Type of cached keys and values; fp8_per_token_head holds twice as many",
    )
    kv_cache_memory_bytes: int | None = Field(
        default=None,
        gt=0,
        description="Size of the KV cache; by default what weights leave of the memory",
    )
    kv_offloading_size: float | None = Field(
        default=None,
        gt=0,
        description="GiB of main memory that take KV blocks evicted from the GPU",
    )
    kv_offloading_backend: Literal["native", "lmcache"] = Field(
        default="native", description="What moves KV blocks to main memory"
    )
    enable_prefix_caching: bool = Field(
        default=True, description="Compute a prompt's beginning once for all requests that share it"
    )
    enable_chunked_prefill: bool = Field(
        default=True,
        description="Cut long prompts so that running answers go on between the pieces",
    )
    max_model_len: Annotated[int, Field(gt=0)] | Literal["auto"] = Field(
        default="auto",
        description="Tokens of one request, prompt and output; auto is what the KV cache holds",
    )
    yarn_factor: float | None = Field(
        default=None,
        gt=1,
        le=4,
        description="Stretch the context to this many times 262,144 tokens (YaRN)",
    )
    max_num_seqs: int = Field(default=64, ge=1, description="Requests computed at the same time")
    max_num_batched_tokens: int = Field(
        default=8192,
        ge=1,
        description="Tokens of one engine step; also the picture encoder's budget",
    )
    max_num_queued_reqs: int | None = Field(
        default=None, ge=1, description="Requests running or waiting; by default 2 x max_num_seqs"
    )
    async_scheduling: bool | None = Field(
        default=None, description="Schedule the next step while one runs; by default where vLLM can"
    )
    enforce_eager: bool = Field(
        default=False, description="Skip compilation: starts sooner, runs slower on a GPU"
    )
    limit_images: int = Field(default=8, ge=0, description="Pictures in one request")
    limit_videos: int = Field(default=1, ge=0, description="Videos in one request")
    max_image_pixels: int = Field(
        default=8_388_608,
        ge=65_536,
        description="A larger picture is scaled down to this many pixels",
    )
    max_video_pixels: int = Field(
        default=16_777_216,
        ge=131_072,
        description="A video is scaled down until frames x width x height is at most this",
    )
    max_video_frames: int = Field(
        default=768,
        ge=4,
        le=768,
        description="Frames taken of one video, at 2 a second while they last",
    )
    video_pruning_rate: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Share of a video's tokens that are dropped as redundant",
    )
    mm_processor_cache_gb: float = Field(
        default=0.0,
        ge=0,
        description="GiB of main memory for processed pictures; 0: none, the sure way (decision 9)",
    )
    mm_processor_cache_type: Literal["lru", "shm"] = Field(
        default="lru",
        description="shm: shared, /dev/shm must hold it; lru: in each process, loses track",
    )
    mm_encoder_tp_mode: Literal["data", "weights"] = Field(
        default="data",
        description="data: each GPU encodes whole pictures; weights: the encoder is split",
    )
    reasoning_end_text: Text | None = Field(
        default=None,
        description="Text that ends a thought over budget, up to </think>; by default the model's",
    )
    shutdown_timeout: int = Field(
        default=10,
        ge=0,
        description="Seconds that running requests get when the engine is told to stop",
    )
    otlp_traces_endpoint: CollectorUrl | None = Field(
        default=None,
        description="OpenTelemetry collector for the engine's own spans, as gateway's; or none",
    )
    extra_args: tuple[str, ...] = Field(
        default=(),
        description="More vLLM flags, passed on unread: LoRA, speculative decoding and others",
    )

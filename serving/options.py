"""Every option of the product with its default, limits and meaning, in four frozen groups."""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from serving.catalogue import TINY

MIB = 2**20
Text = Annotated[str, StringConstraints(min_length=1)]
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


def run_folder() -> Path:
    """Return the folder of this user's sockets: private, on a local disk, with a short path."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and Path(session).is_dir():
        return Path(session) / "qwen3-vl-serving"
    return Path(tempfile.gettempdir()) / f"qwen3-vl-serving-{os.getuid()}"


class Group(BaseModel):
    """Options that cannot be misspelt and do not change after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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
        description="Commit of the model repository, so that weights never change unseen",
    )
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
    otlp_traces_endpoint: Text | None = Field(
        default=None, description="Address of an OpenTelemetry collector for the engine's traces"
    )
    extra_args: tuple[str, ...] = Field(
        default=(),
        description="More vLLM flags, passed on unread: LoRA, speculative decoding and others",
    )


class GatewaySettings(Group):
    """What the gateway accepts, how long it waits, and where it listens."""

    host: Text = Field(
        default="127.0.0.1", description="Address to listen on; all others need API keys"
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port of the API")
    admin_port: int = Field(default=9000, ge=0, le=65535, description="Port of health and metrics")
    api_keys: tuple[SecretStr, ...] = Field(default=(), description="Bearer keys that are let in")
    keys_file: Path | None = Field(
        default=None, description="YAML file of hashed keys with their limits, read again on change"
    )
    max_body_bytes: int = Field(default=64 * MIB, gt=0, description="Largest request body")
    max_images: int = Field(default=8, ge=0, description="Pictures in one request")
    max_videos: int = Field(default=1, ge=0, description="Videos in one request")
    max_image_side: int = Field(
        default=4096, gt=0, description="Longest side of a picture in pixels"
    )
    max_image_frames: int = Field(
        default=256, gt=0, description="Frames of an animated picture, of which the first is seen"
    )
    max_video_decoded_bytes: int = Field(
        default=2048 * MIB,
        gt=0,
        description="Memory that the engine may need for the sampled frames of one video",
    )
    max_inflight_bytes: int = Field(
        default=1024 * MIB,
        gt=0,
        description="Memory for the bodies and media of all requests that wait for the engine",
    )
    max_running_requests: int | None = Field(
        default=None, ge=1, description="Requests at the engine; by default engine.max_num_seqs"
    )
    max_running_tokens: int | None = Field(
        default=None,
        ge=1,
        description="Tokens expected of all requests at the engine; by default its KV cache",
    )
    max_queued_requests: int | None = Field(
        default=None,
        ge=0,
        description="Requests waiting for the engine; by default 2 x engine.max_num_seqs",
    )
    max_queue_seconds: float = Field(
        default=30, gt=0, description="Longest wait for the engine; who would wait longer gets 429"
    )
    max_request_seconds: float | None = Field(
        default=None,
        gt=0,
        description="Deadline of a request; by default none: a thought may take minutes",
    )
    max_connections: int = Field(
        default=8192, gt=0, description="Open connections of clients, idle ones too"
    )
    header_timeout_seconds: float = Field(
        default=10, gt=0, description="Time for a request's headers to arrive"
    )
    min_body_bytes_per_second: int = Field(
        default=16_384, gt=0, description="A body that arrives more slowly is given up"
    )
    stalled_reader_seconds: float = Field(
        default=60, gt=0, description="A client that reads nothing for this long is cut off"
    )
    connect_timeout_seconds: float = Field(default=5, gt=0, description="Time to reach the engine")
    idle_timeout_seconds: float = Field(
        default=120, gt=0, description="Longest silence of the engine within one answer"
    )
    stream_buffer_bytes: int = Field(
        default=262_144, gt=0, description="Unread bytes of one stream before the engine is slowed"
    )
    drain_seconds: float = Field(
        default=820,
        ge=0,
        description="Time that running streams get at shutdown: 32,768 tokens of 25 ms",
    )
    drain_grace_seconds: float = Field(
        default=15,
        ge=0,
        description="Time that `serving drain` still takes requests while /readyz says no more",
    )
    control_socket: Path | None = Field(
        default=None,
        description="Socket that `serving drain` talks to; by default beside the engine's",
    )
    tls_cert_file: Path | None = Field(
        default=None, description="PEM certificate chain of the API port, read again on change"
    )
    tls_key_file: Path | None = Field(
        default=None, description="PEM key of that certificate, readable by this user only"
    )
    media_timeout_seconds: float = Field(
        default=10, gt=0, description="Time to fetch one picture or video by URL"
    )
    max_media_bytes: int = Field(
        default=20 * MIB, gt=0, description="Largest picture or video, by URL or inline"
    )
    media_redirects: int = Field(default=3, ge=0, description="Redirects followed for one URL")
    media_private_networks: tuple[str, ...] = Field(
        default=(),
        description="Networks (CIDR) that media may come from although they are private",
    )
    media_domains: tuple[str, ...] = Field(
        default=(),
        description="Hosts that media may come from, with their sub-domains; none: any public one",
    )
    media_workers: int = Field(
        default=2, ge=1, description="Processes that look into pictures and videos"
    )
    media_worker_memory_bytes: int = Field(
        default=1024 * MIB, gt=0, description="Memory of each of these processes"
    )
    max_output_tokens: int = Field(
        default=32_768, gt=0, le=81_920, description="Largest max_tokens"
    )
    default_thinking_share: float = Field(
        default=0.8,
        gt=0,
        lt=1,
        description="Share of max_tokens for the thought where nothing is asked",
    )
    reasoning_content: bool = Field(
        default=True, description="Repeat the thought as reasoning_content, its older name"
    )
    watchdog_seconds: float = Field(
        default=60, gt=0, description="Time without progress after which the engine counts as hung"
    )

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if self.port == self.admin_port != 0:
            raise ValueError(f"gateway.port and gateway.admin_port are both {self.port}")
        return self

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("gateway.tls_cert_file and gateway.tls_key_file go together")
        return self


class ModelsSettings(Group):
    """Under which names the served model answers, and what it costs."""

    aliases: tuple[Text, ...] = Field(
        default=(), description="Names that clients may use besides the model's own id and slug"
    )
    prompt_price: float | None = Field(
        default=None, ge=0, description="List price of input, USD per million tokens"
    )
    completion_price: float | None = Field(
        default=None, ge=0, description="List price of output, USD per million tokens"
    )
    price_discount: float | None = Field(
        default=None, ge=0, le=1, description="Share taken off both list prices"
    )

    @property
    def price(self) -> dict[str, float]:
        """Return the prices that are set, by the names that the catalogue has for them."""
        asked = {
            "prompt": self.prompt_price,
            "completion": self.completion_price,
            "discount": self.price_discount,
        }
        return {name: value for name, value in asked.items() if value is not None}


class StoreSettings(Group):
    """Where keys are kept."""

    url: SecretStr | None = Field(
        default=None,
        description="sqlite:///FILE or postgresql://…; by default a file in the state folder",
    )


class Settings(Group):
    """The whole configuration of one process."""

    engine: EngineSettings = EngineSettings()
    gateway: GatewaySettings = GatewaySettings()
    store: StoreSettings = StoreSettings()
    models: ModelsSettings = ModelsSettings()

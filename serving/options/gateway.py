"""The options of the gateway."""

from pathlib import Path
from typing import Final, Self

from pydantic import Field, SecretStr, model_validator

from serving.options.group import CollectorUrl, Group, Text

MIB: Final = 2**20


class GatewaySettings(Group):
    """What the gateway accepts, how long it waits, and where it listens."""

    # Where it listens, and to whom.
    host: Text = Field(
        default="127.0.0.1", description="Address to listen on; all others need API keys"
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port of the API")
    admin_port: int = Field(default=9000, ge=0, le=65535, description="Port of health and metrics")
    tls_cert_file: Path | None = Field(
        default=None, description="PEM certificate chain of the API port, read again on change"
    )
    tls_key_file: Path | None = Field(
        default=None, description="PEM key of that certificate, not readable by others"
    )
    api_keys: tuple[SecretStr, ...] = Field(default=(), description="Bearer keys that are let in")
    keys_file: Path | None = Field(
        default=None, description="YAML file of hashed keys with their limits, read again on change"
    )
    control_socket: Path | None = Field(
        default=None,
        description="Socket that `serving drain` talks to; by default beside the engine's",
    )

    # What a connection may take.
    max_connections: int = Field(
        default=8192, gt=0, description="Open connections of clients, idle ones too"
    )
    header_timeout_seconds: float = Field(
        default=10, gt=0, description="Time for a request's headers to arrive"
    )
    max_body_bytes: int = Field(default=64 * MIB, gt=0, description="Largest request body")
    min_body_bytes_per_second: int = Field(
        default=16_384, gt=0, description="A body that arrives more slowly is given up"
    )
    stalled_reader_seconds: float = Field(
        default=60, gt=0, description="A client that reads nothing for this long is cut off"
    )
    stream_buffer_bytes: int = Field(
        default=262_144, gt=0, description="Unread bytes of one stream before the engine is slowed"
    )

    # How much is let in, and how long it may wait.
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
    max_inflight_bytes: int = Field(
        default=1024 * MIB,
        gt=0,
        description="Memory for the bodies and media of all requests that wait for the engine",
    )
    max_request_seconds: float | None = Field(
        default=None,
        gt=0,
        description="Deadline of a request; by default none: a thought may take minutes",
    )

    # Pictures and videos.
    max_images: int = Field(default=8, ge=0, description="Pictures in one request")
    max_videos: int = Field(default=1, ge=0, description="Videos in one request")
    max_media_bytes: int = Field(
        default=20 * MIB, gt=0, description="Largest picture or video, by URL or inline"
    )
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
    media_timeout_seconds: float = Field(
        default=10, gt=0, description="Time to fetch one picture or video by URL"
    )
    media_redirects: int = Field(default=3, ge=0, description="Redirects followed for one URL")
    media_domains: tuple[str, ...] = Field(
        default=(),
        description="Hosts that media may come from, with their sub-domains; none: any public one",
    )
    media_private_networks: tuple[str, ...] = Field(
        default=(),
        description="Networks (CIDR) that media may come from although they are private",
    )
    media_workers: int = Field(
        default=2, ge=1, description="Processes that look into pictures and videos"
    )
    media_worker_memory_bytes: int = Field(
        default=1024 * MIB, gt=0, description="Memory of each of these processes"
    )

    # What an answer holds.
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

    # The engine's silence, and the end.
    connect_timeout_seconds: float = Field(default=5, gt=0, description="Time to reach the engine")
    idle_timeout_seconds: float = Field(
        default=120, gt=0, description="Longest silence of the engine within one answer"
    )
    watchdog_seconds: float = Field(
        default=60, gt=0, description="Time without progress after which the engine counts as hung"
    )
    drain_grace_seconds: float = Field(
        default=15,
        ge=0,
        description="Time that `serving drain` still takes requests while /readyz says no more",
    )
    drain_seconds: float = Field(
        default=820,
        ge=0,
        description="Time that running streams get at shutdown: 32,768 tokens of 25 ms",
    )

    # What it shows, and tells others.
    model_page: bool = Field(default=True, description="Show the page for people at /")
    reports_folder: Path | None = Field(
        default=None,
        description="Folder of the last score.json and load.json; by default the state folder",
    )
    image: Text | None = Field(
        default=None, description="Container image that serves here, as /version and metrics tell"
    )
    max_key_labels: int = Field(
        default=200, ge=0, description="Keys that metrics name; the rest is told as `other`"
    )
    otlp_traces_endpoint: CollectorUrl | None = Field(
        default=None,
        description="OpenTelemetry collector for traces, http://HOST:4318/v1/traces; or none",
    )
    traces_sample_rate: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of requests that are traced where the client does not say",
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

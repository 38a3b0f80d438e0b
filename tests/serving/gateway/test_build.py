"""What /version tells of a deployment, and what the settings' hash is of."""

import pytest

from serving.catalogue import entry_for
from serving.gateway.build import Build, settings_hash
from serving.options import EngineSettings, GatewaySettings, Settings
from tests.serving.gateway.conftest import wait_for


def settings(engine: dict[str, object] | None = None, **gateway: object) -> Settings:
    """Return settings with some options set."""
    return Settings(
        engine=EngineSettings(**{"profile": "h100", **(engine or {})}),
        gateway=GatewaySettings(**gateway),
    )


def test_version_names_what_is_served(start_gateway, engine):
    """vLLM's version under vLLM's own name, and the parts of the deployment beside it."""
    gateway = start_gateway(image="registry.example/gateway@sha256:1")
    wait_for(lambda: gateway.request("GET", "/version").json["version"] == engine.version)
    told = gateway.request("GET", "/version").json
    assert told["model"] == "tiny-qwen3-vl"
    assert told["image"] == "registry.example/gateway@sha256:1"
    assert set(told) == {"version", *Build.__dataclass_fields__}


def test_version_needs_a_key_where_keys_are_set(start_gateway):
    """Which image runs is nobody else's business."""
    gateway = start_gateway(api_keys=("secret",))
    assert gateway.request("GET", "/version").status == 401


def test_a_cpu_has_no_gpus():
    """What costs nothing by the GPU hour is told as such."""
    built = [
        Build.of(settings({"profile": profile, "tensor_parallel_size": 2}), entry_for("tiny"))
        for profile in ("cpu", "h100")
    ]
    assert [build.gpus for build in built] == [0, 2]


@pytest.mark.parametrize(
    ("changed", "is_other"),
    [
        pytest.param({"engine": {"max_num_seqs": 32}}, True, id="engine"),
        pytest.param({"max_queue_seconds": 3}, True, id="gateway"),
        pytest.param({"port": 1234, "host": "0.0.0.0"}, False, id="address"),  # noqa: S104
        pytest.param({"engine": {"listen": "tcp://127.0.0.1:1"}}, False, id="socket"),
        pytest.param({"api_keys": ("secret",)}, False, id="keys"),
    ],
)
def test_the_hash_is_of_what_changes_the_work(changed, is_other):
    """Two runs on other addresses are of the same settings."""
    assert (settings_hash(settings(**changed)) != settings_hash(settings())) == is_other

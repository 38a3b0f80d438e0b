"""The rendered configuration is taken by those who read it: our settings, and vLLM's parser."""

import importlib.util
import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from pydantic import SecretStr

from serving.engine import launcher, profile
from serving.engine.hardware import Gpu, Machine
from serving.engine.weights import TINY_FOLDER
from serving.gateway.app import create_app
from serving.options import Settings
from serving.selection import Selection, select
from tests.contracts import vllm_parser
from tests.helm.pods import containers_of, pod_of, settings_of
from tests.helm.releases import CASES, release
from tests.helm.rendering import Json

PREFIX: Final = "SERVING_"
# What an entry of a Secret would hold, by the variable it becomes.
SECRETS: Final = {"SERVING_STORE__URL": "postgresql://serving@127.0.0.1:1/serving"}
KEYS: Final = {"keys": [{"name": "alice", "digest": f"sha256:{1:064x}"}]}

every_release = pytest.mark.parametrize("case", CASES)
needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None,
    reason="vLLM 0.32.0 is not installed; enable: make test",
)


class Pool(NamedTuple):
    """A pool of a release: the configuration its pods read, and their containers."""

    name: str
    settings: Json
    containers: dict[str, Json]

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that its profile was written for, as many as it asks for."""
        engine = self.settings["engine"]
        meant = profile.load(engine["profile"])
        memory, capability = meant.memory_bytes, meant.compute_capability
        count = engine["tensor_parallel_size"] if memory else 0
        return tuple(
            Gpu(index, "NVIDIA GPU", memory, memory, capability, "580.95.05")
            for index in range(count)
        )

    def select(self, container: str, folder: Path) -> Selection:
        """Decide as a container's process does; the gateway sees no GPU and trusts the file."""
        config = folder / "settings.yaml"
        config.write_text(json.dumps(self.settings), encoding="utf-8")
        variables = self.containers[container].get("env", [])
        environ = {
            each["name"]: each.get("value") or SECRETS[each["name"]]
            for each in variables
            if each["name"].startswith(PREFIX)
        }
        gpus = self.gpus if container == "engine" else ()
        node = Machine("Linux", "x86_64", (3, 12), gpus, frozenset({"avx2"}), 2**37, 16)
        return select(config, environ, node, on_trust=container == "gateway")


def pools(case: str) -> list[Pool]:
    """Return the pools of a release."""
    rendered = release(case)
    names = [
        each["metadata"]["labels"]["app.kubernetes.io/component"]
        for each in rendered.all("Deployment")
    ]
    return [
        Pool(name, settings_of(rendered, name), containers_of(pod_of(rendered, name)))
        for name in names
    ]


def secretless(settings: Settings) -> Json:
    """Return settings without what only the gateway is given."""
    return settings.model_dump(exclude={"store": {"url"}})


@every_release
def test_engine_and_gateway_come_to_the_same_settings(case: str, tmp_path: Path) -> None:
    """One file, two processes, one of them without a GPU: same settings, same model."""
    for pool in pools(case):
        engine, gateway = (pool.select(name, tmp_path) for name in ("engine", "gateway"))
        assert secretless(engine.loaded.settings) == secretless(gateway.loaded.settings)
        assert engine.entry == gateway.entry
        assert engine.engine.model != "auto"


@every_release
def test_every_value_reaches_the_settings(case: str, tmp_path: Path) -> None:
    """What stands in the file is what the process runs with; Helm's floats become integers."""
    for pool in pools(case):
        effective = pool.select("gateway", tmp_path).loaded.settings.model_dump(mode="json")
        for group, options in pool.settings.items():
            assert {name: effective[group][name] for name in options} == options, pool.name


@every_release
def test_the_gateway_takes_its_settings(case: str, tmp_path: Path) -> None:
    """Built as in its container, it finds keys and nothing to refuse; files are its Secrets."""
    keys = tmp_path / "keys.yaml"
    keys.write_text(json.dumps(KEYS), encoding="utf-8")
    for pool in pools(case):
        selection = pool.select("gateway", tmp_path)
        settings = selection.loaded.settings
        gateway, store = settings.gateway, settings.store
        if gateway.keys_file:
            gateway = gateway.model_copy(update={"keys_file": keys})
        if store.url:
            database = SecretStr(f"sqlite:///{tmp_path}/{pool.name}.db")
            store = store.model_copy(update={"url": database})
        there = settings.model_copy(update={"gateway": gateway, "store": store})
        create_app(there, selection.entry)


@pytest.fixture(scope="module")
def parser() -> Any:
    """Return vLLM's own parser."""
    return vllm_parser.make_parser()


@needs_vllm
@every_release
def test_vllm_takes_the_engines_arguments(case: str, parser: Any, tmp_path: Path) -> None:
    """The launcher finds no contradiction on the profile's GPUs, and vLLM's parser none in it."""
    for pool in pools(case):
        selection = pool.select("engine", tmp_path)
        settings = selection.loaded.settings
        folder = TINY_FOLDER if settings.engine.model == "tiny" else None
        # A folder of an image is not here; the catalogue knows the model by the folder's name.
        engine = settings.engine.model_copy(update={"model": selection.entry.id})
        there = settings.model_copy(update={"engine": engine})
        launch = launcher.prepare(there, pool.gpus, folder)
        values = vllm_parser.parse(parser, launch.argv)
        assert values["model"] == str(folder or selection.entry.id)
        assert values["served_model_name"] == str([selection.entry.id])
        assert values["uds"] == "/run/qwen3-vl/engine/engine.sock"
        size = pool.settings["engine"]["tensor_parallel_size"]
        assert values["tensor_parallel_size"] == str(size)
        asked = pool.containers["engine"]["resources"]["limits"].get("nvidia.com/gpu", 0)
        assert asked == len(pool.gpus), "a GPU for each part of the model"

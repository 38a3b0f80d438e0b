"""Memory and /dev/shm follow from the settings; the sums are written out here once more."""

import pytest

from tests.helm.pods import containers_of, pod_of
from tests.helm.rendering import Json, notes, render

GIB = 1024


def asked(engine: Json | None = None, gateway: Json | None = None, **pool: object) -> Json:
    """Return values with other settings of engine and gateway."""
    return {"pool": {"settings": {"engine": engine or {}, "gateway": gateway or {}}, **pool}}


def shm_of(values: Json) -> str:
    """Return the size of /dev/shm that values lead to."""
    [shm] = [each for each in pod_of(render(values))["volumes"] if each["name"] == "shm"]
    assert shm["emptyDir"]["medium"] == "Memory"
    return str(shm["emptyDir"]["sizeLimit"])


@pytest.mark.parametrize(
    ("engine", "mebibytes"),
    [
        ({}, 1 * GIB),
        ({"tensor_parallel_size": 2}, 2 * GIB),
        ({"kv_offloading_size": 64}, 65 * GIB),
        ({"kv_offloading_size": 1.5}, 2.5 * GIB),
        ({"mm_processor_cache_gb": 4, "mm_processor_cache_type": "shm"}, 5 * GIB),
        ({"mm_processor_cache_gb": 4}, 1 * GIB),
    ],
)
def test_shm_holds_what_the_engine_puts_there(engine: Json, mebibytes: float) -> None:
    """Each GPU, blocks moved out of its memory, and shared pictures have their room."""
    assert shm_of(asked(engine)) == f"{mebibytes:.0f}Mi"


def test_shm_can_be_set() -> None:
    """A size of one's own replaces the sum."""
    assert shm_of(asked(engine={}) | {"pool": {"engine": {"shmSize": "32Gi"}}}) == "32Gi"


@pytest.mark.parametrize(
    ("engine", "gateway", "gibibytes"),
    [
        # base + worker + text, file and pixels of 1 GiB + frames of a video + /dev/shm
        ({}, {}, 6 + 8 + 3 + 2 + 1),
        ({"tensor_parallel_size": 4}, {}, 6 + 32 + 3 + 2 + 4),
        ({"mm_processor_cache_gb": 4}, {}, 6 + 8 + 3 + 2 + 1 + 8),
        ({"kv_offloading_size": 64}, {}, 6 + 8 + 3 + 2 + 65),
        ({}, {"max_inflight_bytes": 4 * 2**30}, 6 + 8 + 12 + 2 + 1),
    ],
)
def test_engine_memory_is_the_sum_of_its_needs(engine: Json, gateway: Json, gibibytes: int) -> None:
    """Reserved and at most the same: what is used beyond would be another pod's."""
    values = asked(engine, gateway)
    resources = containers_of(pod_of(render(values)))["engine"]["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    assert resources["limits"]["memory"] == f"{gibibytes * GIB}Mi"
    assert f"{gibibytes * GIB} MiB of memory" in notes(values)


@pytest.mark.parametrize(
    ("gateway", "mebibytes"),
    [
        # itself, bodies, two picture processes, 2 x 64 streams of 256 KiB
        ({}, 512 + 1024 + 2048 + 32),
        ({"media_workers": 4}, 512 + 1024 + 4096 + 32),
        ({"max_inflight_bytes": 2**31}, 512 + 2048 + 2048 + 32),
    ],
)
def test_gateway_memory_is_the_sum_of_its_needs(gateway: Json, mebibytes: int) -> None:
    """Bodies, picture processes and unread streams fit together."""
    resources = containers_of(pod_of(render(asked(gateway=gateway))))["gateway"]["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"] == f"{mebibytes}Mi"


def test_own_sizes_win_and_cpu_has_no_limit() -> None:
    """A size that is given is taken; a throttled event loop would hold every stream up."""
    values = {
        "pool": {
            "engine": {"resources": {"memory": "48Gi", "cpu": "12"}},
            "gateway": {"resources": {"memory": "5Gi"}},
        }
    }
    containers = containers_of(pod_of(render(values)))
    assert containers["engine"]["resources"]["limits"]["memory"] == "48Gi"
    assert containers["engine"]["resources"]["requests"]["cpu"] == "12"
    assert containers["gateway"]["resources"]["limits"]["memory"] == "5Gi"
    assert not any("cpu" in each["resources"]["limits"] for each in containers.values())


def test_notes_tell_what_a_pod_takes() -> None:
    """GPUs by their resource's name, and none where the engine runs on a CPU."""
    assert "on h100, 1 nvidia.com/gpu a pod" in notes()
    cpu = {"pool": {"settings": {"engine": {"profile": "cpu"}}, "engine": {"gpuResource": ""}}}
    assert " on cpu\n" in notes(cpu)

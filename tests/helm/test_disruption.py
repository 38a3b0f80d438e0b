"""Node drains: one pod of a pool at a time, and no drain that is held up for ever."""

from typing import Any

import pytest

from tests.helm.rendering import Json, render

SHARED = {"claim": {"accessMode": "ReadWriteMany"}}


def budgets(**pool: Any) -> list[Json]:
    """Return the budgets of a release with one pool."""
    found: list[Json] = render({"pool": {"weights": SHARED, **pool}}).all("PodDisruptionBudget")
    return found


def scaling(fewest: int, most: int) -> dict[str, Any]:
    """Return values that let the autoscaler choose between two numbers of pods."""
    numbers = {"minReplicas": fewest, "maxReplicas": most, "fallbackReplicas": fewest}
    return {"scaling": {"enabled": True, **numbers}}


def evictable(budget: Json, pods: int, healthy: int) -> int:
    """Return how many healthy pods Kubernetes lets a drain take: those over the desired number."""
    return max(0, healthy - (pods - int(budget["spec"]["maxUnavailable"])))


@pytest.mark.parametrize(
    ("pool", "count"),
    [
        ({}, 0),
        ({"replicas": 1}, 0),
        ({"replicas": 2}, 1),
        ({"replicas": 8, "podDisruptionBudget": {"enabled": False}}, 0),
        (scaling(1, 1), 0),
        (scaling(1, 8), 1),
        ({"replicas": 5, **scaling(1, 1)}, 0),
    ],
)
def test_only_pools_that_may_have_several_pods_have_a_budget(
    pool: dict[str, Any], count: int
) -> None:
    """For one pod it would protect nothing; an autoscaled pool is judged by its most pods."""
    assert len(budgets(**pool)) == count


@pytest.mark.parametrize("pool", [{"replicas": 8}, scaling(1, 8)], ids=["fixed", "scaled"])
def test_a_drain_goes_on_at_every_size(pool: dict[str, Any]) -> None:
    """Of pods that are all healthy one may always go, also of an autoscaled pool's last one."""
    [budget] = budgets(**pool)
    assert "minAvailable" not in budget["spec"]
    assert [evictable(budget, pods, pods) for pods in range(1, 9)] == [1] * 8


def test_pods_that_start_are_waited_for_and_broken_ones_are_not() -> None:
    """While one of two starts the other stays; one that never gets ready holds no node."""
    [budget] = budgets(replicas=2)
    assert evictable(budget, pods=2, healthy=1) == 0
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_each_pool_has_its_own_budget() -> None:
    """A budget counts the pods of its pool's Deployment, and none of another's."""
    pools = {"thinking": {"replicas": 2}, "instruct": {"replicas": 3}, "small": {}}
    rendered = render({"pools": pools, "pool": {"weights": SHARED}})
    names = {each["metadata"]["name"] for each in rendered.all("PodDisruptionBudget")}
    assert names == {"demo-qwen3-vl-thinking", "demo-qwen3-vl-instruct"}
    for name in names:
        budget = rendered.one("PodDisruptionBudget", name)["spec"]
        deployment = rendered.one("Deployment", name)["spec"]
        assert budget["selector"] == deployment["selector"]

"""A pool's pod: what runs in it, with what, where, and how its settings are made."""

from pathlib import PurePosixPath

import pytest
import yaml

from serving.catalogue import CATALOGUE
from serving.engine.socket import MAX_PATH_BYTES
from tests.helm.pods import containers_of, environment_of, mounts_of, pod_of, settings_of
from tests.helm.rendering import CHART, notes, render

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SHA = f"sha256:{'a' * 64}"
IMAGE = {"repository": "models/weights", "tag": "1"}
OTHER_SHA = f"sha256:{'b' * 64}"


def pool(**changes: object) -> dict[str, object]:
    """Return values that change what holds for every pool."""
    return {"pool": changes}


def test_gateway_is_a_native_sidecar_before_the_engine() -> None:
    """The gateway starts before the engine and outlives it, as Kubernetes' sidecars do."""
    pod = pod_of(render())
    started = [each["name"] for each in pod["initContainers"]]
    assert started.index("launcher") < started.index("gateway") == len(started) - 1
    assert containers_of(pod)["gateway"]["restartPolicy"] == "Always"
    assert [each["name"] for each in pod["containers"]] == ["engine"]


def test_gateway_can_be_an_ordinary_container() -> None:
    """The switch moves the gateway beside the engine, with a drain of its own before SIGTERM."""
    pod = pod_of(render(pool(gateway={"nativeSidecar": False})))
    assert [each["name"] for each in pod["containers"]] == ["engine", "gateway"]
    gateway = containers_of(pod)["gateway"]
    assert "restartPolicy" not in gateway
    assert "drain" in gateway["lifecycle"]["preStop"]["exec"]["command"]


def test_engine_has_no_port_and_shares_a_socket_with_the_gateway() -> None:
    """Nothing but the gateway listens on an address; both see the socket's folder writable."""
    rendered = render()
    containers = containers_of(pod_of(rendered))
    assert [name for name, each in containers.items() if "ports" in each] == ["gateway"]
    socket = PurePosixPath(settings_of(rendered)["engine"]["listen"])
    assert len(str(socket)) <= MAX_PATH_BYTES
    for name in ("engine", "gateway"):
        [mount] = [at for at in mounts_of(containers[name]) if socket.is_relative_to(at)]
        assert not mounts_of(containers[name])[mount].get("readOnly")
        # The volume's own folder belongs to root: the socket lies in one that a process makes.
        assert socket.parent != PurePosixPath(mount)


def test_engine_is_vllms_image_with_the_launcher_copied_in() -> None:
    """The gateway's image copies its code to where the engine's Python looks for it."""
    containers = containers_of(pod_of(render()))
    launcher, engine = containers["launcher"], containers["engine"]
    assert engine["image"] == "vllm/vllm-openai:v0.32.0"
    assert launcher["image"] == containers["gateway"]["image"]
    *_, source, target = launcher["command"]
    assert PurePosixPath(source).name == "serving"
    assert PurePosixPath(target) == PurePosixPath(environment_of(engine)["PYTHONPATH"])
    assert mounts_of(engine)["/launcher"]["readOnly"] is True
    assert engine["command"][:4] == ["python3", "-P", "-m", "serving"]


def test_every_container_may_write_to_tmp() -> None:
    """A read-only root file system leaves a program its temporary files."""
    containers = containers_of(pod_of(render()))
    for name in ("engine", "gateway"):
        assert not mounts_of(containers[name])["/tmp"].get("readOnly")  # noqa: S108 - a mount


def test_gpus_are_those_of_tensor_parallelism() -> None:
    """A pod asks for one GPU for each part of the model, by the resource's name."""
    values = pool(
        settings={"engine": {"tensor_parallel_size": 2}}, engine={"gpuResource": "example.com/mig"}
    )
    engine = containers_of(pod_of(render(values)))["engine"]
    assert engine["resources"]["limits"]["example.com/mig"] == 2
    default = containers_of(pod_of(render()))["engine"]
    assert default["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_two_pools_stand_side_by_side() -> None:
    """Thinking and Instruct have objects of their own, and only what differs is said."""
    model = "Qwen/Qwen3-VL-8B-Instruct"
    rendered = render({"pools": {"instruct": {"settings": {"engine": {"model": model}}}}})
    assert settings_of(rendered, "instruct")["engine"]["model"] == model
    assert settings_of(rendered)["engine"]["model"] == "Qwen/Qwen3-VL-8B-Thinking"
    thinking, instruct = (
        rendered.one("Service", f"demo-qwen3-vl-{name}")["spec"]["selector"]
        for name in ("thinking", "instruct")
    )
    differs = {key for key in thinking if thinking[key] != instruct[key]}
    assert differs == {"app.kubernetes.io/component"}


def test_a_pool_can_be_taken_away() -> None:
    """Null removes the chart's own pool."""
    rendered = render({"pools": {"thinking": None, "other": {}}})
    assert [each["metadata"]["name"] for each in rendered.all("Deployment")] == [
        "demo-qwen3-vl-other"
    ]


def test_false_and_zero_of_a_pool_win() -> None:
    """A pool's own value replaces the common one also where it is false, 0 or empty."""
    rendered = render(
        {
            "pool": {"settings": {"gateway": {"media_domains": ["example.org"]}}},
            "pools": {
                "thinking": {
                    "gateway": {"nativeSidecar": False},
                    "settings": {"gateway": {"drain_grace_seconds": 0, "media_domains": []}},
                }
            },
        }
    )
    assert settings_of(rendered)["gateway"]["drain_grace_seconds"] == 0
    assert settings_of(rendered)["gateway"]["media_domains"] == []
    assert "gateway" in {each["name"] for each in pod_of(rendered)["containers"]}


def test_large_numbers_stay_whole() -> None:
    """Helm's floats do not turn bytes into 1.07e+09."""
    rendered = render(pool(settings={"engine": {"kv_cache_memory_bytes": 85_899_345_920}}))
    assert settings_of(rendered)["engine"]["kv_cache_memory_bytes"] == 85_899_345_920


def test_settings_change_restarts_the_pods() -> None:
    """Both processes read their settings once, so that a change makes new pods."""
    stamps = {
        render(pool(settings={"gateway": {"max_images": count}})).one("Deployment")["spec"][
            "template"
        ]["metadata"]["annotations"]["checksum/settings"]
        for count in (7, 8)
    }
    assert len(stamps) == 2


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ({"tag": "1.2.3"}, "qwen3-vl-serving:1.2.3"),
        ({"tag": "1.2.3", "digest": SHA}, f"qwen3-vl-serving@{SHA}"),
        ({}, "qwen3-vl-serving:0.1.0"),
    ],
)
def test_digest_wins_over_tag(image: dict[str, str], name: str) -> None:
    """An image is named by its digest, else by its tag, else by the chart's version."""
    assert containers_of(pod_of(render({"image": image})))["gateway"]["image"] == name


def test_a_variant_has_a_digest_of_its_own() -> None:
    """The gateway's digest never names the image that brings the tiny model, or loads."""
    tiny = {"weights": {"source": "builtin"}, "settings": {"engine": {"model": "tiny"}}}
    for digests, name in (
        ({"digest": SHA}, "qwen3-vl-serving:0.1.0-tiny"),
        ({"digest": SHA, "tinyDigest": OTHER_SHA}, f"qwen3-vl-serving@{OTHER_SHA}"),
    ):
        containers = containers_of(pod_of(render({"image": digests, "pool": tiny})))
        assert containers["launcher"]["image"] == name
        assert containers["gateway"]["image"] == f"qwen3-vl-serving@{SHA}"


def test_mirror_stands_before_every_image() -> None:
    """One value moves all images to a mirror, and its Secret is named in every pod."""
    rendered = render(
        {"imageRegistry": "mirror.example.org/hub", "imagePullSecrets": [{"name": "mirror"}]}
    )
    pod = pod_of(rendered)
    images = [each["image"] for each in containers_of(pod).values()]
    assert all(image.startswith("mirror.example.org/hub/") for image in images)
    assert pod["imagePullSecrets"] == [{"name": "mirror"}]


def test_gateway_listens_on_every_address_or_the_one_asked_for() -> None:
    """The image's own HOST, an environment variable, would win over the settings."""
    for asked, host in (({}, "0.0.0.0"), ({"host": "::"}, "::")):  # noqa: S104 - compared
        rendered = render(pool(settings={"gateway": asked}))
        environment = environment_of(containers_of(pod_of(rendered))["gateway"])
        assert environment["HOST"] == host == settings_of(rendered)["gateway"].get("host", host)


def test_gateway_tells_which_image_serves() -> None:
    """The version page names the image with its digest."""
    rendered = render({"image": {"digest": SHA}})
    gateway = containers_of(pod_of(rendered))["gateway"]
    assert settings_of(rendered)["gateway"]["image"] == gateway["image"]


def test_keys_come_from_a_secret_by_default() -> None:
    """Without any value pods wait for a Secret of keys: nothing is ever open to everybody."""
    rendered = render()
    [keys] = [each for each in pod_of(rendered)["volumes"] if each["name"] == "keys"]
    assert keys["secret"]["secretName"] == "demo-qwen3-vl-keys"
    assert not keys["secret"].get("optional")
    mount = mounts_of(containers_of(pod_of(rendered))["gateway"])["/etc/qwen3-vl-keys"]
    assert mount["readOnly"] is True
    assert settings_of(rendered)["gateway"]["keys_file"].startswith("/etc/qwen3-vl-keys/")


def test_store_brings_ledger_and_keys() -> None:
    """A database's URL is handed to the gateway alone, as a secret, and switches usage on."""
    rendered = render({"store": {"existingSecret": "db"}, "networkPolicy": {"enabled": False}})
    containers = containers_of(pod_of(rendered))
    reference = environment_of(containers["gateway"])["SERVING_STORE__URL"]
    assert reference == {"secretKeyRef": {"name": "db", "key": "url"}}
    assert "SERVING_STORE__URL" not in environment_of(containers["engine"])
    settings = settings_of(rendered)
    assert "keys_file" not in settings["gateway"]
    assert settings.get("store", {}).get("usage", True) is True
    assert settings_of(render())["store"]["usage"] is False


def test_tls_is_that_of_a_secret() -> None:
    """The API port speaks TLS with the Secret's pair, and the Service says so."""
    rendered = render({"tls": {"existingSecret": "pair"}})
    gateway = containers_of(pod_of(rendered))["gateway"]
    mount = mounts_of(gateway)["/etc/qwen3-vl-tls"]
    assert mount["readOnly"] is True
    assert settings_of(rendered)["gateway"]["tls_key_file"] == "/etc/qwen3-vl-tls/tls.key"
    assert rendered.one("Service")["spec"]["ports"][0]["appProtocol"] == "https"


def test_pods_go_where_they_are_sent() -> None:
    """Node selector, taints, runtime class, priority and spread are those of the values."""
    values = pool(
        scheduling={
            "nodeSelector": {"gpu": "h100"},
            "runtimeClassName": "nvidia",
            "priorityClassName": "serving",
            "spreadOver": "topology.kubernetes.io/zone",
            "whenUnspreadable": "DoNotSchedule",
        }
    )
    pod = pod_of(render(values))
    assert pod["nodeSelector"] == {"gpu": "h100"}
    assert (pod["runtimeClassName"], pod["priorityClassName"]) == ("nvidia", "serving")
    assert pod["tolerations"] == VALUES["pool"]["scheduling"]["tolerations"]
    [spread] = pod["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    assert spread["whenUnsatisfiable"] == "DoNotSchedule"
    bare = pod_of(render(pool(scheduling={"spreadOver": "", "tolerations": []})))
    assert not {"topologySpreadConstraints", "tolerations", "nodeSelector"} & set(bare)


def test_jobs_bear_the_taints_of_their_pool() -> None:
    """Where all nodes are tainted, weights are still fetched and questions asked."""
    taint = {"key": "pool", "operator": "Equal", "value": "llm", "effect": "NoSchedule"}
    values = pool(scheduling={"tolerations": [taint]}, weights={"downloadJob": True})
    rendered = render(values | {"loadtest": {"enabled": True}})
    pods = [each["spec"]["template"]["spec"] for each in rendered.all("Job")]
    pods += [each["spec"] for each in rendered.all("Pod")]
    assert len(pods) == 3
    assert all(pod["tolerations"] == [taint] for pod in pods)


def test_kernels_are_kept_in_a_folder_of_the_pods_own_user() -> None:
    """A folder that the kubelet makes for a subPath would be root's: an init container is first."""
    containers = containers_of(pod_of(render()))
    command = containers["cache"]["command"]
    mount = mounts_of(containers["engine"])["/cache"]
    assert command[-1] == f"/weights/{mount['subPath']}"
    assert mounts_of(containers["cache"])["/weights"]["name"] == mount["name"]
    for without in ({"source": "ephemeral"}, {"source": "image", "image": IMAGE}):
        assert "cache" not in containers_of(pod_of(render(pool(weights=without))))


def test_notes_warn_of_weights_that_may_change() -> None:
    """The models whose commit the launcher knows need none, any other does."""
    said = "two downloads may bring two versions"
    for model in [known.id for known in CATALOGUE.values() if known.revision]:
        assert said not in notes(pool(settings={"engine": {"model": model}}))
    other = {"model": "someone/tuned-vl"}
    assert said in notes(pool(settings={"engine": other}))
    assert said not in notes(pool(settings={"engine": other | {"revision": "a" * 40}}))


def test_a_new_version_of_the_chart_alone_restarts_nothing() -> None:
    """Pods carry no label of the chart's version: engines take minutes to start."""
    template = render().one("Deployment")["spec"]["template"]
    assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(template["metadata"]["labels"])

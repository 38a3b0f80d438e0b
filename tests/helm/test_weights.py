"""Where a pool's weights come from and its compiled kernels stay, for each source."""

import re

import pytest

from tests.helm.pods import containers_of, environment_of, mounts_of, pod_of, settings_of
from tests.helm.rendering import Json, Rendered, render

SHA = f"sha256:{'a' * 64}"
MODEL = "Qwen/Qwen3-VL-8B-Thinking"
REVISION = "5eed" * 10
PROXY = {
    "proxy": {"url": "http://proxy:3128", "noProxy": ".svc"},
    "networkPolicy": {"internet": False, "proxy": [{"podSelector": {}}]},
}
TINY = {"settings": {"engine": {"model": "tiny"}}}
HOME = "/tmp"  # noqa: S108 — a volume of the pod's own
# A day's change of values that has nothing to do with what is compiled or downloaded.
UNRELATED = {
    "pool": {
        "servicePort": 8080,
        "startupBudgetSeconds": 900,
        "scheduling": {"priorityClassName": "high"},
        "settings": {"gateway": {"drain_seconds": 300}},
    },
}


def pool(**changes: object) -> Json:
    """Return values that change what holds for every pool."""
    return {"pool": changes}


def source(name: str, **more: object) -> Json:
    """Return values with another source of weights."""
    return pool(weights={"source": name, **more})


def volumes(rendered: Rendered) -> dict[str, Json]:
    """Return the pod's volumes by name."""
    return {each["name"]: each for each in pod_of(rendered)["volumes"]}


def engine(rendered: Rendered) -> Json:
    """Return the engine's container."""
    return containers_of(pod_of(rendered))["engine"]


def job(values: Json | None = None) -> Json:
    """Return the Job that fills a claim."""
    base = {"pool": {"weights": {"downloadJob": True}}}
    return render(merged(base, values or {})).one("Job")


def merged(under: Json, over: Json) -> Json:
    """Return values with others over them."""
    both = dict(under)
    for key, value in over.items():
        known = both.get(key)
        both[key] = merged(known, value) if isinstance(known, dict) else value
    return both


def job_container(made: Json) -> Json:
    """Return a Job's only container."""
    [container] = made["spec"]["template"]["spec"]["containers"]
    return dict(container)


def cache_folder(values: Json | None = None) -> str:
    """Return the folder in which the engine keeps what it compiles."""
    return str(environment_of(engine(render(values)))["HOME"])


def test_a_claim_is_mounted_and_survives_the_release() -> None:
    """The chart makes a claim that `helm uninstall` keeps; the engine sees it read-only."""
    rendered = render()
    claim = rendered.one("PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "60Gi"}},
    }
    mounted = volumes(rendered)["weights"]["persistentVolumeClaim"]
    assert mounted == {"claimName": claim["metadata"]["name"]}
    assert mounts_of(engine(rendered))["/weights"]["readOnly"] is True
    assert settings_of(rendered)["engine"]["model"] == MODEL


def test_an_existing_claim_is_taken() -> None:
    """Nothing is made where the user names a claim."""
    rendered = render(source("claim", claim={"existing": "models"}))
    assert rendered.all("PersistentVolumeClaim") == []
    assert volumes(rendered)["weights"]["persistentVolumeClaim"]["claimName"] == "models"


def test_class_and_mode_of_the_claim_are_the_users() -> None:
    """A shared file system holds for several pods."""
    claim = {"storageClass": "shared", "accessMode": "ReadWriteMany", "size": "80Gi"}
    spec = render(source("claim", claim=claim)).one("PersistentVolumeClaim")["spec"]
    assert (spec["storageClassName"], spec["accessModes"]) == ("shared", ["ReadWriteMany"])


def test_an_image_is_mounted_where_the_catalogue_knows_it() -> None:
    """The folder ends in the model's name, and the engine is told to serve that folder."""
    image = {"repository": "models/qwen3-vl", "digest": SHA}
    rendered = render(source("image", image=image))
    assert volumes(rendered)["weights"]["image"] == {
        "reference": f"models/qwen3-vl@{SHA}",
        "pullPolicy": "IfNotPresent",
    }
    folder = settings_of(rendered)["engine"]["model"]
    assert folder == "/weights/Qwen3-VL-8B-Thinking"
    assert mounts_of(engine(rendered))[folder]["readOnly"] is True
    assert "weights" not in containers_of(pod_of(rendered))
    assert rendered.all("Job") == rendered.all("PersistentVolumeClaim") == []


def test_an_ephemeral_download_reserves_its_disk() -> None:
    """What is downloaded counts as the pod's disk, which its containers must have reserved."""
    rendered = render(source("ephemeral", ephemeralSize="30Gi"))
    assert volumes(rendered)["weights"]["emptyDir"] == {"sizeLimit": "30Gi"}
    containers = containers_of(pod_of(rendered))
    for kind in ("requests", "limits"):
        assert containers["weights"]["resources"][kind]["ephemeral-storage"] == "30Gi"
        # Of init and main containers the larger counts, not both, and the weights stay: 30 + 8 GiB.
        assert containers["engine"]["resources"][kind]["ephemeral-storage"] == f"{38 * 1024}Mi"
    assert rendered.all("Job") == []


def test_the_builtin_model_needs_no_volume() -> None:
    """The tiny model comes with the launcher's copy of the image that has it."""
    rendered = render(merged(source("builtin"), {"pool": TINY}))
    assert settings_of(rendered)["engine"]["model"] == "tiny"
    containers = containers_of(pod_of(rendered))
    assert containers["launcher"]["image"].endswith("-tiny")
    assert "weights" not in {*containers, *volumes(rendered)}


@pytest.mark.parametrize("name", ["claim", "image", "ephemeral", "builtin"])
def test_the_engine_itself_never_downloads(name: str) -> None:
    """Its start has a budget, and it gets neither token nor proxy."""
    image = {"repository": "r" if name == "image" else "", "tag": "1"}
    values = merged(PROXY, source(name, image=image) | {"huggingFace": {"tokenSecret": "hub"}})
    if name == "builtin":
        values = merged(values, {"pool": TINY})
    environment = environment_of(engine(render(values)))
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert not {"HF_TOKEN", "HTTPS_PROXY", "HTTP_PROXY"} & set(environment)


@pytest.mark.parametrize("offline", [False, True])
def test_a_download_trusts_an_authority_of_ones_own(offline: bool) -> None:
    """Both who fetch read it from its Secret; the engine, which fetches nothing, does not."""
    claim = {"weights": {"claim": {"existing": "models"}}}
    values = {"offline": True, "pool": claim} if offline else {"huggingFace": {"caSecret": "ours"}}
    pod = pod_of(render(values))
    fetching = [(pod, containers_of(pod)["weights"])]
    if not offline:
        of_the_job = job(values)["spec"]["template"]["spec"]
        fetching.append((of_the_job, of_the_job["containers"][0]))
    for spec, container in fetching:
        file = environment_of(container).get("SSL_CERT_FILE")
        volumes = [each for each in spec["volumes"] if each["name"] == "authority"]
        assert (file is None) == offline == (volumes == [])
        if file:
            folder, _, name = file.rpartition("/")
            assert mounts_of(container)[folder] == {
                "name": "authority", "mountPath": folder, "readOnly": True
            }  # fmt: skip
            assert volumes[0]["secret"]["secretName"] == "ours"
            assert [each["path"] for each in volumes[0]["secret"]["items"]] == [name]
    assert "SSL_CERT_FILE" not in environment_of(containers_of(pod)["engine"])


def test_a_download_has_token_mirror_proxy_and_revision() -> None:
    """Job and init container are told the same, the token by reference to its Secret alone."""
    values = {
        "huggingFace": {"tokenSecret": "hub", "tokenKey": "t", "endpoint": "https://hf.example"},
        "pool": {"settings": {"engine": {"revision": REVISION}}},
        **PROXY,
    }
    init = containers_of(pod_of(render(values)))["weights"]
    of_the_job = job_container(job(values))
    assert environment_of(init) == environment_of(of_the_job) == {
        "HOME": HOME,
        "HF_HOME": "/weights/hub",
        "SERVING_ENGINE__MODEL": MODEL,
        "SERVING_ENGINE__REVISION": REVISION,
        "HF_ENDPOINT": "https://hf.example",
        "HF_TOKEN": {"secretKeyRef": {"name": "hub", "key": "t"}},
        "HTTPS_PROXY": "http://proxy:3128",
        "HTTP_PROXY": "http://proxy:3128",
        "NO_PROXY": ".svc",
    }  # fmt: skip
    assert init["command"] == of_the_job["command"][:-1]
    assert of_the_job["command"][-1] == "--digests"


def test_offline_nothing_is_fetched() -> None:
    """No Job is made, and the pod only checks what is in the claim."""
    rendered = render({"offline": True, "pool": {"weights": {"claim": {"existing": "models"}}}})
    assert rendered.all("Job") == []
    init = containers_of(pod_of(rendered))["weights"]
    assert init["command"][-1] == "check"
    assert environment_of(init)["HF_HUB_OFFLINE"] == "1"
    assert mounts_of(init)["/weights"]["readOnly"] is True


def test_the_job_runs_anywhere_and_ends() -> None:
    """It needs no GPU and no node of one, has an end, and is no hook that an install waits for."""
    values = pool(
        scheduling={"nodeSelector": {"gpu": "h100"}}, weights={"downloadBudgetSeconds": 77}
    )
    made = job(values)
    pod = made["spec"]["template"]["spec"]
    assert not {"nodeSelector", "runtimeClassName", "affinity"} & set(pod)
    assert set(job_container(made)["resources"]["limits"]) == {"memory", "ephemeral-storage"}
    assert made["spec"]["activeDeadlineSeconds"] == 77
    assert pod["restartPolicy"] == "Never"
    assert "annotations" not in made["metadata"]


def test_there_is_no_job_where_there_is_nothing_for_it_to_do() -> None:
    """The switch leaves the download to the init container; a folder in the claim needs none."""
    assert render(pool(weights={"downloadJob": False})).all("Job") == []
    values = pool(weights={"downloadJob": True, "claim": {"existing": "models"}})
    folder = {"settings": {"engine": {"model": "/weights/mine"}}}
    assert render(merged(values, {"pool": folder})).all("Job") == []


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pool(settings={"engine": {"revision": REVISION}}), id="revision"),
        pytest.param(pool(settings={"engine": {"model": "Qwen/Other"}}), id="model"),
        pytest.param(pool(weights={"downloadBudgetSeconds": 60}), id="budget"),
        pytest.param({"image": {"tag": "2"}}, id="image"),
        pytest.param({"huggingFace": {"endpoint": "https://hf.example"}}, id="mirror"),
        pytest.param({"security": {"runAsUser": 1234}}, id="user"),
        pytest.param({"commonLabels": {"team": "vision"}}, id="labels"),
    ],
)
def test_a_job_that_does_something_else_has_another_name(values: Json) -> None:
    """A Job is immutable: under its old name an upgrade would be refused."""
    assert job(values)["metadata"]["name"] != job()["metadata"]["name"]


def test_a_job_that_does_the_same_keeps_its_name() -> None:
    """Whatever else an upgrade changes, the download is not done again."""
    usual, later = job(), job(UNRELATED)
    assert later["metadata"]["name"] == usual["metadata"]["name"]
    assert later["spec"] == usual["spec"]


def test_names_fit_though_release_and_pool_are_long() -> None:
    """A Job's name becomes a label of its pods, which has 63 characters."""
    values: Json = {"pools": {"thinking": None, "a-pool-of-20-letters": {}}}
    values |= pool(weights={"downloadJob": True})
    rendered = render(values, release="a-release-of-22-letter")
    assert len(rendered.one("Deployment")["metadata"]["name"]) == 52
    for kind in ("Job", "PersistentVolumeClaim"):
        name = rendered.one(kind)["metadata"]["name"]
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name), name


def test_each_pool_has_a_claim_and_a_job_of_its_own() -> None:
    """Two models side by side do not share a volume that one node holds."""
    values = {"pools": {"instruct": {"settings": {"engine": {"model": "Qwen/I"}}}}}
    rendered = render(merged(values, pool(weights={"downloadJob": True})))
    for kind in ("Job", "PersistentVolumeClaim"):
        assert len({each["metadata"]["name"] for each in rendered.all(kind)}) == 2


@pytest.mark.parametrize(
    ("name", "persistent", "kept"),
    [("claim", True, True), ("claim", False, False), ("ephemeral", True, False)],
)
def test_compiled_kernels_are_kept_in_the_claim(name: str, persistent: bool, kept: bool) -> None:
    """They outlive the pod where there is a claim and the user wants it, else they are its own."""
    rendered = render(pool(weights={"source": name}, cache={"persistent": persistent}))
    mount = mounts_of(engine(rendered))["/cache"]
    assert "readOnly" not in mount
    if kept:
        assert (mount["name"], mount["subPath"]) == ("weights", "cache")
        assert "cache" not in volumes(rendered)
    else:
        assert mount["name"] == "cache"
        assert "emptyDir" in volumes(rendered)["cache"]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pool(engine={"image": {"tag": "v0.33.0"}}), id="image"),
        pytest.param(pool(engine={"image": {"digest": SHA}}), id="digest"),
        pytest.param(pool(settings={"engine": {"revision": REVISION}}), id="revision"),
        pytest.param(pool(settings={"engine": {"model": "Qwen/Other"}}), id="model"),
        pytest.param(pool(settings={"engine": {"max_num_seqs": 7}}), id="flag"),
        pytest.param(source("image", image={"repository": "m", "tag": "1"}), id="weights' image"),
    ],
)
def test_what_compiled_code_depends_on_changes_its_folder(values: Json) -> None:
    """Another image, model, revision or flag never meets what the old one has compiled."""
    assert cache_folder(values) != cache_folder()


def test_nothing_else_changes_the_folder() -> None:
    """Only the first start compiles, whatever else is changed in the meantime."""
    assert cache_folder(UNRELATED) == cache_folder()
    assert cache_folder(pool(weights={"downloadJob": False})) == cache_folder()


def test_a_new_weights_image_changes_the_folder() -> None:
    """Where weights come as an image, its tag is the revision."""
    tags = [source("image", image={"repository": "m", "tag": tag}) for tag in ("1", "2")]
    assert len({cache_folder(values) for values in tags}) == 2


def test_everything_the_engine_writes_has_a_volume() -> None:
    """Every folder it is told of is in the cache or in /tmp, also the home of a nameless user."""
    container = engine(render())
    environment = environment_of(container)
    folders = {name: value for name, value in environment.items() if str(value).startswith("/")}
    del folders["PYTHONPATH"], folders["HF_HOME"]
    assert {"HOME", "VLLM_CACHE_ROOT", "TRITON_CACHE_DIR"} <= set(folders)
    for name, folder in folders.items():
        assert folder.startswith((str(environment["HOME"]), f"{HOME}/")), name
    assert environment["USER"]
    assert {"/cache", HOME} <= set(mounts_of(container))

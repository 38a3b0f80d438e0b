"""compose.yaml: what it mounts, starts and ends, against the settings, the chart and the docs."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.images.build import SUFFIXES
from serving.engine import profile
from serving.options import Settings
from tests.deploy import dockerfile

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy"
CHART = ROOT / "helm" / "qwen3-vl"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
OURS = ("launcher", "engine", "gateway", "launcher-tiny", "engine-tiny", "gateway-tiny")
# Of one profile: how its services are named, its settings, and what its image's tag ends in.
GPU, CPU = ("", "settings-gpu.yaml", ""), ("-tiny", "settings-cpu.yaml", SUFFIXES["tiny"])
PAIRS = pytest.mark.parametrize(("name", "file", "suffix"), [GPU, CPU], ids=["gpu", "cpu"])
RESERVE_SECONDS = 15


def settings(file: str) -> Settings:
    """Read a settings file as the programs do, over the profile that it names."""
    return profile.settle(FOLDER / "compose" / file, {}, None)[0].settings


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Return what a service mounts, by the path in its container."""
    pairs = (line.split(":") for line in service.get("volumes", []))
    return {target: source for source, target, *_ in pairs}


def seconds(text: str) -> int:
    """Read a duration such as 25s."""
    assert text.endswith("s")
    return int(text[:-1])


def test_every_mounted_file_exists() -> None:
    """Docker would make a folder in place of a file that is missing."""
    sources = {source for service in SERVICES.values() for source in mounts(service).values()}
    files = {source for source in sources if source.startswith(".")}
    assert len(files) >= 7
    assert [source for source in files if not (FOLDER / source).exists()] == []
    assert sources - files == set(COMPOSE["volumes"])


def test_only_the_key_file_is_the_users_own() -> None:
    """It comes as a secret, where the settings look for it, and is never committed."""
    [(name, secret)] = COMPOSE["secrets"].items()
    source = re.fullmatch(r"\$\{KEYS_FILE:-\./(.+)\}", secret["file"])
    assert source
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert f"/deploy/{source[1]}" in ignored
    for file, service in (("settings-gpu.yaml", "gateway"), ("settings-cpu.yaml", "gateway-tiny")):
        [mounted] = SERVICES[service]["secrets"]
        assert mounted == {"source": name, "target": str(settings(file).gateway.keys_file)}


@PAIRS
def test_both_processes_read_the_same_settings(name: str, file: str, suffix: str) -> None:
    """A profile of the hardware found would differ: the gateway's container sees no GPU."""
    for service in (SERVICES[f"engine{name}"], SERVICES[f"gateway{name}"]):
        words = [*service.get("entrypoint", []), *service.get("command", [])]
        path = words[words.index("--config") + 1]
        assert mounts(service)[path] == f"./compose/{file}"
    written = yaml.safe_load((FOLDER / "compose" / file).read_text())
    assert written["engine"]["profile"] != "auto"


@PAIRS
def test_engine_and_gateway_share_the_socket(name: str, file: str, suffix: str) -> None:
    """Its folder is made below a volume of both, by one user."""
    socket = Path(settings(file).engine.listen)
    for service in (SERVICES[f"engine{name}"], SERVICES[f"gateway{name}"]):
        folder = next(Path(target) for target, source in mounts(service).items() if source == "run")
        assert folder in socket.parent.parents
        assert service["user"] == "{0}:{0}".format(VALUES["security"]["runAsUser"])


@PAIRS
def test_images_are_the_charts(name: str, file: str, suffix: str) -> None:
    """One version of vLLM and one of ours, wherever they run."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    own = f"${{IMAGE:-{VALUES['image']['repository']}:{version}}}{suffix}"
    assert SERVICES[f"gateway{name}"]["image"] == SERVICES[f"launcher{name}"]["image"] == own
    engine = VALUES["pool"]["engine"]["image"]
    repository = engine["repository"] + ("-cpu" if name else "")
    assert SERVICES[f"engine{name}"]["image"] == f"{repository}:{engine['tag']}"


def test_every_image_has_a_version() -> None:
    """A restart never brings another one."""
    text = (FOLDER / "compose.yaml").read_text()
    assert len(set(re.findall(r"qwen3-vl-serving:(\S+?)(?=[}\s])", text))) == 1
    images = [re.sub(r"^\$\{\w+:-|\}", "", service["image"]) for service in SERVICES.values()]
    assert [image for image in images if not re.search(r":v?\d+\.\d+\.\d+(-\w+)?$", image)] == []


@PAIRS
def test_the_volumes_belong_to_the_user_from_the_start(name: str, file: str, suffix: str) -> None:
    """A new volume takes over what the first image has at its place: the launcher's."""
    made = dockerfile.stages()["base"].all("RUN")[0].partition("install -d ")[2].split()
    owned = {word for word in made if word.startswith("/")}
    engine, gateway = mounts(SERVICES[f"engine{name}"]), mounts(SERVICES[f"gateway{name}"])
    written = {t for t, source in (engine | gateway).items() if not source.startswith(".")}
    assert written <= owned
    first = mounts(SERVICES[f"launcher{name}"])
    assert {t for t, source in engine.items() if not source.startswith(".")} <= set(first)
    assert SERVICES[f"engine{name}"]["depends_on"] == {
        f"launcher{name}": {"condition": "service_completed_successfully"}
    }


@PAIRS
def test_the_drain_has_its_time(name: str, file: str, suffix: str) -> None:
    """The gateway ends first and drains, then the engine: together the pod's time."""
    used = settings(file)
    gateway, engine = SERVICES[f"gateway{name}"], SERVICES[f"engine{name}"]
    assert gateway["depends_on"] == [f"engine{name}"]
    assert seconds(gateway["stop_grace_period"]) == used.gateway.drain_seconds + RESERVE_SECONDS
    assert seconds(engine["stop_grace_period"]) == used.engine.shutdown_timeout + RESERVE_SECONDS
    stated = re.search(r"that is (\d+) s by default", (FOLDER / "README.md").read_text())
    assert stated
    both = seconds(gateway["stop_grace_period"]) + seconds(engine["stop_grace_period"])
    assert both == int(stated[1])


def test_the_gpus_are_those_that_the_settings_share() -> None:
    """As many as one copy of the model takes, and shared memory of 1 GiB each, as in the chart."""
    used = settings("settings-gpu.yaml").engine
    [device] = SERVICES["engine"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["count"] == used.tensor_parallel_size
    assert device["capabilities"] == ["gpu"]
    assert SERVICES["engine"]["shm_size"] == f"{used.tensor_parallel_size}gb"
    assert used.model == VALUES["pool"]["settings"]["engine"]["model"]


def test_our_services_have_no_rights() -> None:
    """One plain user, no capabilities; the engine opens no port."""
    for name in OURS:
        service = SERVICES[name]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service.get("read_only", False) is not name.startswith("engine")
        assert ("ports" in service) is name.startswith("gateway")


def test_the_engine_may_load_what_it_compiles() -> None:
    """Docker mounts a tmpfs noexec unless it is told otherwise: no library could be loaded."""
    for name in ("engine", "engine-tiny"):
        assert [line.partition(":")[2] for line in SERVICES[name]["tmpfs"]] == ["exec"]


def test_ports_are_open_to_this_machine_alone() -> None:
    """All but the API's, which BIND opens."""
    ports = [line for service in SERVICES.values() for line in service.get("ports", [])]
    api = {line for line in ports if line.endswith(":8000")}
    assert api == {"${BIND:-127.0.0.1}:${PORT:-8000}:8000"}
    assert [line for line in ports if line not in api and not line.startswith("127.0.0.1:")] == []


def test_services_start_by_profile() -> None:
    """Each profile has one engine, and Prometheus finds its gateway by one name."""
    named = {name: service["profiles"] for name, service in SERVICES.items()}
    assert {name for name, profiles in named.items() if "gpu" in profiles} == {
        "launcher", "engine", "gateway", "prometheus", "grafana"
    }  # fmt: skip
    assert {name for name, profiles in named.items() if "cpu" in profiles} == {
        "launcher-tiny", "engine-tiny", "gateway-tiny", "prometheus", "grafana"
    }  # fmt: skip
    assert SERVICES["gateway-tiny"]["networks"] == {"default": {"aliases": ["gateway"]}}


def test_prometheus_scrapes_what_the_readme_says() -> None:
    """The same two jobs; only the address is the container's."""
    written = yaml.safe_load((FOLDER / "compose" / "prometheus.yml").read_text())
    blocks = re.findall(r"```yaml\n(.*?)```", (FOLDER / "README.md").read_text(), flags=re.DOTALL)
    [stated] = [yaml.safe_load(block) for block in blocks if "scrape_configs" in block]
    for job in stated["scrape_configs"]:
        job["static_configs"] = [{"targets": ["gateway:9000"]}]
    assert written["scrape_configs"] == stated["scrape_configs"]
    [rules] = written["rule_files"]
    folder = FOLDER / mounts(SERVICES["prometheus"])[str(Path(rules).parent)]
    assert folder.resolve() == CHART / "alerts"
    assert list(folder.glob(Path(rules).name))


def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    """Prometheus' own checker, the rules where they are mounted."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; enable: make ci-deps")
    text = (FOLDER / "compose" / "prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(
        text.replace("/etc/prometheus/rules", str(CHART / "alerts"))
    )
    command = [promtool, "check", "config", str(tmp_path / "prometheus.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(list((CHART / 'alerts').glob('*.yaml')))} rule files found" in checked.stdout


def test_grafana_finds_source_and_dashboards() -> None:
    """All four, as the chart has them, ask the default Prometheus."""
    where = mounts(SERVICES["grafana"])
    provisioned = FOLDER / where["/etc/grafana/provisioning/datasources"] / "prometheus.yaml"
    [source] = yaml.safe_load(provisioned.read_text())["datasources"]
    assert source["type"] == "prometheus" and source["isDefault"]
    host, port = source["url"].removeprefix("http://").split(":")
    assert SERVICES[host]["ports"][0].endswith(f":{port}")
    folder = FOLDER / where["/etc/grafana/provisioning/dashboards"]
    [provider] = yaml.safe_load((folder / "dashboards.yaml").read_text())["providers"]
    dashboards = FOLDER / where[provider["options"]["path"]]
    assert dashboards.resolve() == CHART / "dashboards"
    assert {path.stem for path in dashboards.glob("*.json")} == {
        "overview", "engine", "tenants", "loadtest"
    }  # fmt: skip
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (dashboards / Path(home).relative_to(provider["options"]["path"])).is_file()

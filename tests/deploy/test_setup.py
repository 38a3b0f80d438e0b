"""The set-up makes one environment inside the clone, once, and begins anew only where it must."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.clone import ROOT, Clone, make_wheel


@pytest.fixture
def fresh(tmp_path: Path) -> Clone:
    """A clone that nobody has set up."""
    return Clone(tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone whose engine was set up from nothing."""
    clone = Clone(tmp_path_factory.mktemp("done"))
    result = clone.setup("engine")
    assert result.returncode == 0, result.stderr
    assert "about 665 MB to download" in result.stdout
    return clone


def test_everything_lands_inside_the_clone(done: Clone) -> None:
    """The packages are in the clone's environment, and the home folder stays empty."""
    assert "torch" in done.installed()
    assert [path for path in done.sites.rglob("*") if path.name != "__pycache__"] == []


def test_a_second_call_does_nothing_and_returns_at_once(done: Clone) -> None:
    """No command is run and nothing is written or said once the stamp fits."""
    before = {path: path.stat().st_mtime_ns for path in (done.root / ".venv").iterdir()}
    no_commands = done.sites / "sitecustomize.py"
    no_commands.write_text("import subprocess; subprocess.Popen = None")
    result = done.setup("engine")
    no_commands.unlink()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert {path: path.stat().st_mtime_ns for path in (done.root / ".venv").iterdir()} == before


def test_development_adds_to_the_engine(done: Clone) -> None:
    """A further mode installs its own file only, and a changed pin is installed alone."""
    result = done.setup("dev")
    assert result.returncode == 0, result.stderr
    assert "from dev.txt, chart.txt:" in result.stdout
    assert {"torch", "devpart"} <= done.installed()
    pins = done.root / "deploy" / "requirements" / "dev.txt"
    pins.write_text("newpart==1.0\n")
    make_wheel(done.wheels, "newpart", "1.0")
    assert "dev.txt" in done.setup("dev", "--dry-run").stdout
    assert done.setup("dev").returncode == 0
    assert "newpart" in done.installed()


def test_javascript_clients_are_installed_once(done: Clone) -> None:
    """Development installs them where npm is, a second call nothing, a changed lock file again."""
    done.add_node_clients("one")
    assert "node_modules" not in done.setup("engine").stdout
    for lock in ("one", "two"):
        done.add_node_clients(lock)
        assert "npm ci" in done.setup("dev", "--dry-run").stdout
        result = done.setup("dev")
        assert (result.returncode, "node_modules" in result.stdout) == (0, True), result.stderr
        assert done.setup("dev").stdout == ""
    (done.programs / "npm").unlink()
    shutil.rmtree(done.root / "tests")


def test_a_registry_that_does_not_answer_costs_only_its_clients(done: Clone) -> None:
    """The set-up succeeds, says what is skipped, and asks again the next time."""
    assert done.setup("dev").returncode == 0
    done.add_node_clients("one", registry_answers=False)
    for _ in range(2):
        result = done.setup("dev")
        assert result.returncode == 0
        assert "will be skipped" in result.stdout
    (done.programs / "npm").unlink()
    shutil.rmtree(done.root / "tests")


def test_clients_with_other_pins_get_their_own_environment(done: Clone) -> None:
    """What only `make prove` asks with never meets the engine's packages."""
    result = done.setup("prove")
    assert result.returncode == 0, result.stderr
    assert done.installed(".venv/prove") == {"provepart"}
    assert "provepart" not in done.installed()
    assert done.setup("prove").stdout == ""


def test_the_charts_programs_are_unpacked_once(done: Clone) -> None:
    """Helm 3, Helm 4 and kubectl stand in an environment of their own, without their archives."""
    assert done.setup("dev").returncode == 0
    assert done.installed(".venv/chart") == {"chartpart"}
    assert "chartpart" not in done.installed()
    chart = done.root / ".venv" / "chart"
    said = {
        name: subprocess.run([chart / "bin" / name], capture_output=True, text=True, check=True)
        for name in ("helm3", "helm4", "kubectl")
    }
    assert {name: each.stdout for name, each in said.items()} == {
        "helm3": "helm of v32\n",
        "helm4": "helm of v37\n",
        "kubectl": "kubectl of v37\n",
    }
    assert list(chart.rglob("*.tgz")) == []


def test_the_charts_programs_are_left_out_where_they_do_not_run(fresh: Clone) -> None:
    """They are built for x86-64; on another processor the tests of the chart are skipped."""
    assert "chart.txt" in fresh.setup("check", "--dry-run").stdout
    fresh.pretend("machine", "aarch64")
    shown = fresh.setup("check", "--dry-run").stdout
    assert "dev.txt" in shown
    assert "chart.txt" not in shown


def test_a_failed_install_is_said_and_tried_again(done: Clone) -> None:
    """What pip could not find ends the set-up, keeps the rest and is asked for the next time."""
    pins = done.root / "deploy" / "requirements" / "dev.txt"
    content = pins.read_text()
    pins.write_text("nobodyhasthis==1.0\n")
    result = done.setup("dev")
    assert result.returncode == 1
    assert "dev.txt could not be installed" in result.stderr
    assert "--clear" not in done.setup("dev", "--dry-run").stdout
    pins.write_text(content)
    assert done.setup("dev").returncode == 0


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda venv: (venv / "set-up.unfinished").touch(), id="killed half-way"),
        pytest.param(lambda venv: (venv / "bin" / "python").unlink(), id="Python gone"),
        pytest.param(
            lambda venv: (venv / "set-up.json").write_text(
                json.dumps({"python": "/usr/bin/python3.0"})
            ),
            id="another Python",
        ),
    ],
)
def test_a_broken_environment_is_built_anew(done: Clone, tmp_path: Path, damage: object) -> None:
    """Each kind of half an environment is thrown away whole."""
    kept = tmp_path / "kept"
    shutil.copytree(done.root / ".venv", kept, symlinks=True)
    try:
        damage(done.root / ".venv")
        first, *rest = done.setup("engine", "--dry-run").stdout.splitlines()
        assert "-m venv --clear" in first
        assert any("engine-cpu.txt" in line for line in rest)
    finally:
        shutil.rmtree(done.root / ".venv")
        kept.rename(done.root / ".venv")


def test_a_kill_in_an_environment_apart_costs_that_one_alone(done: Clone) -> None:
    """The engine's packages are whole: only the chart's environment is made again."""
    program = done.root / "deploy" / "chart_programs.py"
    content = program.read_text()
    pins = done.root / "deploy" / "requirements" / "chart.txt"
    pins.write_text(f"{pins.read_text()}# another content\n")
    try:
        program.write_text("import os\nos.kill(os.getppid(), 9)\n")
        assert done.setup("dev").returncode == -9
    finally:
        program.write_text(content)
    made = [line for line in done.setup("dev", "--dry-run").stdout.splitlines() if "venv" in line]
    assert [line.split()[-1] for line in made if "--clear" in line] == [
        str(done.root / ".venv" / "chart")
    ]
    assert done.setup("dev").returncode == 0
    assert (done.root / ".venv" / "chart" / "bin" / "helm4").exists()


def test_an_environment_somebody_made_is_completed(done: Clone, tmp_path: Path) -> None:
    """An environment without a stamp is not thrown away: pip finds what it lacks."""
    stamp = done.root / ".venv" / "set-up.json"
    kept = stamp.rename(tmp_path / "stamp")
    try:
        shown = done.setup("engine", "--dry-run").stdout
        assert "--clear" not in shown
        assert "engine-cpu.txt" in shown
    finally:
        kept.rename(stamp)


def test_a_gpu_that_came_later_changes_the_engine(done: Clone) -> None:
    """The two engines exclude each other, so the environment is built anew for the GPU's."""
    done.add_gpu()
    try:
        gpu = {"CUDA_VISIBLE_DEVICES": "0"}
        shown = done.setup("engine", "--dry-run", environ=gpu).stdout
    finally:
        (done.programs / "nvidia-smi").unlink()
    assert "engine-cuda.txt" in shown
    assert "engine-cpu.txt" not in shown
    assert "--clear" in shown


def test_a_new_driver_is_noticed(done: Clone, fresh: Clone) -> None:
    """Upgraded as the sentence asks, the driver brings the GPU's engine at the next start."""
    shutil.copytree(done.root / ".venv", fresh.root / ".venv", symlinks=True)
    gpu = {"CUDA_VISIBLE_DEVICES": "0"}
    fresh.add_gpu(driver="535.104.05")
    before = fresh.setup("engine", environ=gpu)
    assert "has driver 535.104.05; CUDA 13 needs 580 or newer. So the CPU" in before.stdout
    assert "torch" in fresh.installed()
    assert fresh.setup("engine", environ=gpu).stdout == ""
    fresh.add_gpu(driver="580.95.05")
    after = fresh.setup("engine", environ=gpu)
    assert after.returncode == 0, after.stderr
    assert fresh.installed() == {"enginecuda"}


def test_a_gpu_beside_an_arm_processor_gets_the_cpus_engine(fresh: Clone) -> None:
    """The CUDA engine's pins are for x86-64, which is said in one sentence."""
    fresh.add_gpu()
    fresh.pretend("machine", "aarch64")
    said, *commands = fresh.setup(
        "engine", "--dry-run", environ={"CUDA_VISIBLE_DEVICES": "0"}
    ).stdout.splitlines()
    assert said == (
        "The CUDA engine is pinned for x86-64 and this is aarch64. So the CPU engine is set up."
    )
    assert "engine-cpu.txt" in commands[-1]


def test_pip_installs_torch_where_it_is_offered(fresh: Clone) -> None:
    """Where pip's own configuration knows the CPU build of torch, nothing else is needed."""
    shown = fresh.setup("engine", "--dry-run").stdout
    assert "engine-cpu.txt" in shown
    assert "uv" not in [Path(word).name for word in shown.split()]
    assert not (fresh.root / ".venv").exists()


def test_uv_installs_torch_where_pip_does_not_know_it(fresh: Clone) -> None:
    """With pip's configuration and find-links unset, uv brings the index itself."""
    shown = fresh.setup("engine", "--dry-run", environ={"PIP_FIND_LINKS": ""}).stdout
    bring, install = shown.splitlines()[-2:]
    assert bring.endswith(" uv==0.13.8")
    words = install.split()
    assert Path(words[0]).name == "uv"
    assert {"--no-deps", "--torch-backend=cpu", "--no-cache"} <= set(words)
    assert words[-1].endswith("engine-cpu.txt")


def test_an_unsupported_machine_is_told_in_one_sentence(fresh: Clone) -> None:
    """The engine is refused with the next step, and the checks are set up all the same."""
    fresh.pretend("system", "Darwin")
    refused = fresh.setup("engine")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "Darwin" in refused.stderr
    assert "make check" in refused.stderr
    assert refused.stderr.count("\n") == 1
    shown = fresh.setup("check", "--dry-run").stdout
    assert [line.rsplit("/", 1)[-1] for line in shown.splitlines()[1:]] == [
        "gateway.txt",
        "dev.txt",
    ]


def test_checks_need_the_engine_where_it_runs(fresh: Clone) -> None:
    """On a supported machine the checks see the packages that the engine brings."""
    shown = fresh.setup("check", "--dry-run").stdout
    assert "engine-cpu.txt" in shown
    assert "dev.txt" in shown


def test_a_full_disk_is_said_before_anything_is_fetched(fresh: Clone) -> None:
    """Too little room ends the set-up before the first command."""
    (fresh.sites / "sitecustomize.py").write_text(
        "import shutil; full = shutil.disk_usage('/')._replace(free=10**9)\n"
        "shutil.disk_usage = lambda path: full"
    )
    result = fresh.setup("engine")
    assert result.returncode == 1
    assert "free 1620 MB" in result.stderr
    assert not (fresh.root / ".venv").exists()


PIN_FILES = sorted((ROOT / "deploy" / "requirements").glob("*.txt"))


@pytest.mark.parametrize("path", PIN_FILES, ids=lambda path: path.name)
def test_every_requirement_is_pinned_and_every_file_explains_itself(path: Path) -> None:
    """Installed without dependencies, a file must name one version of each, and say its origin."""
    first, *lines = path.read_text().splitlines()
    assert first.startswith("# ")
    pins = [line.split(" ;")[0] for line in lines if not line.startswith("#")]
    names = [pin.replace("===", "==").split("==")[0] for pin in pins]
    assert all(pin.count("==") == 1 and not set(pin) & set("<>~*, ") for pin in pins)
    assert len(names) == len(set(names)) > 10


def test_the_gateways_pins_are_the_engines() -> None:
    """What runs in the gateway's image is what the tests beside the engine ran on."""
    pins = {
        path.name: set(path.read_text().replace("===", "==").splitlines()[1:]) for path in PIN_FILES
    }
    assert pins["gateway.txt"] <= pins["engine-cpu.txt"]
    assert pins["gateway.txt"] <= pins["engine-cuda.txt"]


def test_development_brings_no_other_version_than_the_engine() -> None:
    """Installed one after the other into one environment, the files agree on what they share."""
    pins = {
        path.name: dict(
            line.split(" ;")[0].replace("===", "==").split("==")
            for line in path.read_text().splitlines()
            if not line.startswith("#")
        )
        for path in PIN_FILES
    }
    development = pins["dev.txt"].items()
    for engine in (pins["engine-cpu.txt"], pins["engine-cuda.txt"]):
        shared = {name: version for name, version in development if name in engine}
        assert len(shared) > 20
        assert shared == {name: engine[name] for name in shared}

"""The images' packages, by the real pip: installed by the Dockerfile's own step, and measured."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.deploy import dockerfile, environment

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "deploy" / "requirements"
# All of an image, as a registry counts it, less what python:3.13-slim takes of that.
MAX_COMPRESSED_BYTES = 200_000_000 - 60_000_000
PLATFORMS = ("x86_64", "aarch64")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run install.sh for each image, with this Python, into a folder of the image's name."""
    if shutil.which("strip") is None:
        pytest.skip("strip is not installed; enable: apt-get install binutils")
    folder = tmp_path_factory.mktemp("installed")
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    for name in ("gateway", "loadtests", "sbom"):
        pins, target = str(REQUIREMENTS / f"{name}.txt"), str(folder / name)
        subprocess.run(
            ["/bin/sh", str(ROOT / "deploy" / "images" / "install.sh"), pins, target],
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            check=True,
        )
    return folder


def ask(folder: Path, name: str, *words: str, cwd: Path | None = None) -> str:
    """Run the Python of an installed set; return what it printed."""
    python = str(folder / name / "bin" / "python")
    asked = subprocess.run([python, *words], cwd=cwd, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", ["gateway", "loadtests", "sbom"])
def test_every_pin_has_a_wheel_for_both_platforms(name: str, platform: str, tmp_path: Path) -> None:
    """No compiler is needed for Python 3.13 on either."""
    report = tmp_path / "report.json"
    pins = REQUIREMENTS / f"{name}.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps"]
    pip += ["--ignore-installed", "--only-binary", ":all:", "--python-version", "3.13"]
    for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014"):
        pip += ["--platform", f"{tag}_{platform}"]
    pip += ["--target", str(tmp_path / "nowhere"), "--report", str(report), "-r", str(pins)]
    subprocess.run(pip, check=True)
    found = {
        environment.canonical(item["metadata"]["name"]): item["metadata"]["version"]
        for item in json.loads(report.read_text())["install"]
    }
    assert found == environment.pins(pins)


def test_the_installed_sets_run(installed: Path, tmp_path: Path) -> None:
    """Stripped of debug symbols, each starts its program, and none has pip."""
    sources = tmp_path / "sources"
    dockerfile.make_sources(sources)
    assert "Usage" in ask(installed, "gateway", "-m", "serving", "--help", cwd=sources / "gateway")
    assert "engine:" in ask(
        installed, "gateway", "-m", "serving", "settings", cwd=sources / "gateway"
    )
    assert "Usage" in ask(
        installed, "loadtests", "-m", "loadtests", "--help", cwd=sources / "loadtest"
    )
    load = "import loadtests.swarm.users, loadtests.swarm.master, loadtests.run"
    ask(installed, "loadtests", "-c", load, cwd=sources / "loadtest")
    for name in ("gateway", "loadtests"):
        asked = "import importlib.util as u; print(u.find_spec('pip'), u.find_spec('serving'))"
        assert ask(installed, name, "-P", "-c", asked) == "None None\n"


def test_the_list_of_parts_names_every_pin(installed: Path, tmp_path: Path) -> None:
    """CycloneDX, written by the Dockerfile's own command."""
    [command] = [
        line for line in dockerfile.stages()["inventory"].all("RUN") if "cyclonedx_py" in line
    ]
    words = command.split()[1:]
    words[words.index("pyproject.toml")] = str(ROOT / "pyproject.toml")
    words[words.index("/gateway.cdx.json")] = str(tmp_path / "sbom.json")
    words[words.index("/opt/venv/bin/python")] = str(installed / "gateway" / "bin" / "python")
    ask(installed, "sbom", *words)
    document = json.loads((tmp_path / "sbom.json").read_text())
    parts = {
        environment.canonical(part["name"]): part["version"] for part in document["components"]
    }
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "qwen3-vl-serving"
    assert parts == environment.pins(REQUIREMENTS / "gateway.txt")


def test_the_gateways_packages_leave_room_for_the_base(installed: Path, tmp_path: Path) -> None:
    """Under 200 MB with the base, compressed as in a registry."""
    archive = tmp_path / "layer.tar.gz"
    with (
        gzip.open(archive, "wb", compresslevel=6) as file,
        tarfile.open(fileobj=file, mode="w") as tar,
    ):
        tar.add(installed / "gateway", "opt/venv")
    assert archive.stat().st_size < MAX_COMPRESSED_BYTES

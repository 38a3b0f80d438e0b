"""The Dockerfile, what it is given, and the program that builds it: what can be told unbuilt."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from deploy.images import build
from serving.options import GatewaySettings
from tests.deploy import dockerfile, environment

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "deploy" / "requirements"
CHART = ROOT / "helm" / "qwen3-vl"
DIGEST = "sha256:" + 64 * "a"
# Stands for Docker: writes down what it was asked, and the digest where buildx would.
DOCKER = f"""#!/bin/sh
echo "$@" >> "$ASKED"
while [ $# -gt 0 ]; do
  [ "$1" = --metadata-file ] && echo '{{"containerimage.digest": "{DIGEST}"}}' > "$2"
  shift
done
exit "$DOCKER_ENDS"
"""


@pytest.fixture(scope="module")
def stages() -> dict[str, dockerfile.Stage]:
    """Return the Dockerfile's stages."""
    return dockerfile.stages()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for Docker first on the path; return the file of what it was asked."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    asked = tmp_path / "asked"
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("ASKED", str(asked))
    monkeypatch.setenv("DOCKER_ENDS", "0")
    return asked


def test_there_is_one_dockerfile() -> None:
    """The engine's image stays vLLM's own."""
    folders = ("deploy", "helm", "serving", "loadtests")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*Dockerfile*")]
    assert [*found, *ROOT.glob("*Dockerfile*")] == [dockerfile.PATH]


def test_every_image_runs_as_one_plain_user(stages: dict[str, dockerfile.Stage]) -> None:
    """The user exists, is the chart's, and nothing is changed to another one later."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    user = values["security"]["runAsUser"]
    assert stages["base"].all("USER") == [f"{user}:{user}"]
    assert f"useradd --uid {user} " in stages["base"].all("RUN")[0]
    assert stages["gateway"].base == stages["loadtest"].base == "base"
    assert stages["tiny"].base == "gateway"
    assert [name for name, stage in stages.items() if stage.all("USER")] == ["base"]


def test_what_runs_comes_from_one_base_of_a_fixed_python(
    stages: dict[str, dockerfile.Stage],
) -> None:
    """Its name is given once, by tag, so that a digest or a mirror can take its place."""
    first = dockerfile.PATH.read_text()
    assert re.search(r"^ARG PYTHON=python:3\.13-slim-\w+$", first, flags=re.MULTILINE)
    bases = {stage.base for stage in stages.values()} - set(stages)
    assert bases == {"${PYTHON}", "scratch"}


def test_packages_are_built_in_a_stage_that_is_left_behind(
    stages: dict[str, dockerfile.Stage],
) -> None:
    """Images get packages and sources alone: no compiler, no pip, no package lists."""
    copies = [line for name in ("gateway", "tiny", "loadtest") for line in stages[name].all("COPY")]
    assert copies
    assert all(
        line.startswith(
            ("--from=sources ", "--from=gateway-packages ", "--from=loadtest-packages ")
        )
        for line in copies
    )
    [run] = stages["base"].all("RUN")
    assert "site-packages/*" in run and "ensurepip" in run and "bin/pip*" in run
    assert "apt-get" not in run


def test_the_ports_are_the_settings_own(stages: dict[str, dockerfile.Stage]) -> None:
    """The image says which ports the gateway opens by default."""
    gateway = GatewaySettings()
    assert stages["gateway"].all("EXPOSE") == [f"{gateway.port} {gateway.admin_port}"]
    [check] = stages["gateway"].all("HEALTHCHECK")
    assert f"http://127.0.0.1:{gateway.admin_port}/healthz" in check


def test_the_context_holds_what_is_copied_and_no_more(stages: dict[str, dockerfile.Stage]) -> None:
    """Each source is let in by .dockerignore, and what is let in is copied."""
    first, *rest = (ROOT / ".dockerignore").read_text().splitlines()[1:]
    let_in = {line[1:] for line in rest if line.startswith("!")}
    own = [line for s in stages.values() for line in s.all("COPY") if "--from" not in line]
    copied = {source.rstrip("/") for line in own for source in line.split()[:-1]}
    assert first == "*"
    assert {path for path in let_in if not (ROOT / path).exists()} == set()
    assert {
        path for path in let_in if not any(path == c or fnmatch(path, f"{c}/*") for c in copied)
    } == set()
    assert {
        c for c in copied if not any(path == c or path.startswith(f"{c}/") for path in let_in)
    } == set()


def test_the_load_tests_have_the_pins_they_are_tested_with() -> None:
    """Complete by Locust's own requirements, and the same versions as in dev.txt."""
    pins = environment.pins(REQUIREMENTS / "loadtests.txt")
    roots = ("locust", "msgspec", "pillow", "pyyaml", "typer")
    assert pins.items() <= environment.pins(REQUIREMENTS / "dev.txt").items()
    assert set(pins) == set().union(*(environment.closure(name) for name in roots))


def test_the_version_is_told_once() -> None:
    """Chart, images and project are released together."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == build.version() == project["version"]


def test_the_chart_asks_for_images_as_they_are_named(stages: dict[str, dockerfile.Stage]) -> None:
    """Repository, suffixes and digests are those that the templates write."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    templates = "".join(path.read_text() for path in CHART.glob("templates/**/*") if path.is_file())
    assert values["image"]["repository"] == build.NAME
    assert set(build.SUFFIXES) <= set(stages)
    variants = [name for name in build.SUFFIXES if name != "gateway"]
    assert [build.SUFFIXES[name] for name in variants] == [f"-{name}" for name in variants]
    assert [name for name in variants if f'"{name}"' not in templates] == []
    assert set(build.VALUES.values()) <= set(values["image"])


def test_images_for_a_registry_are_built_for_both_platforms_and_pushed(
    docker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each digest is printed, and the line for Helm."""
    assert build.main(["--registry", "registry.example.org/team/"]) == 0
    said, asked = capsys.readouterr().out.splitlines(), docker.read_text().splitlines()
    version = build.version()
    name = "registry.example.org/team/qwen3-vl-serving"
    assert said[:3] == [
        f"{name}:{version}  {DIGEST}",
        f"{name}:{version}-tiny  {DIGEST}",
        f"{name}:{version}-loadtest  {DIGEST}",
    ]
    assert said[-1] == (
        f"--set image.repository={name} --set image.tag={version} --set image.digest={DIGEST} "
        f"--set image.tinyDigest={DIGEST} --set image.loadtestDigest={DIGEST}"
    )
    builds = [line for line in asked if "--tag" in line]
    assert len(builds) == 3
    assert all("--platform linux/amd64,linux/arm64 --push" in line for line in builds)
    assert all(f"--build-arg VERSION={version} " in line for line in asked if "--target" in line)
    assert all("--build-arg PIP_INDEX_URL " in line for line in asked if "--target" in line)
    assert "--target sbom" in asked[-1] and "type=local" in asked[-1]


def test_without_a_registry_images_stay_on_this_machine(
    docker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is pushed, and Helm is told no digest that no registry gave."""
    assert build.main([]) == 0
    asked = docker.read_text()
    assert "--push" not in asked and "--platform" not in asked
    assert asked.count("--load") == 3
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"--set image.repository=qwen3-vl-serving --set image.tag={build.version()}"
    )


def test_without_docker_it_says_so(tmp_path: Path) -> None:
    """One sentence, and nothing is tried."""
    ended = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "images" / "build.py")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert (
        ended.stderr == "docker buildx is needed and does not answer: install Docker 23 or later.\n"
    )
    assert ended.stdout == ""


def test_a_build_that_fails_ends_the_program(
    docker: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No later image is built, and no line for Helm is printed."""
    monkeypatch.setattr(build, "has_buildx", lambda: True)
    monkeypatch.setenv("DOCKER_ENDS", "1")
    assert build.main([]) == 1
    assert len(docker.read_text().splitlines()) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"qwen3-vl-serving:{build.version()} could not be built, for the reason above.\n"
    )


def test_no_token_of_a_clone_is_written_into_an_image() -> None:
    """The label names the address alone."""
    assert (
        build.without_secret("https://me:token@example.org/a/b.git")
        == "https://example.org/a/b.git"
    )
    assert build.without_secret("git@example.org:a/b.git") == "git@example.org:a/b.git"

"""Builds the images with docker buildx, and says what to give Helm.

Without a registry they are built for this machine and loaded into Docker; with one, for both
platforms, and pushed.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = "linux/amd64,linux/arm64"
NAME = "qwen3-vl-serving"
# A target of the Dockerfile, and what its tag ends in, as the chart has it.
SUFFIXES = {"gateway": "", "tiny": "-tiny", "loadtest": "-loadtest"}
# The chart's value for a target's digest.
VALUES = {"gateway": "digest", "tiny": "tinyDigest", "loadtest": "loadtestDigest"}
SBOM = "build/sbom"


@dataclass(frozen=True, slots=True)
class Build:
    """What all images of a call share; an empty registry keeps them on this machine."""

    registry: str
    version: str
    revision: str
    source: str

    @property
    def repository(self) -> str:
        """The images' name without tag."""
        return f"{self.registry.rstrip('/')}/{NAME}" if self.registry else NAME

    def tag(self, target: str) -> str:
        """Return the name of a target's image."""
        return f"{self.repository}:{self.version}{SUFFIXES[target]}"

    def command(self, target: str, metadata: Path) -> list[str]:
        """Return the command that makes a target's image and writes down its digest."""
        where = ["--load"]
        if self.registry:
            # What the base's Debian holds is in buildx's own list, beside the image.
            where = ["--platform", PLATFORMS, "--push", "--sbom=true", "--provenance=mode=max"]
        named = ["--tag", self.tag(target), "--metadata-file", str(metadata)]
        return [*self._start(target), *where, *named, str(ROOT)]

    def sbom_command(self) -> list[str]:
        """Return the command that writes the list of the gateway's distributions as a file."""
        return [*self._start("sbom"), "--output", f"type=local,dest={ROOT / SBOM}", str(ROOT)]

    def _start(self, target: str) -> list[str]:
        said = {"VERSION": self.version, "REVISION": self.revision, "SOURCE": self.source}
        arguments = [word for name in said for word in ("--build-arg", f"{name}={said[name]}")]
        # Without a value it is this environment's own, or none.
        arguments += ["--build-arg", "PIP_INDEX_URL"]
        dockerfile = str(ROOT / "deploy" / "images" / "Dockerfile")
        return ["docker", "buildx", "build", "--file", dockerfile, "--target", target, *arguments]


def main(arguments: list[str]) -> int:
    """Build what is asked for; returns the program's exit code."""
    parser = argparse.ArgumentParser(description="Build the images, and push them to a registry.")
    parser.add_argument("--registry", default="", help="such as registry.example.org/team")
    registry = parser.parse_args(arguments).registry
    if not has_buildx():
        sys.stderr.write(
            "docker buildx is needed and does not answer: install Docker 23 or later.\n"
        )
        return 1
    build = Build(
        registry, version(), revision(), without_secret(git("remote", "get-url", "origin"))
    )
    with tempfile.TemporaryDirectory() as folder:
        digests = {}
        for target in SUFFIXES:
            metadata = Path(folder) / f"{target}.json"
            if subprocess.run(build.command(target, metadata), check=False).returncode:  # noqa: S603 - from this file
                sys.stderr.write(f"{build.tag(target)} could not be built, for the reason above.\n")
                return 1
            digests[target] = digest(metadata)
            print_line(f"{build.tag(target)}  {digests[target]}")
    if subprocess.run(build.sbom_command(), check=False).returncode:  # noqa: S603 - from this file
        sys.stderr.write("The list of the image's parts could not be made.\n")
        return 1
    print_line(f"{SBOM}/gateway.cdx.json  CycloneDX")
    print_line(helm_line(build, digests if registry else {}))
    return 0


def helm_line(build: Build, digests: Mapping[str, str]) -> str:
    """Return what Helm is told about the images: digests by target where a registry gave some."""
    said = {"repository": build.repository, "tag": build.version}
    said |= {VALUES[target]: digest for target, digest in digests.items()}
    return " ".join(f"--set image.{value}={text}" for value, text in said.items())


def version() -> str:
    """Return the project's version, which is the chart's appVersion."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def revision() -> str:
    """Return the commit that is built, marked where files differ from it."""
    return git("describe", "--always", "--exclude=*", "--abbrev=40", "--dirty")


def without_secret(url: str) -> str:
    """Return an address without the name and the token that some clones keep in it."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def git(*words: str) -> str:
    """Ask git about this clone; unknown where it does not say."""
    program = shutil.which("git")
    if program is None:
        return "unknown"
    asked = subprocess.run([program, "-C", str(ROOT), *words], capture_output=True, text=True)  # noqa: S603, PLW1510 - from this file; no answer is an answer
    return asked.stdout.strip() if asked.returncode == 0 else "unknown"


def has_buildx() -> bool:
    """Tell whether Docker and its builder answer here."""
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False)  # noqa: S607 - the user's own Docker
    return asked.returncode == 0


def digest(metadata: Path) -> str:
    """Return the digest that buildx wrote down."""
    return str(json.loads(metadata.read_text())["containerimage.digest"])


def print_line(line: str) -> None:
    """Say something on the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

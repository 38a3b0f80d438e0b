"""The Dockerfile as its stages, and those of its steps that need no container engine."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATH = ROOT / "deploy" / "images" / "Dockerfile"
CONTINUED = re.compile(r"\\\n(?:\s*#.*\n)*\s*")
IGNORED = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True)
class Stage:
    """What a stage begins with, and its instructions: a word and the rest of the line each."""

    base: str
    instructions: list[tuple[str, str]]

    def all(self, word: str) -> list[str]:
        """Return the arguments of an instruction, each time it occurs."""
        return [argument for name, argument in self.instructions if name == word]

    def command(self, word: str) -> list[str]:
        """Return the words of ENTRYPOINT or CMD."""
        [argument] = self.all(word)
        return list(json.loads(argument))

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the stage sets."""
        return dict(pair.split("=", 1) for line in self.all("ENV") for pair in line.split())


def stages() -> dict[str, Stage]:
    """Return all stages of the Dockerfile by their names."""
    found: dict[str, Stage] = {}
    lines = CONTINUED.sub("", PATH.read_text()).splitlines()
    instructions = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    for word, _, argument in instructions:
        if word == "FROM":
            base, _, name = argument.partition(" AS ")
            stage = found[name] = Stage(base, [])
        elif found:
            stage.instructions.append((word, argument))
    return found


def make_sources(root: Path) -> None:
    """Do what the stage `sources` does, below a folder instead of /."""
    root.mkdir(parents=True)
    for word, argument in stages()["sources"].instructions:
        if word == "COPY":
            source, target = argument.split()
            shutil.copytree(ROOT / source, root / target[1:], ignore=IGNORED)
        if word == "RUN":
            subprocess.run(["/bin/sh", "-euc", below(root, argument)], check=True)


def below(root: Path, command: str) -> str:
    """Write a command with absolute paths so that they begin at a folder."""
    return re.sub(r"(?<![\w.}])/(?=\w)", f"{root}/", command)

"""Environments that hold some distributions alone, linked out of the one that runs the tests."""

import importlib.metadata
import re
import sys
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


def canonical(name: str) -> str:
    """Write a distribution's name as all its spellings are."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    """Return the versions that a requirement file names."""
    lines = (line.partition(";")[0].strip() for line in path.read_text().splitlines())
    pairs = (re.split("={2,3}", line) for line in lines if line and not line.startswith("#"))
    return {canonical(name): version for name, version in pairs}


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Return a distribution and all that it requires here, in turn, as far as it is installed."""
    found: set[str] = set()
    asked = {(canonical(name), extras)}
    todo = list(asked)
    while todo:
        name, extras = todo.pop()
        try:
            required = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # such as triton, which engine-cpu.txt leaves out
        found.add(name)
        more = set(_needed(required, extras)) - asked
        asked |= more
        todo += more
    return found


def _needed(
    required: Iterable[str], extras: frozenset[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    for requirement in map(Requirement, required):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonical(requirement.name), frozenset(requirement.extras)


def make(folder: Path, names: Iterable[str]) -> Path:
    """Make a virtual environment of these distributions alone; return its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = folder / "lib" / VERSION / "site-packages"
    owners: dict[str, list[importlib.metadata.Distribution]] = {}
    for name in names:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            owners.setdefault(top, []).append(distribution)
    for top, distributions in owners.items():
        source = Path(str(distributions[0].locate_file(top)))
        # Others may have parts in a namespace, such as opentelemetry.
        is_shared = source.is_dir() and not (source / "__init__.py").exists()
        if len(distributions) == 1 and not is_shared:
            (packages / top).symlink_to(source)
            continue
        for distribution in distributions:
            _link_files(distribution, top, packages)
    return folder / "bin" / "python"


def _link_files(distribution: importlib.metadata.Distribution, top: str, packages: Path) -> None:
    for file in distribution.files or ():
        if file.parts[0] == top and "__pycache__" not in file.parts:
            link = packages / file
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(file.locate())

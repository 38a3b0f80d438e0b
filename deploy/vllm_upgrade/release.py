"""The vLLM that this repository is held to, and every place that says so.

The pin in engine-cuda.txt is the fact. What can be derived from it is; the places below repeat it
for readers and for programs that are not ours, and are written anew with it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
REQUIREMENTS: Final = ROOT / "deploy" / "requirements"
LISTS: Final = ROOT / "tests" / "contracts" / "data"
PIN: Final = re.compile(r"^vllm==(\S+)$", re.MULTILINE)
VERSION: Final = re.compile(r"\d+\.\d+\.\d+(\.?(rc|post)\d+)?")
# Files beside the pins, with the words around the version; {} is the version.
PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "helm/qwen3-vl/values.yaml": ("tag: v{}\n",),
    "deploy/compose.yaml": ("vllm/vllm-openai:v{}", "vllm/vllm-openai-cpu:v{}"),
    ".github/workflows/e2e.yaml": ("vllm/vllm-openai-cpu:v{}",),
    "README.md": ("engine (vLLM {}, no TCP port)", "build of vLLM {}, pinned"),
}
# Which version was measured or looked into stays what it was.
RECORDS: Final = ("CHANGELOG.md", "deploy/decisions/", "deploy/results/", "tests/")


def pinned() -> str:
    """Return the version that the requirements pin."""
    found = PIN.search((REQUIREMENTS / "engine-cuda.txt").read_text(encoding="utf-8"))
    if found is None:
        raise LookupError("deploy/requirements/engine-cuda.txt pins no vLLM")
    return found[1]


def flag_list(version: str) -> Path:
    """Return the file with that version's flags."""
    return LISTS / f"vllm_flags_{version}.txt"


def metric_list(version: str) -> Path:
    """Return the file with that version's metrics."""
    return LISTS / f"vllm_metrics_{version}.txt"


def renewed(old: str, new: str, root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Yield each place's file with its new text; a place that is not found stops it."""
    for name, places in PLACES.items():
        text = (root / name).read_text(encoding="utf-8")
        for place in places:
            if place.format(old) not in text:
                raise LookupError(f"{name} does not say {place.format(old).strip()!r} any more")
            text = text.replace(place.format(old), place.format(new))
        yield root / name, text


def remarks(version: str, root: Path = ROOT) -> Iterator[str]:
    """Yield the sentences in code that were found out with that version, each with its place."""
    short = re.escape(version.rpartition(".")[0])
    said = re.compile(rf"vLLM {short}\b(?!, (?:no TCP|pinned))")
    for path in sorted((root / "serving").rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if said.search(line):
                yield f"{path.relative_to(root)}:{number}: {line.strip()}"

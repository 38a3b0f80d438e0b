"""What another vLLM has and has not: flags and metrics, those that are used here first."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from deploy.vllm_upgrade.release import ROOT

# Where flags are given, and where metrics are read.
FLAGS_IN: Final = ("serving/engine",)
METRICS_IN: Final = ("helm/qwen3-vl", "serving/gateway", "serving/planner", "deploy/dashboards")
METRIC: Final = re.compile(r"vllm:[a-z0-9_]+")
OF_A_HISTOGRAM: Final = re.compile(r"_(?:bucket|sum|count)$")
SHOWN: Final = 60


def read(path: Path) -> dict[str, str]:
    """Return what a list says of each name: a metric's type, of a flag nothing."""
    lines = (line.partition(" ") for line in path.read_text(encoding="utf-8").splitlines())
    return {name: said for name, _, said in lines}


def difference(
    title: str, old: Mapping[str, str], new: Mapping[str, str], used: Mapping[str, list[str]]
) -> Iterator[str]:
    """Yield the lines of a comparison, what is used here first and with its files."""
    kinds = {
        "gone": sorted(old.keys() - new.keys()),
        "changed": sorted(name for name in old.keys() & new.keys() if old[name] != new[name]),
        "new": sorted(new.keys() - old.keys()),
    }
    yield f"{title}: {', '.join(f'{len(names)} {kind}' for kind, names in kinds.items())}."
    for kind in ("gone", "changed"):
        for name in (name for name in kinds[kind] if name in used):
            said = f", {old[name]} before, {new[name]} now" if kind == "changed" else ""
            yield f"  {kind.upper()}, AND USED in {', '.join(used[name])}: {name}{said}"
    for kind, names in kinds.items():
        others = [name for name in names if kind == "new" or name not in used]
        if others:
            more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            yield f"  {kind}: {' '.join(others[:SHOWN])}{more}"


def missing(old: Mapping[str, str], new: Mapping[str, str], used: Iterable[str]) -> list[str]:
    """Return what is used here and gone."""
    return sorted(name for name in used if name in old and name not in new)


def used_flags(flags: Iterable[str], root: Path = ROOT) -> dict[str, list[str]]:
    """Return those of the flags that the launcher gives, each with its files."""
    texts = _texts(root, FLAGS_IN, ("*.py", "*.yaml"))
    found = {}
    for flag in flags:
        quoted = re.compile(rf"""["'](?:--)?{re.escape(flag.removeprefix("--"))}["']""")
        if files := [name for name, text in texts.items() if quoted.search(text)]:
            found[flag] = files
    return found


def used_metrics(metrics: Iterable[str], root: Path = ROOT) -> dict[str, list[str]]:
    """Return those of the metrics that alerts, dashboards, templates and gateway read."""
    known, found = set(metrics), {}
    for name, text in _texts(root, METRICS_IN, ("*.py", "*.yaml", "*.json", "*.tpl")).items():
        for word in set(METRIC.findall(text)):
            metric = word if word in known else OF_A_HISTOGRAM.sub("", word)
            found.setdefault(metric, []).append(name)
    return {metric: sorted(set(files)) for metric, files in found.items()}


def _texts(root: Path, folders: Iterable[str], patterns: Iterable[str]) -> dict[str, str]:
    paths = {
        path
        for folder in folders
        for pattern in patterns
        for path in (root / folder).rglob(pattern)
    }
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in sorted(paths)}

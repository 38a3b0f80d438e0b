"""Program `make vllm VERSION=x`: renews all that is pinned to vLLM's version and shows the diff.

Pins, the environment, lists of flags and metrics, the chart's tag; then the tests of the contract.
Needs Python and a network alone, and is undone by git.
"""

import argparse
import difflib
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from deploy import setup
from deploy.vllm_upgrade import image, lists, pins, release

# Each holds something of vLLM that we rely on: flags and their meaning, metrics, the parser.
HELD_BY: Final = (
    "tests/contracts",
    "tests/serving/engine",
    "tests/helm/test_settings_parsed.py",
    "tests/deploy/test_launcher_copy.py",
    "tests/deploy/test_vllm_upgrade.py",
)
NEXT: Final = """\
What to run next:
  make serve MODEL=tiny      and in another terminal:
  make score                 right answers of each task, compared with README.md
  make verify
  make test                  everything on the new engine
  make contracts             PARAMETERS.md and dashboards
deploy/upgrading-vllm.md goes on from there: a second pool, compare, switch or back."""


def main(arguments: list[str]) -> int:
    """Renew; returns the program's exit code, 1 where something that is used has gone."""
    parser = argparse.ArgumentParser(prog="python -m deploy.vllm_upgrade", description=__doc__)
    parser.add_argument("version", help="vLLM's version, such as 0.33.0")
    parser.add_argument(
        "--dry-run", action="store_true", help="show pins and places, write nothing"
    )
    options = parser.parse_args(arguments)
    version = options.version.removeprefix("v")
    if not release.VERSION.fullmatch(version):
        return setup.refuse(f"{options.version!r} is no version of vLLM: give one such as 0.33.0.")
    old = release.pinned()
    try:
        changed = renewed_files(old, version)
    except (pins.NotResolved, LookupError) as error:
        return setup.refuse(f"{error}\nNothing was changed.")
    show_files(changed)
    if options.dry_run:
        say("A dry run: nothing was written. Flags and metrics are compared after the set-up.")
        code = 0
    else:
        code = renew(old, version, changed)
    say(image.digest_line(version))
    return code


def renewed_files(old: str, version: str) -> dict[Path, str]:
    """Return every file that names the version, with its new text."""
    with tempfile.TemporaryDirectory(prefix="vllm-") as folder:
        scratch = Path(folder)
        uv = pins.install_uv(scratch / "uv")
        texts = pins.files(uv, version, scratch)
    return texts | dict(release.renewed(old, version))


def show_files(changed: Mapping[Path, str]) -> None:
    """Print which lines of which file change."""
    for path, text in changed.items():
        name = str(path.relative_to(release.ROOT))
        before = path.read_text(encoding="utf-8").splitlines()
        diff = list(difflib.unified_diff(before, text.splitlines(), name, name, n=0, lineterm=""))
        say("\n".join(line for line in diff[1:] if line[:2] != "@@") or f"{name}: no change")


def renew(old: str, version: str, changed: Mapping[Path, str]) -> int:
    """Write, set up, list, compare and test."""
    before = [lists.read(path(old)) for path in (release.flag_list, release.metric_list)]
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    python = str(setup.PYTHON)
    run([sys.executable, "deploy/setup.py", "check"])
    for program in ("vllm_parser", "metric_list"):
        run([python, f"tests/contracts/{program}.py"])
    if version != old:
        for path in (release.flag_list, release.metric_list):
            path(old).unlink(missing_ok=True)
    gone = compare(before, version)
    if remarks := list(release.remarks(old)):
        say(f"Read again what was found out with vLLM {old}:", *(f"  {each}" for each in remarks))
    held = run([python, "-m", "pytest", "-q", "-p", "no:schemathesis", *HELD_BY], must=False)
    say(NEXT)
    return 1 if gone or not held else 0


def compare(before: Iterable[Mapping[str, str]], version: str) -> list[str]:
    """Print what is gone, changed and new; returns what is gone and used here."""
    flags, metrics = before
    new_flags = lists.read(release.flag_list(version))
    new_metrics = lists.read(release.metric_list(version))
    used_flags, used_metrics = lists.used_flags(flags), lists.used_metrics(metrics)
    say(*lists.difference("Flags", flags, new_flags, used_flags))
    say(*lists.difference("Metrics", metrics, new_metrics, used_metrics))
    return [
        *lists.missing(flags, new_flags, used_flags),
        *lists.missing(metrics, new_metrics, used_metrics),
    ]


def run(command: list[str], *, must: bool = True) -> bool:
    """Run a command of this clone, its output going where ours goes; tell whether it succeeded."""
    say(f"$ {' '.join(command)}")
    done = subprocess.run(command, cwd=release.ROOT, check=must)  # noqa: S603 - from this file
    return done.returncode == 0


def say(*lines: str) -> None:
    """Print."""
    for line in lines:
        setup.print_line(line)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as failed:
        sys.exit(
            setup.refuse(f"This failed: {' '.join(failed.cmd)}. `git checkout` brings all back.")
        )

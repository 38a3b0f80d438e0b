"""What a clone costs and how its sources are kept: sizes, lengths, paths, the Makefile's page."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import __version__

ROOT = Path(__file__).resolve().parents[2]
MAX_FILE_BYTES = 8_000_000
MAX_PACKED_KIB = 30 * 1000
MAX_MODULE_LINES, MAX_TEST_LINES = 400, 500
MAX_FUNCTION_LINES = 60
MAX_MAKEFILE_LINES = 100


def git(*words: str) -> str:
    """Ask git about this clone; skip where there is none."""
    program = shutil.which("git")
    if program is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git clone; enable: git clone")
    asked = [program, "-c", f"safe.directory={ROOT}", *words]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Return every file that is or would be committed."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [path for path in (ROOT / name for name in listed if name) if path.is_file()]


@pytest.fixture(scope="module")
def modules(files: list[Path]) -> list[Path]:
    """Return every Python file of them."""
    found = [path for path in files if path.suffix == ".py"]
    assert len(found) > 50
    return found


def test_no_file_is_large(files: list[Path]) -> None:
    """Whoever clones pays for every version of a file, so that none is large."""
    assert [str(path) for path in files if path.stat().st_size > MAX_FILE_BYTES] == []


def test_the_packed_repository_is_small() -> None:
    """All history, packed or not yet, stays under 30 MB."""
    counts = dict(line.split(": ") for line in git("count-objects", "-v").splitlines())
    assert int(counts["size"]) + int(counts["size-pack"]) < MAX_PACKED_KIB


def test_the_checkpoint_was_committed_three_times_at_most() -> None:
    """Each version stays in every clone for ever."""
    path = "serving/tiny_model/checkpoint/model.safetensors"
    assert len(git("log", "--format=%h", "--diff-filter=AM", "--", path).split()) <= 3


def test_every_program_that_make_runs_is_there() -> None:
    """A target cannot outlive its program."""
    makefile = (ROOT / "Makefile").read_text()
    programs = re.findall(r"\S+\.py\b", makefile)
    assert programs
    assert [name for name in programs if not (ROOT / name).is_file()] == []


def test_no_file_names_the_place_of_this_clone(files: list[Path]) -> None:
    """What worked only here would break everywhere else."""
    if len(ROOT.parts) < 3:
        pytest.skip(f"{ROOT} is too short a path to be told from others")
    place = re.compile(re.escape(str(ROOT).encode()) + rb"(?![\w-])")
    assert [str(path) for path in files if place.search(path.read_bytes())] == []


def test_modules_fit_a_readers_head(modules: list[Path]) -> None:
    """A longer one holds more than one idea and is split by them."""
    long = {}
    for path in modules:
        limit = MAX_TEST_LINES if path.is_relative_to(ROOT / "tests") else MAX_MODULE_LINES
        lines = len(path.read_text().splitlines())
        if lines > limit:
            long[str(path.relative_to(ROOT))] = lines
    assert long == {}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Find every function of a file, methods and nested ones too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_fit_on_a_screen(modules: list[Path]) -> None:
    """A longer one does more than one thing and is split by them."""
    long = {
        f"{path.relative_to(ROOT)}:{function.name}": length
        for path in modules
        for function in functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_every_module_says_what_lives_in_it(modules: list[Path]) -> None:
    """A file with content opens with a docstring."""
    silent = [
        str(path.relative_to(ROOT))
        for path in modules
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def rules() -> dict[str, str]:
    """Return each target of the Makefile with the sentence beside it, if it has one."""
    found = re.findall(r"^([\w -]+):(?!=)[^#\n]*(?:## (.*))?$", MAKEFILE, flags=re.MULTILINE)
    return {target: sentence for targets, sentence in found for target in targets.split()}


MAKEFILE = (ROOT / "Makefile").read_text()
PHONY = [line.split()[1:] for line in MAKEFILE.splitlines() if line.startswith(".PHONY:")]


def test_the_makefile_is_one_page() -> None:
    """What a person types fits on a screen or two."""
    assert len(MAKEFILE.splitlines()) <= MAX_MAKEFILE_LINES


def test_every_public_target_has_its_sentence() -> None:
    """The first .PHONY line lists what people type; each says what it does, as `help` shows it."""
    public, *inner = PHONY
    sentences = rules()
    assert set(sentences) == {target for targets in PHONY for target in targets}
    assert [t for t in public if not re.fullmatch(r"[A-Z].*\.", sentences[t])] == []
    assert [t for targets in inner for t in targets if sentences[t]] == []


def test_help_lists_every_public_target() -> None:
    """`make` alone prints the page."""
    program = shutil.which("make")
    if program is None:
        pytest.skip("make is not installed; enable: make ci-deps")
    page = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  make ([\w-]+) ", page, flags=re.MULTILINE)
    assert sorted(listed) == sorted(PHONY[0])


def test_the_version_is_told_once() -> None:
    """What the package calls itself is what the project is called."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__

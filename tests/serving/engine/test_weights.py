"""Weights are whole before an engine starts, wherever they come from and whatever breaks."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.engine import weights
from serving.engine.checkpoint import missing_parts
from serving.failure import StartError
from tests.serving.engine import hub_server
from tests.serving.engine.hub_server import Hub, Repository
from tests.serving.engine.small_model import FILES, FIRST, SECOND, SHARDS, shard

constants = pytest.importorskip(
    "huggingface_hub.constants", reason="huggingface_hub is missing; enable: make test"
)
MODEL = "some/model"


@pytest.fixture
def repository() -> Repository:
    return Repository(dict(FILES) | {"original.bin": b"not needed"})


@pytest.fixture
def hub(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub of its own and an empty model cache, as HF_ENDPOINT and HF_HOME would set them."""
    for name in ("HF_HUB_OFFLINE", "HTTPS_PROXY", "https_proxy", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Hub(repository) as server:
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        # The library keeps whole chunks of a broken download only; its own are 10 MB.
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete checkpoint's folder."""
    path = tmp_path / "model"
    path.mkdir()
    for name, content in FILES.items():
        (path / name).write_bytes(content)
    return path


def blobs(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models--some--model" / "blobs"


def leave_part(tmp_path: Path, content: bytes) -> None:
    """Leave what a killed download of the first shard leaves."""
    blobs(tmp_path).mkdir(parents=True)
    (blobs(tmp_path) / f"{hub_server.sha256(FILES[FIRST])}.part").write_bytes(content)


def requests_for(repository: Repository, name: str) -> list[tuple[str, str]]:
    return [(method, ranges) for method, asked, ranges in repository.requests if asked == name]


def test_a_complete_folder_is_taken_as_it_is(folder: Path) -> None:
    """A local folder needs no hub, no plan to show and no download."""
    planned = weights.plan(str(folder), None, offline=False)
    assert (planned.folder, planned.lines()) == (folder, ())
    assert planned.weight_bytes == sum(map(len, SHARDS.values()))
    assert weights.resolve(str(folder), None, offline=True) == folder


def test_local_folders_never_import_the_hubs_library(folder: Path) -> None:
    """Starting from a folder touches no network because nothing that could is even loaded."""
    script = (
        "import sys; from serving.engine import weights;"
        f"weights.resolve({str(folder)!r}, None, offline=False);"
        "sys.exit('huggingface_hub' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        pytest.param(lambda f: (f / "config.json").unlink(), "config.json", id="no config"),
        pytest.param(lambda f: (f / "tokenizer.json").unlink(), "tokenizer", id="no tokenizer"),
        pytest.param(lambda f: (f / SECOND).unlink(), SECOND, id="a shard is absent"),
        pytest.param(lambda f: (f / SECOND).write_bytes(b""), SECOND, id="a shard is empty"),
        pytest.param(lambda f: cut(f / SECOND), SECOND, id="a shard is cut off"),
        pytest.param(lambda f: (f / SECOND).write_bytes(b"<html>" * 9), SECOND, id="not a shard"),
        pytest.param(
            lambda f: (f / "x.incomplete").touch(), "x.incomplete", id="a download's leftover"
        ),
        pytest.param(
            lambda f: (f / "model.safetensors.index.json").write_text("{"), "index", id="bad index"
        ),
    ],
)
def test_half_a_folder_is_refused_by_the_name_of_what_lacks(
    folder: Path, damage: object, named: str
) -> None:
    """Every way in which a copy stays half done is found before an engine reads it."""
    damage(folder)
    with pytest.raises(StartError, match="not complete") as refusal:
        weights.plan(str(folder), None, offline=False)
    assert named in refusal.value.what


def test_one_file_without_an_index_is_complete(folder: Path) -> None:
    """A small model has one file of weights and no index; without any it is not complete."""
    for name in ("model.safetensors.index.json", SECOND):
        (folder / name).unlink()
    assert missing_parts(folder) == []
    (folder / FIRST).unlink()
    assert missing_parts(folder) == ["weights (*.safetensors)"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A path is never mistaken for a repository's name."""
    with pytest.raises(StartError, match="does not exist"):
        weights.plan(str(tmp_path / "nowhere"), None, offline=False)


def test_the_plan_says_size_folder_disk_and_variables_but_no_value(
    hub: Hub, tmp_path: Path
) -> None:
    """What a download costs is known before a byte of it is fetched, and no secret is shown."""
    environ = {"HF_TOKEN": "hf_canary", "https_proxy": "http://canary", "HF_ENDPOINT": ""}
    planned = weights.plan(MODEL, None, offline=False, environ=environ)
    assert planned.download_bytes == sum(map(len, FILES.values()))
    assert planned.weight_bytes == sum(map(len, SHARDS.values()))
    assert planned.free_bytes == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
    assert planned.variables == ("HF_TOKEN", "HTTPS_PROXY")
    shown = "\n".join(planned.lines())
    assert str(tmp_path / "cache") in shown
    assert "canary" not in shown


def test_a_download_is_complete_and_the_second_start_asks_nobody(
    hub: Hub, repository: Repository
) -> None:
    """What was fetched is byte for byte the hub's, and needs no hub the next time."""
    seen: list[tuple[int, int]] = []
    folder = weights.resolve(
        MODEL, None, offline=False, progress=lambda done, total: seen.append((done, total))
    )
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert not (folder / "original.bin").exists()
    size = sum(map(len, FILES.values()))
    assert seen[-1] == (size, size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    repository.requests.clear()
    assert weights.resolve(MODEL, None, offline=True) == folder
    assert repository.requests == []


def test_a_pinned_revision_is_found_again(hub: Hub) -> None:
    """A commit that was fetched by its hash is complete in the cache under that hash."""
    folder = weights.resolve(MODEL, hub_server.COMMIT, offline=False)
    assert weights.resolve(MODEL, hub_server.COMMIT, offline=True) == folder


def test_a_push_during_the_download_mixes_no_commits(hub: Hub, repository: Repository) -> None:
    """Every file is of the commit that was announced, and the branch is found at it offline."""
    planned = weights.plan(MODEL, None, offline=False)
    repository.push("beef" * 10, **{"config.json": b'{"later": 1}', FIRST: shard(3)})
    folder = weights.fetch(planned)
    assert folder.name == planned.commit == hub_server.COMMIT
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert weights.resolve(MODEL, None, offline=True) == folder


def test_the_tiny_model_is_known_by_both_its_names() -> None:
    """Its short name and the id under which it is served mean the folder in the repository."""
    assert weights.local_folder("tiny") == weights.TINY_FOLDER
    assert weights.local_folder("tiny-qwen3-vl") == weights.TINY_FOLDER


def test_a_connection_that_breaks_half_way_is_continued(hub: Hub, repository: Repository) -> None:
    """The rest is asked for by range, and the file is whole."""
    repository.break_once.add(FIRST)
    folder = weights.resolve(MODEL, None, offline=False)
    assert (folder / FIRST).read_bytes() == FILES[FIRST]
    kept = len(FILES[FIRST]) // 2 // 4096 * 4096
    assert ("GET", f"bytes={kept}-") in requests_for(repository, FIRST)


def test_a_killed_download_goes_on_where_it_stopped(
    hub: Hub, repository: Repository, tmp_path: Path
) -> None:
    """The next start fetches and announces only what the last one left."""
    leave_part(tmp_path, FILES[FIRST][:40_000])
    planned = weights.plan(MODEL, None, offline=False)
    assert planned.download_bytes == sum(map(len, FILES.values())) - 40_000
    folder = weights.fetch(planned)
    assert (folder / FIRST).read_bytes() == FILES[FIRST]
    gets = [ranges for method, ranges in requests_for(repository, FIRST) if method == "GET"]
    assert gets == ["bytes=40000-"]
    assert list(blobs(tmp_path).glob("*.part")) == []


def test_a_download_killed_before_its_name_is_not_fetched_again(
    hub: Hub, repository: Repository, tmp_path: Path
) -> None:
    """All bytes are here and only the comparison was missed; a hub has no more to send."""
    leave_part(tmp_path, FILES[FIRST])
    folder = weights.resolve(MODEL, None, offline=False)
    assert (folder / FIRST).read_bytes() == FILES[FIRST]
    assert ("GET", f"bytes={len(FILES[FIRST])}-") not in requests_for(repository, FIRST)
    assert [method for method, _ in requests_for(repository, FIRST)] == ["HEAD"]


def test_a_damaged_part_is_noticed_and_thrown_away(hub: Hub, tmp_path: Path) -> None:
    """A part whose bytes are wrong never becomes weights, and the start after it succeeds."""
    leave_part(tmp_path, b"\0" * 40_000)
    with pytest.raises(StartError, match="damaged"):
        weights.resolve(MODEL, None, offline=False)
    folder = weights.resolve(MODEL, None, offline=False)
    assert (folder / FIRST).read_bytes() == FILES[FIRST]


def test_what_comes_damaged_is_thrown_away(hub: Hub, repository: Repository) -> None:
    """Bytes that a proxy or a disk spoiled never become weights, and the next start succeeds."""
    repository.spoil_once.add(FIRST)
    with pytest.raises(StartError, match=f"What was fetched of {FIRST} is damaged"):
        weights.resolve(MODEL, None, offline=False)
    folder = weights.resolve(MODEL, None, offline=False)
    assert (folder / FIRST).read_bytes() == FILES[FIRST]


def test_a_file_system_without_locks_is_named(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two downloads into one place would spoil each other; where none can wait none begins."""

    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StartError, match="has no locks"):
        weights.resolve(MODEL, None, offline=False)


def test_a_full_disk_is_said_before_the_download(
    hub: Hub, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too little room ends the start while it is still cheap."""
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(StartError, match=r"0\.0 MB free") as refusal:
        weights.resolve(MODEL, None, offline=False)
    assert "HF_HOME" in refusal.value.next_step
    assert requests_for(repository, FIRST) == []


def test_a_disk_that_fills_up_during_the_download_is_said(hub: Hub, tmp_path: Path) -> None:
    """The system's own "no space left" becomes the sentence about the disk."""
    blobs(tmp_path).mkdir(parents=True)
    part = blobs(tmp_path) / f"{hub_server.sha256(FILES[FIRST])}.part"
    part.symlink_to("/dev/full")
    with pytest.raises(StartError, match="became full"):
        weights.resolve(MODEL, None, offline=False)


@pytest.mark.parametrize(
    ("refusal", "said", "step"),
    [
        pytest.param((401, "GatedRepo"), "is gated", "HF_TOKEN", id="gated, no token"),
        pytest.param((403, "GatedRepo"), "is gated", "Accept", id="gated, terms not accepted"),
        pytest.param((401, "RepoNotFound"), "private", "HF_TOKEN", id="private or missing"),
        pytest.param((401, ""), "refused", "HF_TOKEN", id="bad token"),
        pytest.param((404, "RepoNotFound"), "not on the hub", "MODEL", id="missing"),
        pytest.param((404, "RevisionNotFound"), "revision", "engine.revision", id="revision"),
        pytest.param((403, ""), "refused", "HF_TOKEN", id="refused"),
        pytest.param((500, ""), "500", "later", id="hub broken"),
    ],
)
def test_what_the_hub_refuses_has_its_own_sentence(
    hub: Hub, repository: Repository, refusal: tuple[int, str], said: str, step: str
) -> None:
    """Each refusal of the hub names the model, the reason and what helps."""
    repository.refusal = refusal
    with pytest.raises(StartError, match=MODEL) as error:
        weights.plan(MODEL, None, offline=False)
    assert said in error.value.what
    assert step in error.value.next_step


def test_files_may_be_gated_where_the_description_is_not(
    hub: Hub, repository: Repository, tmp_path: Path
) -> None:
    """A gated model is public as a page; the refusal comes with the first file."""
    repository.file_refusal = (403, "GatedRepo")
    with pytest.raises(StartError, match="is gated"):
        weights.resolve(MODEL, None, offline=False)


def test_no_network_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that nobody answers for is not the model's fault."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StartError, match="cannot be reached"):
        weights.plan(MODEL, None, offline=False)


@pytest.mark.parametrize(
    ("offline", "environ"),
    [
        pytest.param(True, {}, id="asked for"),
        pytest.param(False, {"HF_HUB_OFFLINE": "1"}, id="by variable"),
    ],
)
def test_offline_touches_no_network(
    hub: Hub, repository: Repository, offline: bool, environ: dict[str, str]
) -> None:
    """Offline, an absent model is refused without one request."""
    with pytest.raises(StartError, match="switched off"):
        weights.plan(MODEL, None, offline=offline, environ=environ)
    assert repository.requests == []


def test_a_half_fetched_cache_is_not_taken_for_whole_offline(hub: Hub) -> None:
    """A shard that vanished from the cache is missed."""
    folder = weights.resolve(MODEL, None, offline=False)
    (folder / SECOND).unlink()
    with pytest.raises(StartError, match="not complete in the model cache"):
        weights.resolve(MODEL, None, offline=True)


def test_a_large_file_that_is_no_shard_is_missed(hub: Hub) -> None:
    """The model's folder links to the cache's files; one that leads nowhere is not whole."""
    folder = weights.resolve(MODEL, None, offline=False)
    (folder / "chat_template.json").symlink_to(folder / "nowhere")
    assert missing_parts(folder) == ["chat_template.json"]


def test_a_name_that_is_no_repository_is_refused(hub: Hub) -> None:
    """Three parts are neither a path nor an id."""
    with pytest.raises(StartError, match="neither a folder nor"):
        weights.plan("a/b/c", None, offline=False)


def test_environment_variables_steer_endpoint_and_cache(hub: Hub, tmp_path: Path) -> None:
    """HF_ENDPOINT and HF_HOME are the hub library's own, so mirrors and other disks work."""
    home = tmp_path / "home"
    environ = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}
    script = (
        f"from serving.engine import weights;print(weights.resolve({MODEL!r}, None, offline=False))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        timeout=60,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
    )
    assert Path(done.stdout.strip()).is_relative_to(home)

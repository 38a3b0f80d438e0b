"""`serving weights`: the real program against a hub on this machine, and what breaks on the way."""

import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.ports import free_ports
from tests.certificates import Authority
from tests.serving.conftest import ROOT, WAIT_SECONDS, End
from tests.serving.engine import hub_server
from tests.serving.engine.hub_server import Hub, Repository
from tests.serving.engine.small_model import FILES, FIRST, SECOND, shard

pytest.importorskip("huggingface_hub", reason="huggingface_hub is missing; enable: make test")
MODEL = "some/model"
VARIABLES = ("HF_HUB_OFFLINE", "HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# The hub's library writes a download in pieces of 10 MiB: half of this file is more than one.
LARGE = shard(1, 24 * 2**20)
PIECE_BYTES = 10 * 2**20


@pytest.fixture(name="repository")
def _repository() -> Repository:
    return Repository(dict(FILES))


@pytest.fixture(name="hub")
def _hub(repository: Repository) -> Iterator[Hub]:
    with Hub(repository) as server:
        yield server
        for released in repository.hold.values():
            released.set()


class Desk:
    """The program with a model cache of its own."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self._url = url

    def start(self, *words: str, **change: str) -> subprocess.Popen[str]:
        """Start `serving weights` with these words and changed variables."""
        without = {name.lower() for name in VARIABLES}
        usual = {name: value for name, value in os.environ.items() if name.lower() not in without}
        usual |= {"HF_ENDPOINT": self._url, "HF_HOME": str(self.home), "MODEL": MODEL}
        return subprocess.Popen(
            [sys.executable, "-m", "serving", "weights", *words],
            cwd=ROOT, env=usual | change, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str, **change: str) -> End:
        """Run it to its end, which is never a trace."""
        return ended(self.start(*words, **change))

    @property
    def storage(self) -> Path:
        """The model's place in the cache."""
        return self.home / "hub" / "models--some--model"

    def blob(self, name: str) -> Path:
        """Return where a large file's content lies."""
        return self.storage / "blobs" / hub_server.sha256(FILES[name])

    def spoil(self, name: str) -> None:
        """Change one byte of a file that was fetched whole."""
        with self.blob(name).open("r+b") as content:
            content.seek(-1, os.SEEK_END)
            content.write(b"!")


@pytest.fixture(name="desk")
def _desk(tmp_path: Path, hub: Hub) -> Desk:
    return Desk(tmp_path / "home", hub.url)


def ended(program: subprocess.Popen[str]) -> End:
    """Wait for a program's end."""
    stdout, stderr = program.communicate(timeout=WAIT_SECONDS)
    assert "Traceback" not in stdout + stderr, stderr
    return End(program.returncode, stdout, stderr)


def refused(end: End) -> str:
    """Return the one sentence of a program that did not do what it was asked to."""
    assert (end.code, end.stdout) == (1, ""), end.stderr
    said = [line for line in end.stderr.splitlines() if not line.startswith("{")]
    assert len(said) == 1, end.stderr
    assert said[0].startswith("Not done: ")
    return said[0]


def gets(repository: Repository, name: str) -> list[str]:
    """Return the ranges in which a file was asked for."""
    return [ranges for verb, asked, ranges in repository.requests if (verb, asked) == ("GET", name)]


def wait_until_sent(repository: Repository, name: str, part: Path, size_bytes: int) -> None:
    """Wait until a download has written so much of a file."""
    until = time.monotonic() + WAIT_SECONDS
    while not (gets(repository, name) and part.exists() and part.stat().st_size >= size_bytes):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_fetch_brings_all_and_check_asks_nobody(desk: Desk, repository: Repository) -> None:
    """What was fetched is the hub's byte for byte; from then on no word needs a network."""
    fetched = desk.run("fetch")
    assert fetched.code == 0, fetched.stderr
    assert re.fullmatch(rf"{MODEL} is complete in \S+: 0\.1 MB of weights\n", fetched.stdout)
    folder = desk.storage / "snapshots" / hub_server.COMMIT
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert f"commit {hub_server.COMMIT[:12]}" in fetched.stderr
    repository.requests.clear()
    for words in (("check",), ("check", "--digests"), ("fetch",), ("fetch", "--digests")):
        assert desk.run(*words).stdout == fetched.stdout, words
    assert desk.run("check", HF_HUB_OFFLINE="1").code == 0
    assert repository.requests == []


def test_progress_is_a_line_of_the_log(desk: Desk) -> None:
    """A Job's log says how far it is, and not each request."""
    log = desk.run("fetch").stderr
    assert '"message": "downloading", "bytes": ' in log
    assert "httpx" not in log


def test_revision_is_the_one_asked_for(desk: Desk, repository: Repository) -> None:
    """A pinned commit is fetched though the branch has gone on, and found offline by its hash."""
    repository.push("beef" * 10, **{FIRST: shard(3)})
    pinned = {"SERVING_ENGINE__REVISION": hub_server.COMMIT}
    assert desk.run("fetch", **pinned).code == 0
    assert (desk.storage / "snapshots" / hub_server.COMMIT / FIRST).read_bytes() == FILES[FIRST]
    assert desk.run("check", **pinned).code == 0
    assert "not complete" in refused(desk.run("check", SERVING_ENGINE__REVISION="beef" * 10))


@pytest.mark.parametrize(
    ("refusal", "said", "step"),
    [
        pytest.param((404, "RevisionNotFound"), "no such revision", "engine.revision", id="commit"),
        pytest.param((401, "GatedRepo"), "is gated", "set HF_TOKEN", id="no token"),
        pytest.param((401, ""), "refused access", "HF_TOKEN", id="bad token"),
        pytest.param((500, ""), "answered 500", "is kept", id="broken hub"),
    ],
)
def test_a_refusal_of_the_hub_is_a_sentence(
    desk: Desk, repository: Repository, refusal: tuple[int, str], said: str, step: str
) -> None:
    """What a Job's log ends with names the reason and the next step."""
    repository.refusal = refusal
    sentence = refused(desk.run("fetch"))
    assert said in sentence
    assert step in sentence


def test_no_network_is_a_sentence(desk: Desk) -> None:
    """A hub that cannot be reached is named with what may be in the way."""
    [port] = free_ports(1)
    sentence = refused(desk.run("fetch", HF_ENDPOINT=f"http://127.0.0.1:{port}"))
    assert "cannot be reached" in sentence
    assert "HTTPS_PROXY" in sentence


def test_proxy_and_token_are_used(desk: Desk, repository: Repository, hub: Hub) -> None:
    """Requests for a mirror go through the proxy and carry the token."""
    mirror = {"HF_ENDPOINT": "http://mirror.invalid", "HTTP_PROXY": hub.url, "NO_PROXY": ".svc"}
    assert desk.run("fetch", **mirror, HF_TOKEN="hf_for-tests").code == 0  # noqa: S106
    assert repository.hosts == {"mirror.invalid"}
    # The library asks for a list of programs as nobody.
    assert repository.tokens == {"", "Bearer hf_for-tests"}


def test_offline_asks_nobody(desk: Desk, repository: Repository) -> None:
    """What is missing offline is a sentence that holds for the cluster as well."""
    for words in (("check",), ("check", "--digests"), ("fetch",), ("fetch", "--digests")):
        sentence = refused(desk.run(*words, HF_HUB_OFFLINE="1"))
        assert "serving weights fetch" in sentence
        assert "offline: false" in sentence
    assert repository.requests == []


def test_a_full_disk_is_a_sentence(desk: Desk) -> None:
    """The system's own refusal to write more ends the download with what to do."""
    desk.blob(FIRST).parent.mkdir(parents=True)
    desk.blob(FIRST).with_suffix(".part").symlink_to("/dev/full")
    assert "became full" in refused(desk.run("fetch"))


def test_a_killed_download_goes_on(desk: Desk, repository: Repository) -> None:
    """After SIGKILL in the middle of a file only the rest of it is asked for."""
    repository.files[FIRST] = LARGE
    repository.hold[FIRST] = threading.Event()
    blob = desk.storage / "blobs" / hub_server.sha256(LARGE)
    program = desk.start("fetch")
    wait_until_sent(repository, FIRST, blob.with_suffix(".part"), PIECE_BYTES)
    program.kill()
    assert ended(program).code == -signal.SIGKILL
    repository.hold.pop(FIRST).set()
    assert desk.run("fetch").code == 0
    assert gets(repository, FIRST) == ["", f"bytes={PIECE_BYTES}-"]
    assert blob.read_bytes() == LARGE


def test_a_signal_ends_a_download(desk: Desk, repository: Repository) -> None:
    """The end of a Job's pod does not wait for its grace period: SIGTERM is heard."""
    repository.files[FIRST] = LARGE
    released = repository.hold[FIRST] = threading.Event()
    blob = desk.storage / "blobs" / hub_server.sha256(LARGE)
    program = desk.start("fetch")
    wait_until_sent(repository, FIRST, blob.with_suffix(".part"), PIECE_BYTES)
    program.terminate()
    released.set()
    assert ended(program).code == 130
    assert not blob.exists()


def test_of_two_at_once_the_second_waits(desk: Desk, repository: Repository) -> None:
    """A Job and a pod on one volume fetch every file once, and both find it complete."""
    repository.files[FIRST] = LARGE
    released = repository.hold[FIRST] = threading.Event()
    part = (desk.storage / "blobs" / hub_server.sha256(LARGE)).with_suffix(".part")
    first = desk.start("fetch")
    wait_until_sent(repository, FIRST, part, PIECE_BYTES)
    second = desk.start("fetch")
    assert second.stderr
    for line in second.stderr:
        if "waiting for its end" in line:
            break
    released.set()
    ends = [ended(first), ended(second)]
    assert [end.code for end in ends] == [0, 0], ends
    assert ends[0].stdout == ends[1].stdout != ""
    assert [len(gets(repository, name)) for name in (FIRST, SECOND)] == [1, 1]


def test_damage_is_found_by_digest_and_fetched_again(desk: Desk, repository: Repository) -> None:
    """A byte that changed on the disk is seen by --digests alone, and that one file replaced."""
    assert desk.run("fetch").code == 0
    desk.spoil(SECOND)
    assert desk.run("check").code == 0
    sentence = refused(desk.run("check", "--digests"))
    assert SECOND in sentence
    assert FIRST not in sentence
    repository.requests.clear()
    assert desk.run("fetch", "--digests").code == 0
    assert (len(gets(repository, SECOND)), len(gets(repository, FIRST))) == (1, 0)
    assert desk.run("check", "--digests").code == 0


def test_a_folder_has_no_digests(desk: Desk) -> None:
    """A copied folder is checked by sizes, and a question that it cannot answer is refused."""
    folder = desk.home / "Qwen3-VL-8B-Thinking"
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    for word in ("check", "fetch"):
        assert desk.run(word, MODEL=str(folder)).code == 0
        assert "only the model cache" in refused(desk.run(word, "--digests", MODEL=str(folder)))
    shutil.copy(folder / "config.json", folder / SECOND)
    assert SECOND in refused(desk.run("check", MODEL=str(folder)))


def test_a_bad_setting_is_refused_as_everywhere(desk: Desk) -> None:
    """An unknown variable is named with the nearest known one."""
    assert "SERVING_ENGINE__MODEL?" in refused(desk.run("fetch", SERVING_ENGINE__MODLE="x"))


def test_no_heavy_package_is_loaded(desk: Desk) -> None:
    """It runs in the gateway's image, which has neither vLLM nor PyTorch."""
    end = desk.run("fetch", PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in end.stderr.splitlines()}
    assert "huggingface_hub" in loaded
    assert not {"vllm", "torch", "torchvision", "transformers", "numpy"} & loaded


def test_a_mirror_of_ones_own_authority_is_trusted_by_its_certificate(tmp_path: Path) -> None:
    """SSL_CERT_FILE is what the chart gives; without it the mirror is not believed."""
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue())
    with Hub(Repository(dict(FILES)), context) as hub:
        desk = Desk(tmp_path / "home", hub.url)
        refused = desk.run("fetch")
        assert refused.code == 1
        assert "cannot be reached" in refused.stderr
        assert desk.run("fetch", SSL_CERT_FILE=str(authority.file)).code == 0

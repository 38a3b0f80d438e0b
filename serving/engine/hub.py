"""Downloads from the Hugging Face hub into its model cache; a broken download goes on later.

huggingface_hub begins a file again when its process ends. Large files are therefore fetched here,
into a part beside the cache's blobs, and the library does the rest.
"""

import errno
import fcntl
import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from httpx2 import HTTPError
from huggingface_hub import HfApi, constants, hf_hub_url, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # its names load lazily
    build_hf_headers,
    disable_progress_bars,
    filter_repo_objects,
)

from serving.engine import checkpoint
from serving.engine.weights import HubFile, Plan, Progress
from serving.failure import StartError

# Everything vLLM reads; other formats of the same weights stay on the hub.
PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.jinja", "*.model"]
PARALLEL_DOWNLOADS = 4
TIMEOUT_SECONDS = 10
SHA256_DIGITS = 64
LOCK = ".fetching"

logger = logging.getLogger(__name__)


def cached(model: str, revision: str | None) -> Path | None:
    """Return the folder of the model cache that holds the whole model, without any network."""
    folder = _snapshot(model, revision)
    return None if folder is None or checkpoint.missing_parts(folder) else folder


def damaged(model: str, revision: str | None) -> list[Path]:
    """Read the large files of the model cache and return those whose content is not their digest's.

    The cache names a large file's content, to which the model's folder links, by its SHA-256.
    """
    folder = _snapshot(model, revision)
    if folder is None:
        return []
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    large = [path for path in files if len(path.resolve().name) == SHA256_DIGITS]
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        digests = list(pool.map(_readable_sha256, large))
    return [
        path for path, digest in zip(large, digests, strict=True) if digest != path.resolve().name
    ]


def discard(model: str, file: Path) -> None:
    """Remove from the model cache what a file of a model's folder links to."""
    with _explained(model):
        file.resolve().unlink()


def plan(model: str, revision: str | None, variables: tuple[str, ...]) -> Plan:
    """Ask the hub what a model consists of and compare it with what is already here."""
    storage = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=model, repo_type="model")
    with _explained(model):
        info = HfApi().model_info(
            model, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS
        )
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    files = tuple(
        HubFile(name, siblings[name].size or 0, lfs.sha256 if (lfs := siblings[name].lfs) else None)
        for name in filter_repo_objects(list(siblings), allow_patterns=PATTERNS)
    )
    existing = next(folder for folder in (storage, *storage.parents) if folder.exists())
    return Plan(
        model=model,
        folder=storage,
        revision=revision,
        weight_bytes=sum(f.size_bytes for f in files if f.name.endswith(".safetensors")),
        commit=info.sha or "",
        files=files,
        download_bytes=sum(f.size_bytes - _fetched_bytes(storage, f) for f in files),
        free_bytes=shutil.disk_usage(existing).free,
        variables=variables,
    )


def fetch(planned: Plan, progress: Progress) -> Path:
    """Download what a plan lacks and return the snapshot's folder."""
    meter = Meter(planned.download_bytes, progress)
    large = [file for file in planned.files if file.sha256]
    disable_progress_bars()
    with _explained(planned.model), _alone(planned):
        with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            tasks = [pool.submit(_fetch_large, planned, file, meter) for file in large]
            _wait_for(tasks, meter)
        folder = snapshot_download(
            planned.model,
            revision=planned.commit,
            allow_patterns=PATTERNS,
            etag_timeout=TIMEOUT_SECONDS,
        )
        _remember(planned)
    meter.finish()
    return Path(folder)


class Meter:
    """Counts fetched bytes over all threads; once stopped, it ends every download."""

    def __init__(self, total_bytes: int, progress: Progress) -> None:
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._progress = progress
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def add(self, size_bytes: int) -> None:
        """Count bytes; raises InterruptedError where another file has failed."""
        if self._stopped.is_set():
            raise InterruptedError("another file of this download failed")
        with self._lock:
            self._done_bytes += size_bytes
            self._progress(min(self._done_bytes, self._total_bytes), self._total_bytes)

    def stop(self) -> None:
        self._stopped.set()

    def finish(self) -> None:
        self._progress(self._total_bytes, self._total_bytes)


class FileBar:
    """As much of a tqdm bar as `http_get` uses, feeding a Meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def update(self, size_bytes: float | None = 1) -> None:
        self._meter.add(int(size_bytes or 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        pass


def _wait_for(tasks: list[Future[None]], meter: Meter) -> None:
    """Wait for all, or for the first failure, which ends the others at their next chunk."""
    try:
        for task in wait(tasks, return_when=FIRST_EXCEPTION).done:
            task.result()
    except BaseException:
        meter.stop()
        raise


def _paths(storage: Path, file: HubFile) -> tuple[Path, Path]:
    """Return a large file's blob, named as the model cache names it, and its unfinished part."""
    blob = storage / "blobs" / str(file.sha256)
    return blob, blob.with_suffix(".part")


def _fetched_bytes(storage: Path, file: HubFile) -> int:
    sizes = [path.stat().st_size for path in _paths(storage, file) if path.is_file()]
    return min(sizes[0], file.size_bytes) if sizes else 0


def _fetch_large(planned: Plan, file: HubFile, meter: Meter) -> None:
    """Bring one file into the cache; under its digest stands only what was compared with it."""
    blob, part = _paths(planned.folder, file)
    if blob.exists():
        return
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as target:
        resumed_bytes = os.fstat(target.fileno()).st_size
        # A hub refuses to send what comes after the last byte.
        if resumed_bytes < file.size_bytes:
            http_get(
                hf_hub_url(planned.model, file.name, revision=planned.commit),
                target,
                resume_size=resumed_bytes,
                headers=build_hf_headers(),
                expected_size=file.size_bytes,
                displayed_filename=file.name,
                tqdm_class=lambda **_: FileBar(meter),  # type: ignore[arg-type]  # duck-typed
            )
    if _sha256(part) != file.sha256:
        part.unlink()
        raise StartError(
            f"What was fetched of {file.name} is damaged.",
            "Start again: this file is then fetched from its beginning.",
        )
    part.rename(blob)


@contextmanager
def _alone(planned: Plan) -> Iterator[None]:
    """Let one process at a time fetch a model; the others wait and then find what it left."""
    planned.folder.mkdir(parents=True, exist_ok=True)
    with (planned.folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("another process fetches %s; waiting for its end", planned.model)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remember(planned: Plan) -> None:
    """Note which commit a branch was at, as the library does when it is asked for the branch.

    It is asked for the commit: a push during the download would mix two commits otherwise.
    """
    revision = planned.revision or constants.DEFAULT_REVISION
    if revision != planned.commit:
        reference = planned.folder / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(planned.commit)


def _snapshot(model: str, revision: str | None) -> Path | None:
    """Return the folder of a revision in the model cache, whole or not, without any network."""
    with _explained(model):
        try:
            folder = snapshot_download(
                model, revision=revision, local_files_only=True, allow_patterns=PATTERNS
            )
        except LocalEntryNotFoundError:
            return None
    return Path(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _readable_sha256(path: Path) -> str:
    """Return a file's digest, or nothing where the disk cannot read it."""
    try:
        return _sha256(path)
    except OSError:
        return ""


@contextmanager
def _explained(model: str) -> Iterator[None]:
    """Turn what the hub's library raises into a StartError."""
    try:
        yield
    except (HTTPError, OSError, ValueError) as error:
        raise _start_error(error, model) from error


def _start_error(error: Exception, model: str) -> StartError:
    hub, cache = constants.ENDPOINT, constants.HF_HUB_CACHE
    match error:
        case GatedRepoError():
            what = f"{model} is gated: it is given only to accounts that accepted its terms."
            step = f"Accept them at {hub}/{model}, then set HF_TOKEN to a token of that account."
        case RepositoryNotFoundError():
            what = f"{model} is not on the hub at {hub}, or it is private."
            step = "Correct MODEL, or set HF_TOKEN to a token that may read it."
        case RevisionNotFoundError():
            what = f"{model} has no such revision on the hub."
            step = f"Set engine.revision to a commit listed at {hub}/{model}/commits/main."
        case HfHubHTTPError() if error.response.status_code in (401, 403):
            what = f"The hub refused access to {model}."
            step = "Set HF_TOKEN to a valid token that may read it, or unset it."
        case HfHubHTTPError():
            what = f"The hub answered {error.response.status_code} when asked for {model}."
            step = "Try again later: what is downloaded is kept."
        case OSError(errno=errno.ENOSPC):
            what = f"The disk of {cache} became full while {model} was fetched."
            step = "Free some, or set HF_HOME to a folder on a larger disk; then start again."
        case PermissionError() | OSError(errno=errno.EROFS):
            what = f"The model cache {cache} cannot be written."
            step = "Set HF_HOME to a folder of your own."
        case OSError(errno=errno.ENOLCK | errno.ENOTSUP):
            what = f"The file system of the model cache {cache} has no locks."
            step = "Set HF_HOME to a folder of one that has, such as NFS 4 or a local disk."
        case ValueError():
            what = f"{model} is neither a folder nor a Hugging Face id."
            step = "Set MODEL to a folder, an id like Qwen/Qwen3-VL-8B-Thinking, or tiny."
        case _:
            what = f"The hub at {hub} cannot be reached, or broke off while {model} was fetched."
            step = "Check the network and HTTPS_PROXY, then start again: what is here is kept."
    return StartError(what, step)

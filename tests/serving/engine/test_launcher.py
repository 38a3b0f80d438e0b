"""The launcher: what it prints, refuses and starts."""

import json
import subprocess
from pathlib import Path

import pytest

from serving.engine import launcher, profile
from serving.engine.hardware import Gpu
from serving.failure import StartError
from serving.options import EngineSettings, Settings

CONFIG = {
    "text_config": {
        "num_hidden_layers": 5,
        "num_attention_heads": 5,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": 16_384,
    },
    "vision_config": {
        "num_heads": 5,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    },
}
H100 = Gpu(
    index=0,
    name="NVIDIA H100 80GB HBM3",
    memory_bytes=81_559 * 2**20,
    free_bytes=81_559 * 2**20,
    compute_capability=(9, 0),
    driver="580.65.06",
)


def settled(**environ: str) -> Settings:
    return profile.settle(None, environ, None)[0].settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that looks like a small checkpoint."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    return tmp_path


def test_the_plan_is_a_command_and_its_arithmetic() -> None:
    """One flag a line, ready to paste, then the numbers."""
    page = launcher.describe(launcher.prepare(settled(PROFILE="h100"), (), None))

    command, arithmetic = page.split("\n\n")
    lines = command.split(" \\\n  ")
    assert lines[0] == "env"
    assert "--max-num-seqs 64" in lines
    assert all(line.count(" --") == 0 for line in lines)
    assert "144.0 KiB" in arithmetic


def test_the_printed_command_means_what_would_be_run() -> None:
    """A shell reads the printed words as the launcher passes them."""
    launch = launcher.prepare(settled(PROFILE="l40s"), (), None)
    command = launcher.describe(launch).split("\n\n")[0]
    show = "import json, sys; print(json.dumps(sys.argv[1:]))"
    shown = command.replace(f"-m {launcher.ENTRY}", f"-c '{show}'")

    printed = subprocess.run(
        ["/bin/sh", "-c", shown], capture_output=True, text=True, check=True, timeout=60
    )

    assert json.loads(printed.stdout) == launch.argv


def test_a_folder_is_served_under_its_models_name(folder: Path) -> None:
    """The engine gets the path, clients see the name, and nothing is fetched."""
    launch = launcher.prepare(settled(MODEL="tiny"), (), folder)

    assert launch.argv[launch.argv.index("--model") + 1] == str(folder)
    assert launch.argv[launch.argv.index("--served-model-name") + 1] == "tiny-qwen3-vl"
    assert launch.environment["HF_HUB_OFFLINE"] == "1"
    assert "--revision" not in launch.argv


def test_the_tiny_models_context_fits_many_times(folder: Path) -> None:
    """The CPU profile holds together for the model it names."""
    page = "\n".join(launcher.prepare(settled(), (), folder).arithmetic)

    assert "16,384 tokens; 102.4 such sequences fit" in page


def test_the_found_gpu_decides_not_the_profiles() -> None:
    """A context that a B200 holds is refused on an H100."""
    settings = settled(PROFILE="b200", SERVING_ENGINE__MAX_MODEL_LEN="262144")
    launcher.prepare(settings, (H100,), None)
    large = settings.engine.model_copy(update={"max_model_len": 400_000, "yarn_factor": 2})

    with pytest.raises(StartError, match="would not fit"):
        launcher.prepare(settings.model_copy(update={"engine": large}), (H100,), None)


def test_all_contradictions_are_said_at_once() -> None:
    """Nobody has to start ten times to learn of ten mistakes."""
    settings = settled(
        PROFILE="h100",
        SERVING_ENGINE__TENSOR_PARALLEL_SIZE="3",
        SERVING_ENGINE__MAX_NUM_QUEUED_REQS="1",
    )

    with pytest.raises(StartError) as refusal:
        launcher.prepare(settings, (), None)
    assert "attention heads" in str(refusal.value)
    assert "max_num_queued_reqs" in str(refusal.value)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"PROFILE": "cpu", "MODEL": "/no/such/folder"}, "/no/such/folder"),
        ({"PROFILE": "cpu", "MODEL": "someone/else"}, "someone/else"),
    ],
)
def test_a_dry_run_of_an_absent_model_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environ: dict[str, str], said: str
) -> None:
    """A plan needs the checkpoint's numbers and downloads nothing to get them."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(StartError, match=said):
        launcher.run(settled(**environ), dry_run=True)


def test_a_gpu_profile_without_a_gpu_is_refused() -> None:
    """A start says at once that the hardware is missing."""
    with pytest.raises(StartError, match="shows no NVIDIA GPU"):
        launcher._require_hardware(EngineSettings(profile="h100"), ())


def test_the_engine_sees_no_secret_of_the_gateway() -> None:
    """Keys stay with the gateway, and a key for the engine would lock the gateway out."""
    seen = launcher.inherited(
        {"SERVING_GATEWAY__API_KEYS": "canary", "VLLM_API_KEY": "canary", "PATH": "/bin"}
    )

    assert seen == {"PATH": "/bin"}

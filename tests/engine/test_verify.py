"""The acceptance test passes on the real engine with the tiny model."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHECKS = 61
OPENED = "127.0.0.0/8"  # the endpoint's own setting: other tests serve pictures there
SKIPPED = ["endpoint: wrong key", "not fetched: 127.0.0.1"]


def test_the_endpoint_is_accepted(endpoint: Any, tmp_path: Path) -> None:
    """The command ends with 0 and skips only what this endpoint was set up without."""
    report = tmp_path / "report.json"
    words = ["verify", endpoint.url, "--json", str(report), "--private-network", OPENED]
    ended = subprocess.run(
        [sys.executable, "-m", "serving", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    checks = json.loads(report.read_text())["checks"]
    assert len(checks) == CHECKS
    assert [check["name"] for check in checks if check["verdict"] == "skipped"] == SKIPPED

"""Writes the dashboards' JSON: `python -m deploy.dashboards`."""

import json
from pathlib import Path
from typing import Final

from deploy.dashboards import engine, load_test, overview, tenants
from deploy.dashboards.board import Board
from deploy.dashboards.grafana import as_json

FOLDER: Final = Path(__file__).parents[2] / "helm" / "qwen3-vl" / "dashboards"
BOARDS: Final = {
    "overview": overview.BOARD,
    "engine": engine.BOARD,
    "tenants": tenants.BOARD,
    "loadtest": load_test.BOARD,
}


def text(board: Board) -> str:
    """Return a board's file, the same at every call."""
    return json.dumps(as_json(board), indent=2) + "\n"


def write(folder: Path = FOLDER) -> None:
    """Write every board's file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, board in BOARDS.items():
        (folder / f"{name}.json").write_text(text(board))


if __name__ == "__main__":
    write()

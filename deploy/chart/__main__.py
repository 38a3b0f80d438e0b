"""Writes what the chart has of the product: `python -m deploy.chart`."""

from pathlib import Path
from typing import Final

from deploy.chart.schema import written
from deploy.chart.settings import defaults

CHART: Final = Path(__file__).parents[2] / "helm" / "qwen3-vl"


def write(chart: Path = CHART) -> None:
    """Write the schema of the values, and the defaults of the settings that arithmetic reads."""
    (chart / "values.schema.json").write_text(written((chart / "values.yaml").read_text()))
    (chart / "settings-defaults.json").write_text(defaults())


if __name__ == "__main__":
    write()

"""Draws the overview from a running Prometheus, for pages that show it; it is not Grafana.

`python -m deploy.dashboards.picture http://127.0.0.1:9090 --minutes 5 --caption "..."` needs
Chromium. In the picture stand the board's first rows, and the caption beneath its title.
"""

import argparse
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path
from typing import Any, Final

import httpx
from PIL import Image

from deploy.dashboards import drawing, grafana, overview

OUT: Final = Path(__file__).parents[1] / "pictures" / "overview-dashboard.png"
WIDTH, ROW, GAP, HEAD = 1400, 18, 6, 76  # pixels
POINTS: Final = 150  # of a chart
COLOURS: Final = 96  # of the file: a diagram needs no more, and it stays small
STYLE: Final = f"""
body{{font:11px sans-serif;margin:12px;background:#f4f5f5;color:#24292e}}
main{{display:grid;grid-template-columns:repeat(24,1fr);gap:{GAP}px;grid-auto-rows:{ROW}px}}
h1{{font-size:18px;margin:4px 2px}} p{{margin:2px 2px 10px}} h2{{font-size:14px;margin:0}}
section{{background:#fff;border:1px solid #d8d9da;border-radius:3px;padding:5px 7px;
overflow:hidden;display:flex;flex-direction:column}}
.big{{font-size:26px;margin:auto}} .legend{{color:#555}} .legend span{{white-space:nowrap}}
i{{display:inline-block;width:9px;height:3px;margin:0 3px 3px 6px}}
svg{{flex:1;min-height:0;width:100%}} polyline{{fill-opacity:.35;vector-effect:non-scaling-stroke}}
"""


def main(arguments: list[str]) -> None:
    """Write the picture."""
    options = parse(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    photograph(*page(options), options.out)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw the overview dashboard from Prometheus.")
    parser.add_argument("url", help="of Prometheus, such as http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=float, default=5, help="time to show, up to --end")
    parser.add_argument("--end", type=float, default=time.time(), help="seconds since 1970; now")
    parser.add_argument("--rows", type=int, default=6, help="headings to show")
    parser.add_argument("--caption", default="", help="what was measured")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args(arguments)


def page(options: argparse.Namespace) -> tuple[str, int]:
    """Return the page of the board's first rows, and its height in pixels."""
    board, cells, headings, bottom = grafana.as_json(overview.BOARD), [], 0, 0
    for panel in board["panels"]:
        headings += panel["type"] == "row"
        if headings > options.rows:
            break
        spot = panel["gridPos"]
        bottom = spot["y"] + spot["h"]
        area = f"grid-area:{spot['y'] + 1}/{spot['x'] + 1}/span {spot['h']}/span {spot['w']}"
        title = escape(panel["title"])
        if panel["type"] == "row":
            cells.append(f'<h2 style="{area}">{title}</h2>')
        else:
            cells.append(
                f'<section style="{area}"><b>{title}</b>{_drawn(panel, options)}</section>'
            )
    head = f"<h1>{escape(board['title'])}</h1><p>{escape(options.caption)}</p>"
    style = f"<meta charset=utf-8><style>{STYLE}</style>"
    return f"{style}{head}<main>{''.join(cells)}</main>", HEAD + bottom * (ROW + GAP)


def photograph(html: str, height: int, out: Path) -> None:
    """Save what Chromium makes of a page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not installed: apt-get install chromium.")
    with tempfile.TemporaryDirectory() as folder:
        source, shot = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(html)
        view = (f"--window-size={WIDTH},{height}", "--force-device-scale-factor=1.25")
        command = (chromium, "--headless", "--no-sandbox", *view, f"--screenshot={shot}", source)
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # found above
        Image.open(shot).convert("RGB").quantize(COLOURS).save(out, optimize=True)


def _drawn(panel: Any, options: argparse.Namespace) -> str:
    series = [one for target in panel["targets"] for one in _ask(target, options)]
    match panel["type"]:
        case "timeseries":
            start = options.end - options.minutes * 60
            return drawing.chart(panel, series, start, options.end)
        case "stat":
            return drawing.figure(panel, series)
    return drawing.listed(panel, series)


def _ask(target: Any, options: argparse.Namespace) -> drawing.Series:
    """Return a query's series over the time shown, all instances together."""
    seconds = options.minutes * 60
    expression = target["expr"].replace("$__rate_interval", "30s")
    expression = expression.replace("$__range", f"{seconds:.0f}s")
    expression = re.sub(r"\$\w+", ".*", expression)
    start = options.end if target["instant"] else options.end - seconds
    times = {"start": start, "end": options.end, "step": seconds / POINTS}
    answer = httpx.get(f"{options.url}/api/v1/query_range", params={"query": expression, **times})
    found = answer.raise_for_status().json()["data"]["result"]
    return [(_name(target["legendFormat"], s["metric"]), _points(s["values"])) for s in found]


def _name(legend: str, labels: dict[str, str]) -> str:
    every = ", ".join(f"{k} {v}" for k, v in labels.items() if k != "__name__")
    return re.sub(r"{{(\w+)}}", lambda match: labels.get(match[1], ""), legend) or every


def _points(values: list[tuple[float, str]]) -> list[drawing.Point]:
    pairs = ((moment, float(value)) for moment, value in values)
    return [(moment, value) for moment, value in pairs if math.isfinite(value)]


if __name__ == "__main__":
    main(sys.argv[1:])

"""What Grafana 10 and later import, made of a board."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from deploy.dashboards.board import INSTANCES, TAG, Board, Kind, Panel, Query, Row, Variable

Json = dict[str, Any]

SCHEMA_VERSION: Final = 38  # Grafana 10's; later ones migrate it as they read it
COLUMNS: Final = 24
OVERLAY_COLOURS: Final = ("light-blue", "light-orange")
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
# A reader who knows one board knows all: whatever these words mean, they look the same.
COLOURS: Final = {
    "outcome": {
        "ok": "green",
        "rejected": "yellow",
        "rate_limited": "dark-yellow",
        "client_error": "light-yellow",
        "client_gone": "blue",
        "client_deadline": "semi-dark-blue",
        "reader_stalled": "light-blue",
        "internal_error": "dark-red",
        "engine_error": "red",
        "engine_unavailable": "light-red",
        "store_unavailable": "semi-dark-red",
        "cut_off": "semi-dark-orange",
        "timeout": "dark-orange",
    },
    "verdict": {"ok": "green", "refused": "yellow", "cancelled": "blue", "failed": "red"},
}


def as_json(board: Board) -> Json:
    """Return what Grafana imports."""
    variables = (*INSTANCES, *board.variables)
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), *_choices(variables)]},
        "annotations": {"list": [*_overlays(board.overlays)]},
        "links": [_link()],
        "panels": list(_laid_out(board.rows)),
    }


def _laid_out(rows: Sequence[Row]) -> Iterable[Json]:
    """Put panels side by side as long as they fit, headings above them; ids count up."""
    number, top = 1, 0
    for row in rows:
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
        } | {"gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1}}
        number, top, left, height = number + 1, top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": place} | _panel(panel)
            number, left, height = number + 1, left + panel.width, max(height, panel.height)
        top += height


def _panel(panel: Panel) -> Json:
    targets = [
        {
            "refId": _letter(number),
            "datasource": DATASOURCE,
            "expr": query.expression,
            "legendFormat": query.legend,
            "instant": panel.instant,
            "range": not panel.instant,
            "format": "table" if panel.kind == "table" else "time_series",
        }
        for number, query in enumerate(panel.queries)
    ]
    whole = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
    }
    if panel.kind == "table":
        whole["transformations"] = _columns(panel.queries)
    return whole


def _defaults(panel: Panel) -> Json:
    steps = [{"color": colour, "value": value} for value, colour in panel.thresholds]
    defaults: Json = {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if panel.instant else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if not panel.instant:
        defaults |= {"min": 0, "custom": _drawing(panel)}
    if panel.maximum is not None:
        defaults["max"] = panel.maximum
    return defaults


def _drawing(panel: Panel) -> Json:
    return {
        "lineWidth": 1,
        "fillOpacity": 40 if panel.stacked else 5,
        "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if len(panel.thresholds) > 1 else "off"},
    }


def _overrides(panel: Panel) -> list[Json]:
    """Give words that mean good or bad the colour of that."""
    labels = [query.legend.strip("{}") for query in panel.queries]
    return [
        {
            "matcher": {"id": "byName", "options": value},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for label in labels
        for value, colour in COLOURS.get(label, {}).items()
    ]


def _options(panel: Panel) -> Json:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options: Mapping[Kind, Json] = {
        "timeseries": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "stat": {"reduceOptions": last, "colorMode": "value", "graphMode": "none"},
        "bargauge": {"reduceOptions": last, "orientation": "horizontal", "displayMode": "basic"},
        "table": {"showHeader": True},
    }
    return options[panel.kind]


def _columns(queries: Sequence[Query]) -> list[Json]:
    """Join a table's queries by their labels; a value's column is named by its legend, or hidden.

    Grafana calls the column of the only query "Value".
    """
    one = len(queries) == 1
    values = {f"Value #{_letter(n)}" if not one else "Value": q for n, q in enumerate(queries)}
    named = {value: query.legend for value, query in values.items() if query.legend}
    hidden = dict.fromkeys(["Time", *(value for value in values if value not in named)], True)
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": hidden, "renameByName": named}},
    ]


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def _datasource() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource"} | {
        "query": "prometheus",
        "refresh": 1,
    }


def _choices(variables: Sequence[Variable]) -> Iterable[Json]:
    """Let each offer only what goes with the ones before it."""
    matchers: list[str] = []
    for variable in variables:
        chosen = f"{{{','.join(matchers)}}}" if matchers else ""
        query = f"label_values({variable.metric}{chosen}, {variable.name})"
        yield {
            "name": variable.name,
            "label": variable.label,
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": query, "refId": f"variable-{variable.name}"},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }
        matchers.append(f'{variable.name}=~"${variable.name}"')


def _overlays(queries: Sequence[Query]) -> Iterable[Json]:
    """Shade the time in which a query has a series; those who look may switch each off."""
    for query, colour in zip(queries, OVERLAY_COLOURS, strict=False):
        yield {
            "name": query.legend,
            "datasource": DATASOURCE,
            "expr": query.expression,
            "titleFormat": query.legend,
            "step": "5s",
            "iconColor": colour,
            "enable": True,
        }


def _link() -> Json:
    return {
        "type": "dashboards",
        "title": "Boards of this service",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
    }

"""The form of a Grafana dashboard: variables, places, thresholds, links and targets, from its panels."""

import re

from panels import ALERTS

#: The version of the form that Grafana 10.0 reads. Later versions convert it.
SCHEMA = 38
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS, HEIGHT = 24, 8
RUNBOOK = "docs/runbook.md"

LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True}
OPTIONS = {
    "timeseries": {"legend": LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {"colorMode": "background", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}},
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "fill": "dark-orange", "exponent": 0.5, "steps": 64, "reverse": False},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"},
    },
}


def dashboard(name, title, panels):
    return {
        "uid": f"standing-{name}",
        "title": title,
        "tags": ["standing"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "annotations": {"list": []},
        "links": [
            {"type": "dashboards", "title": "Standing", "tags": ["standing"], "asDropdown": True, "keepTime": True, "includeVars": True}
        ],
        "templating": {"list": variables()},
        "panels": [drawn(number, panel, place) for number, (panel, place) in enumerate(zip(panels, places(panels), strict=True), 1)],
    }


def variables():
    runbook = {"text": RUNBOOK, "value": RUNBOOK, "selected": True}
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1},
        chosen("vendor", "standing_missing_deliveries", "All", "$__all"),
        chosen("environment", "standing_time_to_visible_seconds_count", "live", "live"),
        {
            "name": "runbook",
            "label": "Runbook",
            "type": "textbox",
            "query": RUNBOOK,
            "current": runbook,
            "options": [runbook | {"selected": True}],
        },
    ]


def chosen(label, metric, text, value):
    """Return a variable with the values of a label, of which several may be chosen."""
    query = f"label_values({metric}, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": label},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": [text], "value": [value]},
    }


def places(panels):
    """Yield the place of each panel: rows of one height, from left to right."""
    x = y = 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y = 0, y + HEIGHT
        yield {"x": x, "y": y, "w": panel.width, "h": HEIGHT}
        x += panel.width


def drawn(number, panel, place):
    color = {"mode": "thresholds" if panel.kind == "stat" else "palette-classic"}
    defaults = {"unit": panel.unit, "min": 0, "color": color, "thresholds": {"mode": "absolute", "steps": steps(panel)}}
    if panel.kind == "timeseries":
        defaults["custom"] = {"fillOpacity": 10, "thresholdsStyle": {"mode": "line" if len(steps(panel)) > 1 else "off"}}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": OPTIONS[panel.kind],
        "links": [link(alert) for alert in panel.alerts],
        "targets": [target(chr(ord("A") + place), *query, panel.kind) for place, query in enumerate(panel.queries.items())],
    }


def steps(panel):
    """Return the thresholds of the first alert that has any: red above, or red below."""
    for alert in panel.alerts:
        if (above := ALERTS[alert].above) is not None:
            return [{"color": "green", "value": None}, {"color": "red", "value": above}]
        if (below := ALERTS[alert].below) is not None:
            return [{"color": "red", "value": None}, {"color": "green", "value": below}]
    return [{"color": "green", "value": None}]


def link(alert):
    return {"title": f"{alert}: runbook", "url": f"${{runbook}}#{slug(ALERTS[alert].runbook)}", "targetBlank": True}


def slug(heading):
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def target(ref, legend, expression, kind):
    form = "heatmap" if kind == "heatmap" else "time_series"
    return {"refId": ref, "datasource": SOURCE, "expr": expression, "legendFormat": legend, "format": form, "range": True}

"""Grafana's form of a dashboard: JSON that Grafana 9 and later import.

Owns: places of panels, and what each kind of panel is made of. Never: what is shown (see `panels`).
"""

import json
import re
from collections.abc import Iterable

from .panels import ROWS, Panel, Query, Row

#: Of Grafana 9.0; a later one brings it up to date by itself.
SCHEMA = 36
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, RED = "green", "red"


def dashboard(rows: Iterable[Row] = ROWS) -> dict:
    """All of it."""
    return {
        "title": "Fairlead",
        "uid": "fairlead",
        "description": "Fairlead appliances: dpdk-config/monitoring of Fairlead has it, with the alerts that belong to it.",
        "tags": ["fairlead"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [_annotation()]},
        "templating": {"list": [_source(), _instance()]},
        "links": [],
        "panels": _panels(rows),
    }


def text() -> str:
    """As it stands in the file."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def expressions(of: dict) -> list[tuple[str, str]]:
    """Every expression of a dashboard, with where it stands."""
    found = []
    for panel in of["panels"]:
        for one in [panel, *panel.get("panels", [])]:
            found += [(f"{one['title']} ({target['refId']})", target["expr"]) for target in one.get("targets", [])]
    found += [(note["name"], note["expr"]) for note in of["annotations"]["list"] if "expr" in note]
    return found


def filled_in(expression: str, instance: str, rate_interval: str, span: str) -> str:
    """An expression with what Grafana puts in place of its variables."""
    for variable, value in (("$__rate_interval", rate_interval), ("$__range", span), ("$instance", instance)):
        expression = expression.replace(variable, value)
    if left := re.search(r"\$\w+", expression):
        raise ValueError(f"nobody fills in {left[0]}: {expression}")
    return expression


def _source() -> dict:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1, "current": {}, "hide": 0}


def _instance() -> dict:
    query = 'label_values(up{job="fairlead"}, instance)'
    return {
        "name": "instance", "label": "Appliance", "type": "query", "datasource": SOURCE, "definition": query,
        "query": {"query": query, "refId": "instance"}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]}, "hide": 0,
    }


def _annotation() -> dict:
    """A line through all pictures at each switchover."""
    return {
        "name": "Switchovers", "datasource": SOURCE, "enable": True, "iconColor": "orange", "step": "15s",
        "expr": 'sum by (instance,cause) (increase(fairlead_switchovers_total{job="fairlead",instance=~"$instance"}[1m])) > 0',
        "titleFormat": "Switchover: {{cause}}", "textFormat": "{{instance}}", "tagKeys": "cause",
    }


def _panels(rows: Iterable[Row]) -> list[dict]:
    placed, number, top = [], 0, 0
    for row in rows:
        number += 1
        head = {
            "id": number, "type": "row", "title": row.title, "collapsed": row.is_folded,
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1}, "panels": [],
        }
        top += 1
        inside, left, height = [], 0, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left, height = top + height, 0, 0
            number += 1
            inside.append(_panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": panel.height}))
            left, height = left + panel.width, max(height, panel.height)
        top += height
        # What is folded stands in its row, anything else behind it.
        placed += [{**head, "panels": inside}] if row.is_folded else [head, *inside]
    return placed


def _panel(panel: Panel, number: int, place: dict) -> dict:
    options, custom = _LOOKS[panel.kind](panel)
    defaults = {"unit": panel.unit, "thresholds": _thresholds(panel), "mappings": _mappings(panel), "custom": custom}
    if panel.kind == "stat" and panel.red is None and not panel.states:
        defaults["color"] = {"mode": "fixed", "fixedColor": "text"}
    return {
        "id": number, "type": panel.kind, "title": panel.title, "description": panel.help, "datasource": SOURCE, "gridPos": place,
        "targets": [_target(query, place_in, panel) for place_in, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def _target(query: Query, place: int, panel: Panel) -> dict:
    at_once = panel.kind in ("stat", "bargauge")
    return {
        "refId": chr(ord("A") + place), "datasource": SOURCE, "editorMode": "code", "expr": query.expression, "legendFormat": query.legend,
        "instant": at_once, "range": not at_once, "format": "heatmap" if panel.kind == "heatmap" else "time_series",
    }


def _thresholds(panel: Panel) -> dict:
    if panel.states:
        steps = [{"color": RED, "value": None}, {"color": GREEN, "value": 1}]
    else:
        steps = [{"color": GREEN, "value": None}]
        steps += [{"color": RED, "value": panel.red}] if panel.red is not None else []
    return {"mode": "absolute", "steps": steps}


def _mappings(panel: Panel) -> list[dict]:
    if not panel.states:
        return []
    colors = (RED, GREEN)
    return [{
        "type": "value",
        "options": {str(value): {"index": value, "text": panel.states[value], "color": colors[value]} for value in (0, 1)},
    }]


def _timeseries(panel: Panel) -> tuple[dict, dict]:
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    custom = {
        "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 20 if panel.stacked else 5, "showPoints": "never",
        "spanNulls": False, "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"}, "axisPlacement": "auto",
        "thresholdsStyle": {"mode": "off" if panel.red is None else "dashed"},
    }
    return options, custom


def _reduced(of: str = "lastNotNull") -> dict:
    return {"calcs": [of], "fields": "", "values": False}


def _stat(panel: Panel) -> tuple[dict, dict]:
    by_name = panel.title == "Version"
    options = {
        "reduceOptions": _reduced(), "orientation": "auto", "textMode": "name" if by_name else "auto", "graphMode": "none", "justifyMode": "auto",
        "colorMode": "value" if panel.red is not None or panel.states else "none",
    }
    return options, {}


def _bargauge(_: Panel) -> tuple[dict, dict]:
    return {"reduceOptions": _reduced(), "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True}, {}


def _state_timeline(_: Panel) -> tuple[dict, dict]:
    options = {
        "mergeValues": True, "showValue": "never", "alignValue": "left", "rowHeight": 0.9,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "single", "sort": "none"},
    }
    return options, {"lineWidth": 0, "fillOpacity": 70}


def _heatmap(panel: Panel) -> tuple[dict, dict]:
    options = {
        "calculate": False, "cellGap": 1, "rowsFrame": {"layout": "le"}, "yAxis": {"unit": panel.unit, "axisPlacement": "left"},
        "color": {"mode": "scheme", "scheme": "Oranges", "exponent": 0.5, "steps": 64, "reverse": False, "fill": "dark-orange"},
        "cellValues": {"unit": "short"}, "filterValues": {"le": 1e-9}, "legend": {"show": True}, "tooltip": {"show": True, "yHistogram": False},
        "showValue": "never", "exemplars": {"color": "rgba(255,0,255,0.7)"},
    }
    return options, {"hideFrom": {"legend": False, "tooltip": False, "viz": False}, "scaleDistribution": {"type": "linear"}}


#: Options and field options of each kind of panel.
_LOOKS = {"timeseries": _timeseries, "stat": _stat, "bargauge": _bargauge, "state-timeline": _state_timeline, "heatmap": _heatmap}

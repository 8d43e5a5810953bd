"""Dashboards as Grafana wants to have them written. `python -m tests.support.grafana` writes the files under
stack/grafana/dashboards/ from the tables of grafana_boards.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.grafana_boards import BOARDS, Board, Panel

FOLDER = Path(__file__).parents[2] / "stack" / "grafana"
PROMETHEUS, JAEGER = "tracestitch-prometheus", "tracestitch-jaeger"
SCHEMA = 39
"""The newest that Grafana 10 knows; newer ones bring it up to date."""

Document = dict[str, Any]


def document(board: Board) -> Document:
    """As Grafana writes it to a file."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": ["tracestitch"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [
            {"type": "dashboards", "title": "Tracestitch", "tags": ["tracestitch"], "keepTime": True},
            {"type": "link", "title": "Open Tracestitch", "url": "${public_url:raw}", "targetBlank": True},
        ],
        "templating": {
            "list": [
                *(_choice(name, query) for name, query in board.choices.items()),
                {
                    **_choice("public_url", "label_values(tracestitch_build_info, public_url)"),
                    "hide": 2,
                    "includeAll": False,
                    "multi": False,
                },
            ]
        },
        "panels": _placed(board.panels),
    }


def _choice(name: str, query: str) -> Document:
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": PROMETHEUS},
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
    }


def _placed(panels: Sequence[Panel]) -> list[Document]:
    """From left to right; a row is as high as its highest panel."""
    found: list[Document] = []
    x = y = highest = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > 24:
            x, y, highest = 0, y + highest, 0
        highest = max(highest, panel.height)
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        found.append({"id": number, "gridPos": place, **_panel(panel)})
        x += panel.width
    return found


def _panel(panel: Panel) -> Document:
    links = [{"title": title, "url": url, "targetBlank": True} for title, url in panel.links]
    if panel.kind == "nodeGraph":
        source = {"type": "jaeger", "uid": JAEGER}
        targets = [{"refId": "A", "datasource": source, "queryType": "dependencyGraph"}]
    else:
        source = {"type": "prometheus", "uid": PROMETHEUS}
        targets = [
            _target(panel, chr(ord("A") + number), legend, expression)
            for number, (legend, expression) in enumerate(panel.queries.items())
        ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "links": links}, "overrides": []},
        "options": {"legend": {"displayMode": "list"}} if panel.kind == "timeseries" else {},
        "transformations": _columns() if panel.kind == "table" else [],
        "targets": targets,
    }


def _target(panel: Panel, ref: str, legend: str, expression: str) -> Document:
    return {
        "refId": ref,
        "datasource": {"type": "prometheus", "uid": PROMETHEUS},
        "expr": expression,
        "legendFormat": legend or "__auto",
        "exemplar": panel.exemplars,
        # Tables and figures show what is; charts what was.
        "instant": panel.kind != "timeseries",
        "range": panel.kind == "timeseries",
        "format": "table" if panel.kind == "table" else "time_series",
    }


def _columns() -> list[Document]:
    """A table without the moment of the query, the largest value first."""
    return [
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": {"Value": 99}}},
        {"id": "sortBy", "options": {"sort": [{"field": "Value", "desc": True}]}},
    ]


def text(board: Board) -> str:
    return json.dumps(document(board), indent=2, ensure_ascii=False) + "\n"


def path(board: Board) -> Path:
    return FOLDER / "dashboards" / f"{board.uid.removeprefix('tracestitch-')}.json"


if __name__ == "__main__":
    for each in BOARDS:
        path(each).write_text(text(each), encoding="utf-8")

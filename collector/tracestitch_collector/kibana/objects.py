"""What Kibana is given: data views, saved searches and dashboards over the documents that the Elasticsearch store writes.
Tables to look at first; below them how Kibana wants to have such things written. Pure.

Queries are in Lucene's syntax, which Elasticsearch itself reads: each can be tried without a Kibana.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DASHBOARD = "http://localhost:4380"
"""Where links of the data views lead to, until the import says otherwise."""
CORE_VERSION = "8.8.0"
"""The oldest form that every Kibana from 8.17 on takes and brings up to date."""

SavedObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataView:
    id: str
    title: str
    """The indices."""
    name: str
    links: Mapping[str, str]
    """Field to path of our dashboard, with {{value}} in it."""
    durations: Sequence[str] = ()
    """Fields of nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    id: str
    title: str
    description: str
    view: str
    query: str
    columns: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    id: str
    title: str
    kind: str
    """metric, line, histogram (bars) or table."""
    view: str
    query: str
    metric: Mapping[str, Any]
    """One aggregation: its type and parameters."""
    buckets: Sequence[Mapping[str, Any]] = ()
    """Aggregations from the outermost on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    id: str
    title: str
    description: str
    panels: Sequence[tuple[str, str, int, int]]
    """Kind (visualization or search), id, width of 48, height; from left to right."""


SERVICE = "resource.attributes.service.name"
REQUESTS = "kind:(Server OR Consumer)"
OPEN_FINDINGS = "record:state AND state:open AND suppressed:false"

VIEWS = (
    DataView(
        id="tracestitch-traces",
        title="traces-*.otel-*",
        name="Tracestitch: spans",
        links={"trace_id": "/traces/{{value}}"},
        durations=("duration",),
    ),
    DataView(
        id="tracestitch-logs",
        title="logs-*.otel-*",
        name="Tracestitch: logs and events",
        links={"trace_id": "/traces/{{value}}"},
    ),
    DataView(
        id="tracestitch-findings",
        title="tracestitch-findings-*",
        name="Tracestitch: pitfalls",
        links={"fingerprint": "/findings/{{value}}", "trace_id": "/traces/{{value}}"},
    ),
)

SEARCHES = (
    Search(
        id="tracestitch-failed-requests",
        title="Failed requests",
        description="Requests and tasks that ended with an error, the newest first.",
        view="tracestitch-traces",
        query=f"{REQUESTS} AND status.code:Error",
        columns=(SERVICE, "name", "duration", "attributes.http.response.status_code", "trace_id"),
    ),
    Search(
        id="tracestitch-slow-requests",
        title="Requests over one second",
        description="Requests and tasks that took a second or more, the newest first.",
        view="tracestitch-traces",
        query=f"{REQUESTS} AND duration:>=1000000000",
        columns=(SERVICE, "name", "duration", "trace_id"),
    ),
    Search(
        id="tracestitch-queries",
        title="Database statements",
        description="Each statement with the line of code that made it.",
        view="tracestitch-traces",
        query="_exists_:attributes.db.query.text",
        columns=(
            SERVICE,
            "attributes.db.query.text",
            "duration",
            "attributes.code.file.path",
            "attributes.code.line.number",
            "trace_id",
        ),
    ),
    Search(
        id="tracestitch-error-logs",
        title="Error logs",
        description="Log lines of level ERROR and above.",
        view="tracestitch-logs",
        query="severity_number:>=17",
        columns=(SERVICE, "severity_text", "body.text", "trace_id"),
    ),
    Search(
        id="tracestitch-exceptions",
        title="Exceptions",
        description="Exceptions that spans recorded, with type and message.",
        view="tracestitch-logs",
        query="event_name:exception",
        columns=(SERVICE, "attributes.exception.type", "attributes.exception.message", "trace_id"),
    ),
    Search(
        id="tracestitch-open-pitfalls",
        title="Open pitfalls",
        description="What the checks found and nobody mended or suppressed yet.",
        view="tracestitch-findings",
        query=OPEN_FINDINGS,
        columns=("severity", "check", "service.name", "title", "operation", "fingerprint"),
    ),
)

_COUNT: Mapping[str, Any] = {"type": "count", "params": {}}
_OVER_TIME: Mapping[str, Any] = {
    "type": "date_histogram",
    "params": {"field": "@timestamp", "interval": "auto", "min_doc_count": 1},
}


def _terms(field: str, size: int = 10) -> Mapping[str, Any]:
    return {"type": "terms", "params": {"field": field, "orderBy": "1", "order": "desc", "size": size}}


CHARTS = (
    Chart(
        id="tracestitch-requests",
        title="Requests by service",
        kind="histogram",
        view="tracestitch-traces",
        query=REQUESTS,
        metric=_COUNT,
        buckets=(_OVER_TIME, _terms(SERVICE)),
    ),
    Chart(
        id="tracestitch-errors",
        title="Failed requests by service",
        kind="histogram",
        view="tracestitch-traces",
        query=f"{REQUESTS} AND status.code:Error",
        metric=_COUNT,
        buckets=(_OVER_TIME, _terms(SERVICE)),
    ),
    Chart(
        id="tracestitch-latency",
        title="Time of requests (ns; 50th, 95th, 99th percentile)",
        kind="line",
        view="tracestitch-traces",
        query=REQUESTS,
        metric={"type": "percentiles", "params": {"field": "duration", "percents": [50, 95, 99]}},
        buckets=(_OVER_TIME,),
    ),
    Chart(
        id="tracestitch-operations",
        title="Operations",
        kind="table",
        view="tracestitch-traces",
        query=REQUESTS,
        metric=_COUNT,
        buckets=(_terms(SERVICE, 20), _terms("name", 20)),
    ),
    Chart(
        id="tracestitch-log-levels",
        title="Log lines by level",
        kind="histogram",
        view="tracestitch-logs",
        query="_exists_:severity_text",
        metric=_COUNT,
        buckets=(_OVER_TIME, _terms("severity_text")),
    ),
    Chart(
        id="tracestitch-pitfalls-open",
        title="Open pitfalls",
        kind="metric",
        view="tracestitch-findings",
        query=OPEN_FINDINGS,
        metric=_COUNT,
    ),
    Chart(
        id="tracestitch-pitfalls-by-check",
        title="Open pitfalls by check",
        kind="table",
        view="tracestitch-findings",
        query=OPEN_FINDINGS,
        metric=_COUNT,
        buckets=(_terms("check", 30), _terms("severity")),
    ),
    Chart(
        id="tracestitch-pitfalls-by-service",
        title="Open pitfalls by service",
        kind="table",
        view="tracestitch-findings",
        query=OPEN_FINDINGS,
        metric=_COUNT,
        buckets=(_terms("service.name", 30),),
    ),
)

BOARDS = (
    Board(
        id="tracestitch-services",
        title="Tracestitch: services",
        description="Requests, failures and times of every service, and what they logged.",
        panels=(
            ("visualization", "tracestitch-requests", 24, 12),
            ("visualization", "tracestitch-errors", 24, 12),
            ("visualization", "tracestitch-latency", 24, 12),
            ("visualization", "tracestitch-log-levels", 24, 12),
            ("visualization", "tracestitch-operations", 48, 14),
            ("search", "tracestitch-failed-requests", 48, 14),
            ("search", "tracestitch-error-logs", 48, 14),
        ),
    ),
    Board(
        id="tracestitch-pitfalls",
        title="Tracestitch: pitfalls",
        description="What the checks found: N+1 queries, missing timeouts, swallowed errors and the others.",
        panels=(
            ("visualization", "tracestitch-pitfalls-open", 12, 12),
            ("visualization", "tracestitch-pitfalls-by-check", 18, 12),
            ("visualization", "tracestitch-pitfalls-by-service", 18, 12),
            ("search", "tracestitch-open-pitfalls", 48, 22),
        ),
    ),
)


def objects(dashboard: str = DASHBOARD) -> list[SavedObject]:
    """All of them, those that others refer to first; links lead to the dashboard at this address."""
    return [
        *(_data_view(view, dashboard.rstrip("/")) for view in VIEWS),
        *(_search(search) for search in SEARCHES),
        *(_chart(chart) for chart in CHARTS),
        *(_board(board) for board in BOARDS),
    ]


def ndjson(dashboard: str = DASHBOARD) -> str:
    """As Kibana imports and exports them: one on each line."""
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects(dashboard))


def _data_view(view: DataView, dashboard: str) -> SavedObject:
    formats: dict[str, Any] = {
        field: {
            "id": "url",
            "params": {
                "urlTemplate": dashboard + path,
                "labelTemplate": "{{value}}",
                "openLinkInCurrentTab": False,
            },
        }
        for field, path in view.links.items()
    }
    for field in view.durations:
        formats[field] = {
            "id": "duration",
            "params": {"inputFormat": "nanoseconds", "outputFormat": "asMilliseconds", "outputPrecision": 1},
        }
    attributes = {
        "title": view.title,
        "name": view.name,
        "timeFieldName": "@timestamp",
        "fieldFormatMap": json.dumps(formats),
        "fieldAttrs": "{}",
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
    }
    return _saved("index-pattern", view.id, attributes, [], "8.0.0")


def _search(search: Search) -> SavedObject:
    attributes = {
        "title": f"Tracestitch: {search.title}",
        "description": search.description,
        "columns": list(search.columns),
        "sort": [["@timestamp", "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": _source(search.query, indexed=True),
    }
    return _saved("search", search.id, attributes, [_index(search.view)], "8.0.0")


def _chart(chart: Chart) -> SavedObject:
    aggregations = [{"id": "1", "enabled": True, "schema": "metric", **chart.metric}]
    schemas = {"table": ("bucket", "bucket"), "metric": ()}.get(chart.kind, ("segment", "group"))
    for number, (bucket, schema) in enumerate(zip(chart.buckets, schemas, strict=False), 2):
        aggregations.append({"id": str(number), "enabled": True, "schema": schema, **bucket})
    state = {"title": chart.title, "type": chart.kind, "aggs": aggregations, "params": _looks(chart.kind)}
    attributes = {
        "title": f"Tracestitch: {chart.title}",
        "description": "",
        "uiStateJSON": "{}",
        "version": 1,
        "visState": json.dumps(state),
        "kibanaSavedObjectMeta": _source(chart.query, indexed=True),
    }
    return _saved("visualization", chart.id, attributes, [_index(chart.view)], "8.5.0")


def _looks(kind: str) -> dict[str, Any]:
    if kind == "table":
        return {"perPage": 10, "showPartialRows": False, "showTotal": False, "totalFunc": "sum"}
    if kind == "metric":
        style = {"bgColor": False, "labelColor": False, "subText": "", "fontSize": 60}
        labels = {"show": True}
        return {
            "addTooltip": True,
            "addLegend": False,
            "type": "metric",
            "metric": {
                "metricColorMode": "None",
                "colorsRange": [{"from": 0, "to": 10_000}],
                "labels": labels,
                "style": style,
            },
        }
    axis = {
        "id": "CategoryAxis-1",
        "type": "category",
        "position": "bottom",
        "show": True,
        "scale": {"type": "linear"},
    }
    values = {
        "id": "ValueAxis-1",
        "name": "LeftAxis-1",
        "type": "value",
        "position": "left",
        "show": True,
        "scale": {"type": "linear", "mode": "normal"},
    }
    series = {
        "show": True,
        "type": kind,
        "mode": "stacked" if kind == "histogram" else "normal",
        "data": {"id": "1", "label": ""},
        "valueAxis": "ValueAxis-1",
    }
    return {
        "type": kind,
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "grid": {"categoryLines": False},
        "categoryAxes": [{**axis, "labels": {"show": True, "truncate": 100}, "title": {}}],
        "valueAxes": [
            {
                **values,
                "labels": {"show": True, "rotate": 0, "filter": False, "truncate": 100},
                "title": {"text": ""},
            }
        ],
        "seriesParams": [series],
    }


def _board(board: Board) -> SavedObject:
    panels: list[dict[str, Any]] = []
    references: list[dict[str, str]] = []
    x = y = row = 0
    for number, (kind, identity, width, height) in enumerate(board.panels, 1):
        if x + width > 48:
            x, y, row = 0, y + row, 0
        index = str(number)
        panels.append(
            {
                "version": "8.17.0",
                "type": kind,
                "gridData": {"x": x, "y": y, "w": width, "h": height, "i": index},
                "panelIndex": index,
                "embeddableConfig": {"enhancements": {}},
                "panelRefName": f"panel_{index}",
            }
        )
        references.append({"name": f"{index}:panel_{index}", "type": kind, "id": identity})
        x, row = x + width, max(row, height)
    attributes = {
        "title": board.title,
        "description": board.description,
        "hits": 0,
        "optionsJSON": json.dumps({"useMargins": True, "syncColors": True, "hidePanelTitles": False}),
        "panelsJSON": json.dumps(panels),
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "version": 1,
        "kibanaSavedObjectMeta": _source("", indexed=False),
    }
    return _saved("dashboard", board.id, attributes, references, "8.9.0")


def _source(query: str, *, indexed: bool) -> dict[str, str]:
    source: dict[str, Any] = {"query": {"language": "lucene", "query": query}, "filter": []}
    if indexed:
        source["indexRefName"] = _INDEX
    return {"searchSourceJSON": json.dumps(source)}


_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"


def _index(view: str) -> dict[str, str]:
    return {"name": _INDEX, "type": "index-pattern", "id": view}


def _saved(
    kind: str, identity: str, attributes: dict[str, Any], references: list[dict[str, str]], version: str
) -> SavedObject:
    return {
        "type": kind,
        "id": identity,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": version,
        "managed": False,
    }

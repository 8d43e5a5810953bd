"""Telemetry of every shape, and the documents that Elastic's own exporter made of it: recorded in
`tests/contract/golden/exporter.json` by `python -m tests.support.golden`, which needs Go (three minutes, once) and a
real Elasticsearch.
"""

from __future__ import annotations

import json
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elasticsearch import ApiError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support import elastic_exporter
from tests.support.elastic_mapping import template
from tests.support.elasticsearch import CURRENT, start
from tests.support.otlp import BASE_NS, key_values, log_request, otlp_log, otlp_span, trace_request
from tests.support.server import eventually
from tracestitch_collector.model import AttributeValue
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.times import nanoseconds

RECORDED = Path(__file__).parents[1] / "contract" / "golden" / "exporter.json"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
NAMESPACE = "golden"
RESOURCE: dict[str, AttributeValue] = {
    "data_stream.namespace": NAMESPACE,
    "service.name": "inventory",
    "service.version": "1.0",
    "host.name": "h1",
    "process.pid": 7,
    "deployment.environment.name": "staging",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.version": "1.45.1",
}
SCHEMA = "https://opentelemetry.io/schemas/1.21.0"

Documents = Mapping[str, Mapping[str, Any]]
"""By what a document is about."""


def traces() -> ExportTraceServiceRequest:
    request = trace_request(*_spans(), resource=RESOURCE, scope="tracestitch.django")
    group = request.resource_spans[0]
    group.schema_url, group.resource.dropped_attributes_count = SCHEMA, 1
    scoped = group.scope_spans[0]
    scoped.schema_url, scoped.scope.version = SCHEMA, "0.50b0"
    scoped.scope.attributes.extend(key_values({"scope.key": "v"}))
    scoped.scope.dropped_attributes_count = 2
    unnamed = trace_request(
        _at(20, name="of nobody"),
        resource=(("host.name", "h2"), ("data_stream.namespace", NAMESPACE)),
        scope="",
    )
    request.MergeFrom(unnamed)
    return request


def _at(number: int, **fields: Any) -> Span:
    """A span that its id and its time tell from the others."""
    return otlp_span(
        **{
            "span_id": f"{number:016x}",
            "start_ns": BASE_NS + number * 1_000_001,
            "trace_id": TRACE_ID,
            **fields,
        }
    )


def _spans() -> list[Span]:
    request = _at(
        1,
        status=2,
        message="boom",
        trace_state="vendor=1",
        flags=0x101,
        duration_ns=1_500_999,
        attributes={"http.request.method": "GET", "http.route": "/stock", "http.response.status_code": 503},
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=3,
        events=[
            Span.Event(
                time_unix_nano=BASE_NS + 5,
                name="exception",
                attributes=key_values({"exception.type": "ValueError", "exception.message": "x"}),
                dropped_attributes_count=4,
            ),
            Span.Event(time_unix_nano=BASE_NS + 6, attributes=key_values({"n": 1})),
        ],
        links=[
            Span.Link(
                trace_id=bytes(range(16)),
                span_id=bytes(range(8)),
                trace_state="a=b",
                attributes=key_values({"link.type": "follows_from"}),
                dropped_attributes_count=5,
            )
        ],
    )
    values = {
        "whole": 1.0, "half": 0.5, "bytes": b"\x00\xff", "list": ("a", "b"), "map": {"a": {"b": 1}}, "nothing": None,
        "yes": True, "negative": -5, "geo.location.lat": 1.5, "geo.location.lon": 2.5,
    }  # fmt: skip
    routing = {"data_stream.dataset": "shop", "kept": 1}
    return [
        request,
        _at(2, parent_span_id=f"{1:016x}", kind=3, name="SELECT stock",
            attributes={"db.system.name": "postgresql", "db.namespace": "shop"}),
        _at(3, parent_span_id=f"{1:016x}", kind=0, name=""),
        _at(4, kind=1, attributes=values),
        _at(5, kind=4, duration_ns=0, status=1),
        _at(6, kind=5, attributes=routing),
        _at(7, parent_span_id=f"{1:016x}", kind=3, attributes={"http.method": "GET", "http.status_code": 200}),
        _at(8, attributes={"event.outcome": "unknown", "tracestitch.time_ns": "mine"}),
    ]  # fmt: skip


def logs() -> ExportLogsServiceRequest:
    bodies = ("text", 5, 0.5, True, b"\x01", {"a": {"b": 1}}, ({"a": 1}, {"b": 2}), ("a", 1), None)
    records = [otlp_log(time_ns=BASE_NS + 100 + n, body=body) for n, body in enumerate(bodies)]
    records += [
        otlp_log(
            time_ns=BASE_NS + 120, severity=17, severity_text="ERROR", trace_id=TRACE_ID, span_id=f"{1:016x}",
            attributes={"attempt": 2}, observed_time_unix_nano=BASE_NS + 121, event_name="login", flags=1,
            dropped_attributes_count=3,
        ),
        otlp_log(time_ns=0, observed_time_unix_nano=BASE_NS + 122, body="observed only"),
        otlp_log(time_ns=BASE_NS + 123, attributes={"event.name": "old.style"}, severity=0, severity_text=""),
    ]  # fmt: skip
    return log_request(*records, resource=RESOURCE, scope="inventory.views")


def about(document: Mapping[str, Any]) -> str:
    """What a document is about, whoever wrote it: its kind, its span, its time within the test."""
    kind = document["data_stream"]["type"]
    return f"{kind} {document.get('span_id', '')} +{nanoseconds(document['@timestamp']) - BASE_NS}"


def post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/x-protobuf"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200, answer.status


def exported(url: str, folder: Path) -> Documents:
    """Through the real exporter into the real server, and read back from there."""
    client = connect(ElasticsearchSettings(url=url, data=folder))
    for signal, priority in (("traces", 400), ("logs", 401)):
        body = {**template(signal, f"{signal}-*.otel-{NAMESPACE}"), "priority": priority}
        client.indices.put_index_template(name=f"golden-{signal}", **body)
    with elastic_exporter.exporting(url, folder) as collector:
        post(collector.otlp_http + "/v1/traces", traces().SerializeToString())
        post(collector.otlp_http + "/v1/logs", logs().SerializeToString())
        wanted = sum(len(span.events) + 1 for span in _all_spans()) + len(_all_records())
        found = eventually(lambda: _read(client, wanted), seconds=120)
    client.close()
    return found


def _all_spans() -> list[Span]:
    return [
        span for group in traces().resource_spans for scoped in group.scope_spans for span in scoped.spans
    ]


def _all_records() -> list[Any]:
    return [
        record
        for group in logs().resource_logs
        for scoped in group.scope_logs
        for record in scoped.log_records
    ]


def _read(client: Any, wanted: int) -> Documents | None:
    streams = f"traces-*.otel-{NAMESPACE},logs-*.otel-{NAMESPACE}"
    try:
        client.indices.refresh(index=streams)
        hits = client.search(index=streams, size=1000)["hits"]["hits"]
    except ApiError:  # in the moment in which a stream is made
        return None
    found = {about(hit["_source"]): hit["_source"] for hit in hits}
    return found if len(found) >= wanted else None


def main() -> None:
    if reason := elastic_exporter.build():
        sys.exit(reason)
    server = start(CURRENT)
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = exported(server.url, Path(folder))
    finally:
        server.stop()
    RECORDED.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

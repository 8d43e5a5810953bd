"""Names of fields that queries and documents share, and which attributes are ours rather than the sender's."""

from __future__ import annotations

TIME = "attributes.tracestitch.time_ns"
"""Start of a span, time of a log record or event: exact, where `@timestamp` is searched by milliseconds only."""
END = "attributes.tracestitch.end_ns"
RECEIVED = "attributes.tracestitch.received_ns"
EVENT_INDEX = "attributes.tracestitch.event_index"
"""Only on the log documents of span events: which event of its span."""
SERVICE = "resource.attributes.service.name"
INSTANCE = "resource.attributes.service.instance.id"
ROUTE = "attributes.http.route"
TIE = "attributes.tracestitch.tie"
"""Keeps log documents of the same nanosecond apart, so that pages can go on where the last one ended."""
UNINDEXED = "attributes.tracestitch.unindexed"
"""Keys of attributes that the document carries and no field holds."""
TRACE_ID = "trace_id"
SPAN_ID = "span_id"
PARENT = "parent_span_id"
NAME = "name"
KIND = "kind"
STATUS = "status.code"
DURATION = "duration"

OWN_ATTRIBUTES = frozenset(
    name.removeprefix("attributes.") for name in (TIME, END, RECEIVED, EVENT_INDEX, TIE, UNINDEXED)
)
"""Ours even when the sender uses the same key; its value is then kept beside."""

REMOVED_ATTRIBUTES = frozenset(
    {
        "data_stream.type",
        "data_stream.dataset",
        "data_stream.namespace",
        "elasticsearch.index",
        "elasticsearch.mapping.hints",
        "elasticsearch.mapping.mode",
        "elasticsearch.document_id",
        "elasticsearch.document_pipeline",
    }
)
"""Instructions to an exporter: not part of the document, as with Elastic's own exporter."""

ENRICHED_ATTRIBUTES = frozenset(
    {
        "timestamp.us",
        "processor.event",
        "event.outcome",
        "event.success_count",
        "transaction.id",
        "transaction.sampled",
        "transaction.root",
        "transaction.name",
        "transaction.representative_count",
        "transaction.duration.us",
        "transaction.type",
        "transaction.result",
        "span.representative_count",
        "span.action",
        "span.type",
        "span.subtype",
        "span.duration.us",
        "span.destination.service.resource",
        "service.target.type",
        "service.target.name",
        "error.id",
        "error.exception.handled",
        "error.grouping_key",
        "error.grouping_name",
    }
)
"""What enrichment.py may add for Kibana; taken out again when read, unless the sender had sent it."""

ENRICHED_RESOURCE = frozenset(
    {"agent.name", "agent.version", "deployment.environment", "service.instance.id"}
)

KINDS = ("", "Internal", "Server", "Client", "Producer", "Consumer")
"""Indexed by OTLP's number; empty is left out."""
STATUSES = ("", "Ok", "Error")
REQUEST_KINDS = ("Server", "Consumer")
CALL_KINDS = ("Client", "Producer")

MAX_LONG = 2**63 - 1
"""The largest number that a field holds."""

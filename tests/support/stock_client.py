"""A program that uses OpenTelemetry's own SDK only and sends one trace that uses every feature once:
`python -m tests.support.stock_client {http/protobuf,http/json,grpc} ENDPOINT SERVICE`. Prints the trace id.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

ATTRIBUTES: dict[str, Any] = {
    "text": "grüße <b>",
    "integer": 9007199254740993,  # beyond what a double holds
    "negative": -1,
    "double": 0.1,
    "yes": True,
    "no": False,
    "empty": "",
    "texts": ["a", "b"],
    "integers": [1, 2],
    "doubles": [0.5, 1.0],
    "booleans": [True, False],
}
LINKED = trace.SpanContext(0x0102030405060708090A0B0C0D0E0F10, 0x0102030405060708, is_remote=True)


def exporters(protocol: str, endpoint: str) -> tuple[Any, Any]:
    """The stock span and log exporters of the protocol."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans

        return GrpcSpans(endpoint=endpoint, insecure=True), GrpcLogs(endpoint=endpoint, insecure=True)
    if protocol == "http/json":
        from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter as JsonLogs
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as JsonSpans

        return JsonSpans(endpoint=f"{endpoint}/v1/traces"), JsonLogs(endpoint=f"{endpoint}/v1/logs")
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans

    return HttpSpans(endpoint=f"{endpoint}/v1/traces"), HttpLogs(endpoint=f"{endpoint}/v1/logs")


def main(protocol: str, endpoint: str, service: str) -> str:
    """Sends everything and returns the trace id as hex."""
    spans, logs = exporters(protocol, endpoint)
    resource = Resource.create({"service.name": service, "deployment.environment.name": "test"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    log_provider = LoggerProvider(resource=resource)
    log_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    logger = logging.getLogger("shop")
    logger.addHandler(LoggingHandler(logger_provider=log_provider))
    logger.setLevel(logging.INFO)
    tracer = provider.get_tracer("stock", "1.2.3")
    with tracer.start_as_current_span(
        "GET /items",
        kind=trace.SpanKind.SERVER,
        attributes=ATTRIBUTES,
        links=[trace.Link(LINKED, {"why": "retry"})],
    ) as root:
        logger.warning("only %d left", 3)
        for kind in (
            trace.SpanKind.CLIENT,
            trace.SpanKind.PRODUCER,
            trace.SpanKind.CONSUMER,
            trace.SpanKind.INTERNAL,
        ):
            with tracer.start_as_current_span(f"child {kind.name.lower()}", kind=kind) as child:
                child.add_event("noticed", {"n": 1})
                if kind is trace.SpanKind.CLIENT:
                    child.record_exception(ValueError("<script>alert(1)</script>"))
                    child.set_status(trace.Status(trace.StatusCode.ERROR, "it broke"))
                elif kind is trace.SpanKind.INTERNAL:
                    child.set_status(trace.Status(trace.StatusCode.OK))
    provider.shutdown()
    log_provider.shutdown()
    return format(root.get_span_context().trace_id, "032x")


if __name__ == "__main__":
    print(main(*sys.argv[1:4]))  # noqa: T201

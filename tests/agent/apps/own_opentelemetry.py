"""A Flask service that has long used OpenTelemetry by itself, with an exporter of its own."""

import json
import os

from flask import Flask
from opentelemetry import trace

tracer = trace.get_tracer(__name__)  # at import, before there is a provider, as most modules do

from opentelemetry.sdk.resources import Resource  # noqa: E402
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import (  # noqa: E402
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)


class Printing(SpanExporter):
    def export(self, spans: list[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            parent = span.parent
            seen = {
                "name": span.name,
                "kind": span.kind.name,
                "remote": parent.is_remote if parent else None,
                "parent": f"{parent.span_id:016x}" if parent else None,
                "service": span.resource.attributes["service.name"],
                "attributes": sorted(span.attributes or ()),
            }
            print(json.dumps(seen))
        return SpanExportResult.SUCCESS


provider = TracerProvider(resource=Resource.create({"service.name": "theirs"}))
provider.add_span_processor(SimpleSpanProcessor(Printing()))
trace.set_tracer_provider(provider)
assert trace.get_tracer_provider() is provider
app = Flask(__name__)
if os.environ.get("INSTRUMENTED"):
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    FlaskInstrumentor().instrument_app(app)


@app.get("/")
def root() -> str:
    with tracer.start_as_current_span("early tracer"):
        trace.get_current_span().set_attribute("set.through.the.api", True)
    with trace.get_tracer("late").start_as_current_span("late tracer"):
        app.logger.warning("inside")
    return "ok"


if __name__ == "__main__":
    client = app.test_client()
    client.get("/", headers={"traceparent": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"})

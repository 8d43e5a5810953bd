import os

import logfire
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

exporter = OTLPSpanExporter(endpoint=os.environ["SINK"] + "/v1/traces")
logfire.configure(
    send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(exporter)]
)
import flask  # noqa: E402

_init = flask.Flask.__init__


def init(self, *args, **kwargs):
    _init(self, *args, **kwargs)
    logfire.instrument_flask(self)


flask.Flask.__init__ = init

"""The one seam to the tracing SDK: everything else speaks the OpenTelemetry API through this tracer."""

from opentelemetry import trace

from tracestitch import __version__

SCOPE_NAME = "tracestitch"


def tracer() -> trace.Tracer:
    return trace.get_tracer(SCOPE_NAME, __version__)

"""The one seam to the tracing SDK: everything else speaks the OpenTelemetry API through this tracer."""

import os
from functools import lru_cache

from opentelemetry import trace
from opentelemetry.sdk.trace.id_generator import IdGenerator

from tracestitch import __version__

SCOPE_NAME = "tracestitch"


@lru_cache(maxsize=1)
def tracer() -> trace.Tracer:
    return trace.get_tracer(SCOPE_NAME, __version__)


class SystemIdGenerator(IdGenerator):
    """Ids from the system: the SDK's come from `random`, which an app may seed, and then traces collide."""

    def generate_span_id(self) -> int:
        return int.from_bytes(os.urandom(8), "big") or 1

    def generate_trace_id(self) -> int:
        return int.from_bytes(os.urandom(16), "big") or 1

"""A statement's span while nobody else can see it: four values as long as it runs, and at its end the bytes that leave,
of which all but ids and times are known from the last time. Where somebody may look (a processor, a sampler, a failure),
it is a span like any other."""

import struct
from time import time_ns

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from tracestitch import __version__, calls, tracing
from tracestitch.encode import SCOPE_NAME, field, text, varint
from tracestitch.scrub import scrub_text
from tracestitch.spans import Span
from tracestitch.statements import Shape

_ROWS = "db.response.returned_rows"
_SAMPLED, _LOCAL_PARENT = 1, 0x100
_IDS, _TIMES_AND_FLAGS = struct.Struct(">2s16s2sQ2sQ"), struct.Struct("<BQBQHI")
_FIXED_BYTES = _IDS.size + _TIMES_AND_FLAGS.size
_ids, _times_and_flags = _IDS.pack, _TIMES_AND_FLAGS.pack
_CLIENT = bytes((0x30, SpanKind.CLIENT.value + 1))
_ROWS_KEY = field(b"\x0a", _ROWS.encode())


class Brief:
    """Begun when it is made."""

    __slots__ = ("_begun_ns", "_parent", "_shape", "_span_id")

    def __init__(self, parent: Span, shape: Shape) -> None:
        self._parent = parent
        self._shape = shape
        self._span_id = parent.tracer.provider.id_generator.bits(64) or 1
        self._begun_ns = time_ns()

    def end(self, rows: int | None = None) -> None:
        ended_ns, parent, attributes = time_ns(), self._parent, self._shape.attributes
        written = attributes.written or _written(self._shape)
        if written is None:  # the exporter's thread, which may read files, has not seen its like
            span = self.as_span()
            if rows is not None:
                span.set_attribute(_ROWS, rows)
            span.end(ended_ns)
            return
        head, body = written
        if rows is not None:
            body += field(b"\x4a", _ROWS_KEY + field(b"\x12", b"\x18" + varint(rows)))
            head = b"\x12" + varint(_FIXED_BYTES + len(body))
        parent.tracer.provider.exporter.add_encoded(
            head
            + _ids(
                b"\x0a\x10", parent.trace_id.to_bytes(16, "big"), b"\x12\x08", self._span_id,
                b"\x22\x08", parent.span_id,
            )
            + _times_and_flags(
                0x39, self._begun_ns, 0x41, ended_ns, 0x0185, parent.flags | (_SAMPLED | _LOCAL_PARENT)
            )
            + body
        )  # fmt: skip

    def as_span(self) -> trace.Span:
        """Begun when this was."""
        parent, shape = self._parent, self._shape
        own = parent.tracer.provider.get_tracer(SCOPE_NAME, __version__)
        span = Span(
            own, shape.summary, SpanKind.CLIENT, parent.trace_id, self._span_id, parent.flags | _SAMPLED
        )
        span.parent_id, span.start_time, span.shared = parent.span_id, self._begun_ns, (shape.attributes,)
        return span


def begin(parent: Span | None, shape: Shape) -> Brief | trace.Span:
    if parent is not None and parent.trace_state is None and parent.tracer.provider.is_plain:
        return Brief(parent, shape)
    return tracing.child(parent, shape.summary, SpanKind.CLIENT, shape.attributes)


def begin_many(parent: Span | None, shape: Shape, count: int | None) -> trace.Span:
    """Of a statement that is sent with so many sets of parameters."""
    span = tracing.child(parent, shape.summary, SpanKind.CLIENT, shape.attributes)
    if count is not None:
        span.set_attribute("db.operation.batch.size", count)
    return span


def end(started: Brief | trace.Span, rows: int | None) -> None:
    """`rows`: how many it found, where the driver knows for nothing."""
    if isinstance(started, Brief):
        started.end(rows)
        return
    if rows is not None:
        started.set_attribute(_ROWS, rows)
    started.end()


def fail(started: Brief | trace.Span, error: BaseException, *errors_seen: BaseException | None) -> None:
    span = started.as_span() if isinstance(started, Brief) else started
    calls.fail(span, error, *errors_seen)
    span.end()


def _written(shape: Shape) -> tuple[bytes, bytes] | None:
    attributes = shape.attributes
    if attributes.span_bytes is None:
        return None
    body = text(b"\x2a", scrub_text(shape.summary)) + _CLIENT + attributes.span_bytes
    attributes.written = b"\x12" + varint(_FIXED_BYTES + len(body)), body
    return attributes.written

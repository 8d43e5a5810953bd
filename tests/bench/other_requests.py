"""The spans of `spans.py` in JSON, and log records, for the figures of `make bench` about these: made the same way,
once, and then given new ids and times.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.bench.spans import ID_MARK, SPANS_PER_REQUEST, TIME_MARK, TRACE_BYTES, Requests
from tests.support.otlp import log_request, otlp_log
from tracestitch_collector.model import AttributeValue

RECORDS_PER_REQUEST = 1_000
_HEX_MARK = ID_MARK.hex().encode()
_SECOND = b"_SECOND_10"
"""As long as what takes its place."""
_MARKED_TRACE = ID_MARK.ljust(TRACE_BYTES, b"\xff")


class JsonRequests:
    """An endless supply of requests of 512 spans in JSON that all differ."""

    def __init__(self, seed: int = 1, templates: int = 8) -> None:
        self._random = random.Random(seed)
        self._templates = [
            (body, tuple(_places(body)))
            for body in (_json(each.body) for each in Requests(seed, templates).templates)
        ]
        self._next = 0

    def body(self, now_ns: int) -> tuple[bytes, str]:
        template, places = self._templates[self._next % len(self._templates)]
        self._next += 1
        body = bytearray(template.replace(_SECOND, b"%010d" % (now_ns // 10**9)))
        ids = self._random.randbytes(2 * TRACE_BYTES * SPANS_PER_REQUEST).hex().encode()
        for at, number, size in places:
            begin = number * 2 * TRACE_BYTES
            body[at : at + size] = ids[begin : begin + size]
        first = SPANS_PER_REQUEST * 2 * TRACE_BYTES
        return bytes(body), ids[first : first + 2 * TRACE_BYTES].decode()


def _json(body: bytes) -> bytes:
    """By OTLP's rules: ids as hex, enums as numbers. Times are the second now, as a mark, and a fraction."""
    document: Any = MessageToDict(ExportTraceServiceRequest.FromString(body), use_integers_for_enums=True)
    message = ExportTraceServiceRequest.FromString(body)
    for group, named in zip(message.resource_spans, document["resourceSpans"], strict=True):
        for scope, named_scope in zip(group.scope_spans, named["scopeSpans"], strict=True):
            for span, target in zip(scope.spans, named_scope["spans"], strict=True):
                target["traceId"], target["spanId"] = span.trace_id.hex(), span.span_id.hex()
                if span.parent_span_id:
                    target["parentSpanId"] = span.parent_span_id.hex()
                nanos = span.start_time_unix_nano % 500_000_000
                length = span.end_time_unix_nano - span.start_time_unix_nano
                target["startTimeUnixNano"] = f"{_SECOND.decode()}{nanos:09d}"
                target["endTimeUnixNano"] = f"{_SECOND.decode()}{nanos + length % 400_000_000:09d}"
    return json.dumps(document, separators=(",", ":")).encode()


def _places(body: bytes) -> Iterator[tuple[int, int, int]]:
    at = body.find(_HEX_MARK)
    while at >= 0:
        end = body.index(b'"', at)
        yield at, int(body[end - 4 : end], 16), end - at
        at = body.find(_HEX_MARK, end)


class LogRequests:
    """An endless supply of requests of 1,000 log records that all differ."""

    def __init__(self, seed: int = 1, templates: int = 8) -> None:
        self._random = random.Random(seed)
        self._templates = [self._template(number) for number in range(templates)]
        self._next = 0

    def body(self, now_ns: int) -> tuple[bytes, str]:
        template = self._templates[self._next % len(self._templates)]
        self._next += 1
        trace_id = self._random.randbytes(TRACE_BYTES)
        body = template.replace(TIME_MARK, (now_ns >> 32).to_bytes(4, "little"))
        return body.replace(_MARKED_TRACE, trace_id), trace_id.hex()

    def _template(self, number: int) -> bytes:
        choice = self._random
        upper = int.from_bytes(bytes(4) + TIME_MARK, "little")
        records = [
            otlp_log(
                time_ns=upper + choice.randrange(2**32),
                severity=(level := choice.choice((9, 9, 9, 9, 13, 17))),
                severity_text={9: "INFO", 13: "WARNING", 17: "ERROR"}[level],
                body=f"order {choice.randrange(10**6)} of customer {choice.randrange(5_000)} took {choice.randrange(900)} ms",
                trace_id=(choice.randbytes(TRACE_BYTES) if index else _MARKED_TRACE).hex(),
                span_id=choice.randbytes(8).hex(),
                attributes={
                    "code.file.path": "/srv/shop/orders.py",
                    "code.function.name": choice.choice(("place", "pay", "ship")),
                    "code.line.number": choice.randrange(10, 200),
                    "logger.name": "shop.orders",
                },
            )
            for index in range(RECORDS_PER_REQUEST)
        ]
        resource: dict[str, AttributeValue] = {
            "service.name": f"service-{number % 5}",
            "host.name": f"node-{number % 3}",
            "process.pid": number,
        }
        return log_request(*records, resource=resource).SerializeToString()

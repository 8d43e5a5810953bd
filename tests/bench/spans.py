"""Realistic export requests for benchmarks: made once with the official protobuf classes, then given new ids and
times by replacing bytes, so that the generator costs next to nothing beside what it measures.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.otlp import otlp_span, trace_request
from tracestitch_collector.model import AttributeValue

SPANS_PER_REQUEST = 512
SPANS_PER_TRACE = 16
TRACE_BYTES, SPAN_BYTES = 16, 8
TIME_MARK = b"\x05TM\x06"
"""Upper half of every time; the lower half is up to four seconds."""

ID_MARK = b"\xfd\xfe\xfc\xfb"

ROUTES = ("/stock/<sku>", "/cart", "/checkout", "/orders/<int:id>", "/prices")


@dataclass(frozen=True, slots=True)
class Template:
    body: bytes
    places: tuple[tuple[int, int, int], ...]
    """Where an id stands, which of the request's ids it is, and how long it is."""


class Requests:
    """An endless supply of requests of 512 spans that all differ."""

    def __init__(
        self, seed: int = 1, templates: int = 8, resource: Mapping[str, AttributeValue] | None = None
    ) -> None:
        """`resource`: attributes that all resources have beside their own."""
        self._random = random.Random(seed)
        self._resource = dict(resource or {})
        self._templates = [self._template(number) for number in range(templates)]
        self._next = 0

    @property
    def templates(self) -> list[Template]:
        return self._templates

    def body(self, now_ns: int) -> tuple[bytes, str]:
        """A request whose spans happen now, and the id of its first trace."""
        template = self._templates[self._next % len(self._templates)]
        self._next += 1
        body = bytearray(template.body.replace(TIME_MARK, (now_ns >> 32).to_bytes(4, "little")))
        ids = self._random.randbytes(TRACE_BYTES * (2 * SPANS_PER_REQUEST))
        for at, number, size in template.places:
            body[at : at + size] = ids[number * TRACE_BYTES : number * TRACE_BYTES + size]
        first = SPANS_PER_REQUEST * TRACE_BYTES
        return bytes(body), ids[first : first + TRACE_BYTES].hex()

    def _template(self, number: int) -> Template:
        spans = [self._span(index) for index in range(SPANS_PER_REQUEST)]
        resource: dict[str, AttributeValue] = {
            "service.name": f"service-{number % 5}",
            "service.version": "1.4.2",
            "service.instance.id": f"{number:032x}",
            "deployment.environment.name": "production",
            "host.name": f"node-{number % 3}",
            "process.pid": 1000 + number,
            "process.runtime.name": "cpython",
            "process.runtime.version": "3.11.9",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": "1.45.2",
            **self._resource,
        }
        body = trace_request(*spans, resource=resource, scope="tracestitch.django").SerializeToString()
        return Template(body, tuple(_places(body)))

    def _span(self, index: int) -> Span:
        choice = self._random
        trace_number, position = divmod(index, SPANS_PER_TRACE)
        start = int.from_bytes(choice.randbytes(3) + b"\0" + TIME_MARK, "little")
        return otlp_span(
            trace_id=_numbered(SPANS_PER_REQUEST + trace_number, TRACE_BYTES).hex(),
            span_id=_numbered(index, SPAN_BYTES).hex(),
            parent_span_id=_numbered(index - position, SPAN_BYTES).hex() if position else "",
            start_ns=start,
            duration_ns=choice.randrange(1_000, 50_000_000),
            flags=0x101,
            status=2 if choice.random() < 0.01 else 0,
            **(self._database() if position % 2 else self._request()),
        )

    def _request(self) -> dict[str, Any]:
        choice = self._random
        route = choice.choice(ROUTES)
        return {
            "name": f"GET {route}",
            "kind": 2,
            "attributes": {
                "http.request.method": "GET",
                "http.route": route,
                "http.response.status_code": choice.choice((200, 200, 200, 201, 404)),
                "url.path": f"/stock/{choice.randrange(100_000)}",
                "url.scheme": "http",
                "server.address": "shop.example",
                "server.port": 8000,
                "client.address": f"10.0.{choice.randrange(4)}.{choice.randrange(250)}",
                "user_agent.original": "python-requests/2.34.2",
                "code.function.name": "shop.views.stock",
                "code.line.number": choice.randrange(10, 200),
            },
        }

    def _database(self) -> dict[str, Any]:
        choice = self._random
        table = choice.choice(("stock_item", "price", "cart", "orders"))
        return {
            "name": f"SELECT {table}",
            "kind": 3,
            "attributes": {
                "db.system.name": "postgresql",
                "db.namespace": "shop",
                "db.query.text": f"SELECT id, sku, name, price FROM {table} WHERE id = ?",
                "db.query.summary": f"SELECT {table}",
                "db.operation.name": "SELECT",
                "db.collection.name": table,
                "server.address": "db.example",
                "server.port": 5432,
                "code.file.path": "/srv/shop/views.py",
                "code.line.number": choice.randrange(10, 200),
                "tracestitch.db.in_transaction": False,
            },
        }


def _numbered(number: int, size: int) -> bytes:
    """A placeholder of an id: marked, so that it can be found, and numbered."""
    return ID_MARK.ljust(size - 2, b"\xff") + number.to_bytes(2, "big")


def _places(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Every placeholder; its size stands before it, as in any message."""
    at = body.find(ID_MARK)
    while at >= 0:
        size = body[at - 1]
        yield at, int.from_bytes(body[at + size - 2 : at + size], "big"), size
        at = body.find(ID_MARK, at + size)

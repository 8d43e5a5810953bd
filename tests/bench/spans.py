"""Realistic export requests for benchmarks: made once with the official protobuf classes, then varied by
replacing marked bytes, so that the generator costs next to nothing beside what it measures.
"""

from __future__ import annotations

import random
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.otlp import otlp_span, trace_request
from tracestitch_collector.model import AttributeValue

SPANS_PER_REQUEST = 512
SPANS_PER_TRACE = 16
TRACE_MARK = b"\x01TRACE!\x02"
"""First half of every trace id."""
SPAN_MARK = b"\x03SP\x04"
"""First half of every span id."""
TIME_MARK = b"\x05TM\x06"
"""Upper half of every time; the lower half is up to four seconds."""

ROUTES = ("/stock/<sku>", "/cart", "/checkout", "/orders/<int:id>", "/prices")


class Requests:
    """An endless supply of requests of 512 spans that all differ."""

    def __init__(self, seed: int = 1, templates: int = 8) -> None:
        self._random = random.Random(seed)
        self._templates = [self._template(number) for number in range(templates)]
        self._next = 0

    def body(self, now_ns: int) -> tuple[bytes, str]:
        """A request whose spans happen now, and the id of one of its traces."""
        template = self._templates[self._next % len(self._templates)]
        self._next += 1
        trace = self._random.randbytes(8)
        body = (
            template.replace(TRACE_MARK, trace)
            .replace(SPAN_MARK, self._random.randbytes(4))
            .replace(TIME_MARK, (now_ns >> 32).to_bytes(4, "little"))
        )
        return body, trace.hex() + f"{1:016x}"

    def _template(self, number: int) -> bytes:
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
        }
        return trace_request(*spans, resource=resource, scope="tracestitch.django").SerializeToString()

    def _span(self, index: int) -> Span:
        choice = self._random
        trace_number, position = divmod(index, SPANS_PER_TRACE)
        own = SPAN_MARK + (index + 1).to_bytes(4, "big")
        parent = SPAN_MARK + (index + 1 - position).to_bytes(4, "big") if position else b""
        start = int.from_bytes(choice.randbytes(3) + b"\0" + TIME_MARK, "little")
        return otlp_span(
            trace_id=(TRACE_MARK + (trace_number + 1).to_bytes(8, "big")).hex(),
            span_id=own.hex(),
            parent_span_id=parent.hex(),
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

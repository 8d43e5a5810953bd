"""One payload for all: the spans of a made-up shop as OTLP requests of one process each, as exporters send them, about
6.5 spans a trace and ten attributes a span. Made once with the official protobuf classes; every further copy has new
ids and times, written over the old ones, so that it costs the generator next to nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.bench.population import CLIENT, INSTANCES, SERVER, TRACES, Step
from tests.support.otlp import otlp_span, trace_request
from tracestitch_collector.model import AttributeValue

SPANS_PER_REQUEST = 512
SPANS_PER_COPY = 131_072
RARE_VALUES = 20_000
MARK_NS = 1_700_000_000_000_000_000
"""Times of the first copy lie in the ten seconds after it."""
LASTING_NS = 10 * 10**9
SHARES = (0.25, 0.20, 0.22, 0.15, 0.12, 0.04, 0.02)
"""Of each kind of trace: so that a trace has 6.5 spans on average."""
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of the first copy, and where its ids and times stand."""

    body: bytes
    spans: int
    traces: Counter[bytes]
    """Spans of it by trace."""
    trace_ids: Places
    span_ids: Places
    times: Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A span before it is put into a request."""

    process: tuple[str, int]
    end_ns: int
    span: Span


class Payload:
    """The same seed makes the same first copy; copies differ in ids and times."""

    def __init__(self, spans: int = SPANS_PER_COPY, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self.requests = tuple(self._requests(spans))
        self.spans = sum(request.spans for request in self.requests)
        self.bytes = sum(len(request.body) for request in self.requests)
        self.traces = len({trace_id for request in self.requests for trace_id in request.traces})

    def body(self, request: Request, copy: int, moved_ns: int) -> bytes:
        """The request with the ids of that copy, its times moved."""
        content = np.frombuffer(bytearray(request.body), np.uint8)
        content[request.trace_ids] ^= np.frombuffer(key(copy, 16), np.uint8)
        content[request.span_ids] ^= np.frombuffer(key(copy, 8), np.uint8)
        times = content[request.times].view(np.uint64) + np.uint64(moved_ns)
        content[request.times] = times.view(np.uint8).reshape(request.times.shape)
        return content.tobytes()

    def _requests(self, spans: int) -> Iterator[Request]:
        waiting: dict[tuple[str, int], list[Span]] = {}
        for traced in sorted(self._spans(spans), key=lambda item: item.end_ns):
            batch = waiting.setdefault(traced.process, [])
            batch.append(traced.span)
            if len(batch) == SPANS_PER_REQUEST:
                yield _request(traced.process, waiting.pop(traced.process))
        for process, batch in waiting.items():
            yield _request(process, batch)

    def _spans(self, wanted: int) -> Iterator[Traced]:
        made = 0
        while made < wanted:
            (steps,) = self._random.choices([steps for _, steps in TRACES], SHARES)
            yield from self._trace(steps)
            made += len(steps)

    def _trace(self, steps: Sequence[Step]) -> Iterator[Traced]:
        choice = self._random
        trace_id = choice.randbytes(16)
        start_ns = MARK_NS + choice.randrange(LASTING_NS)
        ids = [choice.randbytes(8) for _ in steps]
        instance, failing, cart = (
            choice.randrange(INSTANCES),
            choice.random() < 0.01,
            choice.randrange(RARE_VALUES),
        )
        for number, step in enumerate(steps):
            begin_ns = start_ns + number * choice.randrange(1_500_000)
            duration_ns = int(choice.lognormvariate(0, 0.6) * step.millis * 1e6)
            failed = failing and step.kind == SERVER
            span = otlp_span(
                trace_id=trace_id.hex(),
                span_id=ids[number].hex(),
                parent_span_id=ids[step.parent].hex() if step.parent >= 0 else "",
                name=step.name,
                kind=step.kind,
                start_ns=begin_ns,
                duration_ns=duration_ns,
                flags=0x101,
                status=2 if failed else 0,
                attributes=self._attributes(step, failed, cart if number == 0 else None),
            )
            yield Traced(process=(step.service, instance), end_ns=begin_ns + duration_ns, span=span)

    def _attributes(self, step: Step, failed: bool, cart: int | None) -> dict[str, AttributeValue]:
        choice = self._random
        if not step.what.startswith("/"):
            return _statement(step, choice.randrange(1, 500))
        status = choice.choice((500, 502, 503)) if failed else choice.choice((200, 200, 200, 201, 304, 404))
        path = step.what.replace("<sku>", f"sku-{int(50_000 ** choice.random())}")
        path = path.replace("<int:id>", str(choice.randrange(10**7)))
        common: dict[str, AttributeValue] = {
            "http.request.method": "GET",
            "http.response.status_code": status,
            "server.address": f"{step.service}.shop.example",
            "server.port": 8000,
            "code.file.path": f"/srv/{step.service}/{step.service}/views.py",
            "code.line.number": sum(step.what.encode()) % 300 + 10,
            "code.function.name": f"{step.service}.views.handle",
        }
        if step.kind == CLIENT:
            return common | {
                "url.full": f"http://backend.shop.example:8000{path}",
                "network.protocol.version": "1.1",
            }
        served: dict[str, AttributeValue] = {
            "http.route": step.what,
            "url.path": path,
            "url.scheme": "http",
            "client.address": f"10.0.{choice.randrange(16)}.{choice.randrange(250)}",
            "user_agent.original": f"Mozilla/5.0 (X11) Firefox/{90 + choice.randrange(40)}.0",
        }
        return common | served | ({} if cart is None else {"app.cart.id": f"cart-{cart}"})


def key(copy: int, size: int) -> bytes:
    """What is laid over an id of the first copy."""
    return random.Random(copy).randbytes(16)[:size] if copy else bytes(size)


def ids_of(request: Request, copy: int) -> dict[str, int]:
    """How many spans of each trace the request has in that copy, by the trace's id in hex."""
    over = int.from_bytes(key(copy, 16), "big")
    return {
        (int.from_bytes(trace_id, "big") ^ over).to_bytes(16, "big").hex(): count
        for trace_id, count in request.traces.items()
    }


def _statement(step: Step, rows: int) -> dict[str, AttributeValue]:
    verb = step.name.partition(" ")[0]
    return {
        "db.system.name": "postgresql",
        "db.namespace": step.service,
        "db.query.text": f"{verb} id, name, updated FROM {step.what} WHERE id = ? AND tenant = ? ORDER BY updated",
        "db.query.summary": step.name,
        "db.operation.name": verb,
        "db.collection.name": step.what,
        "server.address": "db-1.shop.example",
        "server.port": 5432,
        "code.file.path": f"/srv/{step.service}/{step.service}/models.py",
        "code.function.name": f"{step.service}.models.Repository.load",
        "code.line.number": sum(step.what.encode()) % 300 + 10,
        "db.response.returned_rows": rows,
    }


def _request(process: tuple[str, int], spans: Sequence[Span]) -> Request:
    service, instance = process
    resource: dict[str, AttributeValue] = {
        "service.name": service,
        "service.version": "1.4.2",
        "service.instance.id": f"{service}-{instance}",
        "deployment.environment.name": "production",
        "host.name": f"node-{instance}",
        "process.pid": 1000 + instance,
        "process.runtime.version": "3.11.9",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": "1.45.2",
    }
    body = trace_request(*spans, resource=resource, scope="shop").SerializeToString()
    return Request(
        body=body,
        spans=len(spans),
        traces=Counter(span.trace_id for span in spans),
        trace_ids=_places(body, [span.trace_id for span in spans]),
        span_ids=_places(
            body, [each for span in spans for each in (span.span_id, span.parent_span_id) if each]
        ),
        times=_places(
            body,
            [
                at.to_bytes(8, "little")
                for span in spans
                for at in (span.start_time_unix_nano, span.end_time_unix_nano)
            ],
        ),
    )


def _places(body: bytes, values: Sequence[bytes]) -> Places:
    """Where each of the values stands; they stand in this order."""
    at, found = 0, []
    for value in values:
        at = body.index(value, at)
        found.append(at)
        at += len(value)
    return np.array(found, np.int64)[:, None] + np.arange(len(values[0]))

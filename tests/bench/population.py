"""A made-up shop of twelve services as Arrow batches, for benchmarks of the store alone: random ids, skewed values,
about ten attributes a span, calls across services. Nothing passes a decoder, so millions take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tracestitch_collector.columns import ATTRIBUTE_TYPES, FINDINGS, LOGS, SPANS, resource_text, scope_text
from tracestitch_collector.store.store import Batch

SECOND_NS = 1_000_000_000
SPANS_PER_SECOND = 5_000
SPANS_PER_REQUEST = 512
RARE_VALUES = 200_000
"""So many values of `app.cart.id`, each about equally often."""
RARE_PHRASE = "certificate of the acquirer has expired"
RARE_EVERY = 2_000_000
"""One log record in so many holds the rare phrase."""

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Step:
    """One span of a kind of trace: whose child it is, and what it does."""

    parent: int
    service: str
    kind: int
    name: str
    what: str
    millis: float


def _request(
    service: str, route: str, millis: float, *inner: tuple[str, str, float], calls: Sequence[Any] = ()
) -> list[Step]:
    """A request with its statements and its calls to other services, numbered from its own span 0."""
    steps = [Step(-1, service, SERVER, f"GET {route}", route, millis)]
    steps += [Step(0, service, CLIENT, f"{verb} {table}", table, took) for verb, table, took in inner]
    for call in calls:
        steps.append(Step(0, service, CLIENT, "GET", call[0].what, call[0].millis * 1.1))
        base = len(steps)
        steps.append(Step(base - 1, *_told(call[0])))
        steps += [Step(base + step.parent, *_told(step)) for step in call[1:]]
    return steps


def _told(step: Step) -> tuple[str, int, str, str, float]:
    return step.service, step.kind, step.name, step.what, step.millis


STOCK = _request("inventory", "/stock/<sku>", 8, ("SELECT", "stock_item", 2), ("SELECT", "warehouse", 1))
PRICE = _request("pricing", "/prices/<sku>", 6, ("SELECT", "price", 1.5))
RATING = _request("reviews", "/ratings/<sku>", 12, ("SELECT", "rating", 4), ("SELECT", "customer", 1))
PAY = _request("payment", "/charges", 180, ("INSERT", "charge", 3), ("SELECT", "card", 1))
SHIP = _request("shipping", "/quotes", 40, ("SELECT", "rate", 3))
TRACES: tuple[tuple[float, list[Step]], ...] = (
    (0.35, _request("storefront", "/products/<sku>", 40, ("SELECT", "product", 2), calls=(STOCK, PRICE, RATING))),
    (0.25, _request("storefront", "/cart", 30, ("SELECT", "cart", 2), ("SELECT", "cart_item", 2), calls=(PRICE,))),
    (0.15, _request("search", "/search", 60, ("SELECT", "search_index", 20), ("SELECT", "product", 4))),
    (0.10, _request("accounts", "/session", 9, ("SELECT", "session", 1), ("UPDATE", "session", 2))),
    (0.08, _request("storefront", "/orders/<int:id>", 35, ("SELECT", "orders", 2), ("SELECT", "order_line", 6))),
    (0.05, _request("storefront", "/checkout", 320, ("INSERT", "orders", 5), ("UPDATE", "cart", 2), calls=(STOCK, PAY, SHIP))),
    (0.02, _request("reports", "/reports/daily", 900, ("SELECT", "orders", 300), ("SELECT", "charge", 250))),
)  # fmt: skip
SERVICES = sorted({step.service for _, steps in TRACES for step in steps})
INSTANCES = 3


class Population:
    """The same seed makes the same spans. Time moves on with the spans made."""

    def __init__(self, start_ns: int, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        self._now_ns = start_ns
        self._batches = 0
        self._resources = {
            (service, instance): _resource(service, instance)
            for service in SERVICES
            for instance in range(INSTANCES)
        }
        self._agents = [
            f"Mozilla/5.0 (X11; {n}) AppleWebKit/{500 + n} Firefox/{90 + n % 40}.0" for n in range(60)
        ]
        self._addresses = [f"10.{n >> 8 & 15}.{n & 255}.{n * 7 % 250}" for n in range(4096)]

    @property
    def now_ns(self) -> int:
        return self._now_ns

    def batch(self, spans: int = 0, logs: int = 0) -> Batch:
        """About so many spans in whole traces, and so many log records."""
        lasting = int(max(spans, logs) / SPANS_PER_SECOND * SECOND_NS)
        made = self._spans(spans, lasting) if spans else SPANS.empty_table()
        tables = Batch(
            spans=made,
            logs=self._logs(logs, lasting, made) if logs else LOGS.empty_table(),
            findings=FINDINGS.empty_table(),
            start={"bench": self._batches},
            end={"bench": self._batches + 1},
            digests=(self._digest(),),
        )
        self._batches += 1
        self._now_ns += lasting
        return tables

    def batches(self, spans: int, logs: int, size: int = 16_384) -> Iterator[Batch]:
        """So many in all, side by side as far as both reach; the records belong to the spans."""
        for done in range(0, max(spans, logs), size):
            yield self.batch(spans=min(size, max(spans - done, 0)), logs=min(size, max(logs - done, 0)))

    def _digest(self) -> bytes:
        return self._batches.to_bytes(16, "big")

    # Spans

    def _spans(self, wanted: int, lasting: int) -> pa.Table:
        mean = sum(share * len(steps) for share, steps in TRACES)
        parts = []
        for share, steps in TRACES:
            traces = int(self._random.poisson(wanted / mean * share))
            if traces:
                parts.append(self._traces(steps, traces, lasting))
        whole = pa.concat_tables(parts, promote_options="default")
        # As it arrives: by the time of ending, not trace by trace.
        order = np.argsort(whole["start_ns"].to_numpy() + whole["duration_ns"].to_numpy())
        whole = whole.take(pa.array(order))
        return self._requests(whole)

    def _requests(self, table: pa.Table) -> pa.Table:
        """Spans arrive in requests, each with its own digest and moment."""
        rows = np.arange(len(table))
        request = rows // SPANS_PER_REQUEST
        digests = self._random.bytes(16 * int(request[-1] + 1))
        received = (table["start_ns"].to_numpy() + table["duration_ns"].to_numpy())[
            request * SPANS_PER_REQUEST
        ]
        columns = {
            "request_digest": _binary(digests, 16).take(pa.array(request)),
            "request_index": pa.array((rows % SPANS_PER_REQUEST).astype(np.int32)),
            "received_ns": pa.array(received + SECOND_NS),
        }
        for position, (name, values) in enumerate(columns.items()):
            table = table.set_column(position, name, values)
        return table

    def _traces(self, steps: list[Step], traces: int, lasting: int) -> pa.Table:
        random = self._random
        trace_ids, start = random.bytes(16 * traces), self._now_ns + random.integers(0, lasting, traces)
        span_ids = [random.bytes(8 * traces) for _ in steps]
        sku, cart, order = (
            _skewed(random, traces, 50_000),
            random.integers(0, RARE_VALUES, traces),
            random.integers(0, 10**7, traces),
        )
        instance = random.integers(0, INSTANCES, traces)
        failing = random.random(traces) < 0.01
        tables = []
        for number, step in enumerate(steps):
            duration = (random.lognormal(0, 0.6, traces) * step.millis * 1e6).astype(np.int64)
            begin = start + (number * random.random(traces) * 1.5e6).astype(np.int64)
            failed = (
                failing & (step.kind == SERVER)
                if step.parent < 0
                else failing & (random.random(traces) < 0.2)
            )
            fixed = {
                "trace_id": _binary(trace_ids, 16),
                "span_id": _binary(span_ids[number], 8),
                "parent_span_id": _binary(span_ids[step.parent], 8)
                if step.parent >= 0
                else pa.nulls(traces, pa.binary(8)),
                "flags": pa.array(np.full(traces, 0x101, np.uint32)),
                "name": _same(step.name, traces),
                "kind": pa.array(np.full(traces, step.kind, np.int8)),
                "start_ns": pa.array(begin),
                "duration_ns": pa.array(duration),
                "status_code": pa.array(np.where(failed, 2, 0).astype(np.int8)),
                "service_name": _same(step.service, traces),
                "environment": _same("production", traces),
                "resource": _chosen([self._resources[step.service, n] for n in range(INSTANCES)], instance),
                "scope": _same(
                    scope_text(
                        "tracestitch.django" if step.kind == SERVER else "tracestitch.db", "1.0", [], "", 0
                    ),
                    traces,
                ),
            }
            attributes = self._attributes(step, failed, sku, cart, order, number == 0)
            tables.append(_table(fixed, attributes, traces))
        return pa.concat_tables(tables, promote_options="default")

    def _attributes(
        self, step: Step, failed: Any, sku: Ints, cart: Ints, order: Ints, root: bool
    ) -> Mapping[str, pa.Array]:
        random, count = self._random, len(sku)
        line = sum(step.what.encode()) % 300 + 10
        common = {
            "attr.s.code.file.path": _same(f"/srv/{step.service}/{step.service}/views.py", count),
            "attr.i.code.line.number": pa.array(np.full(count, line)),
            "attr.s.code.function.name": _same(
                f"{step.service}.views.{step.what.strip('/').split('/')[0]}", count
            ),
        }
        if step.what.startswith("/"):
            status = pa.array(
                np.where(
                    failed,
                    random.choice((500, 502, 503), count),
                    random.choice((200, 200, 200, 200, 200, 200, 304, 404), count),
                )
            )
            path = _paths(step.what, sku, order)
            if step.kind == SERVER:
                found = {
                    "attr.s.http.request.method": _same("GET", count),
                    "attr.s.http.route": _same(step.what, count),
                    "attr.i.http.response.status_code": status,
                    "attr.s.url.path": path,
                    "attr.s.url.scheme": _same("http", count),
                    "attr.s.server.address": _same(f"{step.service}.shop.example", count),
                    "attr.i.server.port": pa.array(np.full(count, 8000)),
                    "attr.s.client.address": _chosen(self._addresses, _skewed(random, count, 4096)),
                    "attr.s.user_agent.original": _chosen(self._agents, _skewed(random, count, 60)),
                }
                if root:
                    found["attr.s.app.cart.id"] = _numbered("cart-", cart)
                    found["attr.i.enduser.id"] = pa.array(_skewed(random, count, 100_000))
                return common | found
            return common | {
                "attr.s.http.request.method": _same("GET", count),
                "attr.i.http.response.status_code": status,
                "attr.s.url.full": _joined(f"http://{_callee(step.what)}.shop.example:8000", path),
                "attr.s.server.address": _same(f"{_callee(step.what)}.shop.example", count),
                "attr.i.server.port": pa.array(np.full(count, 8000)),
                "attr.d.tracestitch.http.timeout.read": pa.array(np.full(count, 5.0)),
            }
        verb = step.name.partition(" ")[0]
        return common | {
            "attr.s.db.system.name": _same("postgresql", count),
            "attr.s.db.namespace": _same(step.service, count),
            "attr.s.db.query.text": _same(
                f"{verb} id, name, updated FROM {step.what} WHERE id = ? AND tenant = ? ORDER BY updated",
                count,
            ),
            "attr.s.db.query.summary": _same(step.name, count),
            "attr.s.db.operation.name": _same(verb, count),
            "attr.s.db.collection.name": _same(step.what, count),
            "attr.s.server.address": _same("db-1.shop.example", count),
            "attr.i.server.port": pa.array(np.full(count, 5432)),
            "attr.i.db.response.returned_rows": pa.array(_skewed(random, count, 500)),
        }

    # Logs

    def _logs(self, count: int, lasting: int, spans: pa.Table) -> pa.Table:
        """Of the spans, where there are any: of a few many records, of many none."""
        random = self._random
        times = np.sort(self._now_ns + random.integers(0, lasting, count))
        trace_ids, span_ids = _binary(random.bytes(16 * count), 16), _binary(random.bytes(8 * count), 8)
        if len(spans):
            begins = spans["start_ns"].to_numpy()
            chosen = random.integers(0, len(spans), count // 4 + 1)[random.integers(0, count // 4 + 1, count)]
            chosen = pa.array(chosen[np.argsort(begins[chosen])])
            times = spans["start_ns"].take(chosen).to_numpy()
            trace_ids, span_ids = (spans[name].take(chosen) for name in ("trace_id", "span_id"))
        service = random.integers(0, len(SERVICES), count)
        level = random.choice(4, count, p=(0.1, 0.8, 0.08, 0.02))
        first = self._batches * count
        bodies = [self._body(n) for n in range(count)]
        for number in range(count):
            if (first + number) % RARE_EVERY == RARE_EVERY // 2:
                bodies[number] = f"charge {number} refused: {RARE_PHRASE}"
        resources = [self._resources[name, 0] for name in SERVICES]
        fixed = {
            "request_digest": _repeated(self._digest(), count),
            "request_index": pa.array(np.arange(count, dtype=np.int32)),
            "received_ns": pa.array(times + SECOND_NS // 2),
            "time_ns": pa.array(times),
            "observed_ns": pa.array(times),
            "severity_number": pa.array(np.array((5, 9, 13, 17), np.int8)[level]),
            "severity_text": _chosen(["DEBUG", "INFO", "WARN", "ERROR"], level),
            "body": pa.array(bodies, pa.string()),
            "body_is_text": pa.array(np.ones(count, bool)),
            "event_name": _same("", count),
            "trace_id": trace_ids,
            "span_id": span_ids,
            "flags": pa.array(np.ones(count, np.uint32)),
            "service_name": _chosen(SERVICES, service),
            "environment": _same("production", count),
            "resource": _chosen(resources, service),
            "scope": _same(scope_text("shop.views", "", [], "", 0), count),
        }
        columns = {field.name: fixed.get(field.name, _absent(field, count)) for field in LOGS}
        columns["attr.s.code.function.name"] = _chosen([f"views.{name}" for name in SERVICES], service)
        columns["attr.i.code.line.number"] = pa.array(service * 17 + 5)
        return pa.table(columns)

    def _body(self, number: int) -> str:
        random = self._numbers
        a, b = next(random), next(random)
        form = a % 16
        word = WORDS[b % len(WORDS)]
        return BODIES[form % len(BODIES)].format(a=a, b=b, word=word, other=WORDS[(a >> 8) % len(WORDS)])

    @property
    def _numbers(self) -> Iterator[int]:
        if not hasattr(self, "_drawn"):
            self._drawn = self._draw()
        return self._drawn

    def _draw(self) -> Iterator[int]:
        while True:
            yield from self._random.integers(0, 2**31, 65_536).tolist()


BODIES = (
    "request of customer {a} took {b} us",
    "cache miss for key product:{a}:{word}",
    "charge {b} accepted by the acquirer {word}",
    "user {word}.{other}@example.org signed in from 10.0.{b}.7",
    "retrying call to {word}: attempt 2 of 5 has failed",
    "reserved {b} of item {word}-{a}",
    "order {a:08x}-{b:08x} was placed with coupon {word}",
    "the certificate of {word} expires soon",
    "session {a:08x}{b:08x} has expired",
)
_SYLLABLES = (
    "ka",
    "lo",
    "mi",
    "ter",
    "van",
    "sel",
    "du",
    "por",
    "ni",
    "gra",
    "sto",
    "bel",
    "fi",
    "ron",
    "zu",
    "qua",
)
WORDS = [a + b + c for a in _SYLLABLES for b in _SYLLABLES for c in _SYLLABLES]


def _skewed(random: Any, count: int, values: int) -> Ints:
    """Numbers below `values`, small ones much oftener."""
    drawn: Ints = (np.exp(random.random(count) * np.log(values)) - 1).astype(np.int64)
    return drawn


def _table(fixed: Mapping[str, pa.Array], attributes: Mapping[str, pa.Array], count: int) -> pa.Table:
    columns = {field.name: fixed.get(field.name, _absent(field, count)) for field in SPANS}
    for name, values in attributes.items():
        columns[name] = values.cast(ATTRIBUTE_TYPES[name[5]])
    return pa.table(columns)


def _absent(field: pa.Field, count: int) -> pa.Array:
    if field.name in ("trace_state", "status_message"):
        return _same("", count)
    if pa.types.is_unsigned_integer(field.type):
        return pa.array(np.zeros(count), field.type)
    return pa.nulls(count, field.type)


def _resource(service: str, instance: int) -> str:
    return resource_text(
        [
            ("service.name", service),
            ("service.version", "1.4.2"),
            ("service.instance.id", f"{abs(hash((len(service), instance))):032x}"),
            ("deployment.environment.name", "production"),
            ("host.name", f"node-{instance}"),
            ("process.pid", 1000 + instance),
            ("process.runtime.version", "3.11.9"),
            ("telemetry.sdk.language", "python"),
        ],
        "",
        0,
    )


def _callee(route: str) -> str:
    return next(
        step.service for _, steps in TRACES for step in steps if step.kind == SERVER and step.what == route
    )


def _paths(route: str, sku: Ints, order: Ints) -> pa.Array:
    if "<sku>" in route:
        return _numbered(route.replace("<sku>", "sku-"), sku)
    if "<int:id>" in route:
        return _numbered(route.replace("<int:id>", ""), order)
    return _same(route, len(sku))


def _numbered(prefix: str, numbers: Ints) -> pa.Array:
    return pa.array(np.char.add(prefix, numbers.astype("U")))


def _joined(prefix: str, texts: pa.Array) -> pa.Array:
    return pa.array([prefix + text for text in texts.to_pylist()])


def _same(text: str, count: int) -> pa.Array:
    return pa.repeat(text, count)


def _repeated(raw: bytes, count: int) -> pa.Array:
    return _binary(raw * count, len(raw))


def _binary(raw: bytes, size: int) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(size), len(raw) // size, [None, pa.py_buffer(raw)])


def _chosen(texts: Sequence[str], index: Ints) -> pa.Array:
    return pa.array(texts).take(pa.array(index))

"""What a search finds, as data: a few traces and log records, then cases of query and answer. Every store is
held to all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.support.telemetry import ALWAYS, BASE_NS, MILLISECOND, SECOND, log, resource, span
from tracestitch_collector.model import Scope, SpanEvent
from tracestitch_collector.store.store import AttributeFilter, LogQuery, TraceQuery, Window

CHECKOUT = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
STOCK = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
ORPHANS = "cccccccccccccccccccccccccccccccc"
NIGHTLY = "dddddddddddddddddddddddddddddddd"

SPANS = (
    # A checkout over two services: 200 ms, four spans, one of them failed.
    span(
        trace_id=CHECKOUT,
        span_id="a000000000000001",
        service="storefront",
        name="POST /checkout",
        start_ns=BASE_NS + 10 * SECOND,
        duration_ns=200 * MILLISECOND,
        attributes={
            "http.route": "/checkout",
            "http.request.method": "POST",
            "http.response.status_code": 502,
            "cart.total": 12.5,
            "cart.express": True,
            "cart.note": "Leave at the Door",
        },
        status_code="error",
        status_message="Pricing did not answer",
    ),
    span(
        trace_id=CHECKOUT,
        span_id="a000000000000002",
        parent_span_id="a000000000000001",
        service="storefront",
        name="GET",
        kind="client",
        start_ns=BASE_NS + 10 * SECOND + 20 * MILLISECOND,
        duration_ns=100 * MILLISECOND,
        attributes={"url.full": "http://inventory/stock/7", "retries": 3},
    ),
    span(
        trace_id=CHECKOUT,
        span_id="a000000000000003",
        parent_span_id="a000000000000002",
        service="inventory",
        name="GET /stock/<sku>",
        start_ns=BASE_NS + 10 * SECOND + 30 * MILLISECOND,
        duration_ns=80 * MILLISECOND,
        attributes={"http.route": "/stock/<sku>", "http.response.status_code": 200},
    ),
    span(
        trace_id=CHECKOUT,
        span_id="a000000000000004",
        parent_span_id="a000000000000003",
        service="inventory",
        name="SELECT stock_item",
        kind="client",
        start_ns=BASE_NS + 10 * SECOND + 40 * MILLISECOND,
        duration_ns=5 * MILLISECOND,
        attributes={"db.system.name": "sqlite", "db.query.text": "SELECT * FROM stock_item WHERE sku = ?"},
    ),
    # One fast request, of a process in another environment.
    span(
        trace_id=STOCK,
        span_id="b000000000000001",
        resource=resource("inventory", deployment__environment__name="staging", host__name="node-1"),
        name="GET /stock/<sku>",
        start_ns=BASE_NS + 20 * SECOND,
        duration_ns=2 * MILLISECOND,
        attributes={"http.route": "/stock/<sku>", "http.response.status_code": 404, "host.name": "override"},
    ),
    # Two spans whose root never arrived; the first is the longest of all.
    span(
        trace_id=ORPHANS,
        span_id="c000000000000001",
        parent_span_id="cfffffffffffffff",
        service="worker",
        name="process send_receipt",
        kind="consumer",
        start_ns=BASE_NS + 5 * SECOND,
        duration_ns=4 * SECOND,
        attributes={"cart.note": "100% _sure_", 'odd"key; --': "x", "labels": ("a", "b"), "cart.total": 99},
    ),
    span(
        trace_id=ORPHANS,
        span_id="c000000000000002",
        parent_span_id="c000000000000001",
        service="worker",
        name="INSERT receipt",
        kind="client",
        start_ns=BASE_NS + 6 * SECOND,
        duration_ns=MILLISECOND,
    ),
    # Long before the others, a root without attributes.
    span(
        trace_id=NIGHTLY,
        span_id="d000000000000001",
        service="worker",
        name="nightly",
        kind="internal",
        start_ns=BASE_NS - 1800 * SECOND,
        duration_ns=300 * MILLISECOND,
        status_code="ok",
    ),
)

LOGS = (
    log(
        time_ns=BASE_NS + 10 * SECOND,
        body="Checkout of cart 7 began",
        service="storefront",
        trace_id=CHECKOUT,
        span_id="a000000000000001",
        attributes={"user.tier": "gold", "attempt": 1},
    ),
    log(
        time_ns=BASE_NS + 11 * SECOND,
        body="Pricing did not answer",
        severity_number=17,
        severity_text="ERROR",
        service="storefront",
        trace_id=CHECKOUT,
        span_id="a000000000000001",
        attributes={"user.tier": "gold", "attempt": 2},
    ),
    log(
        time_ns=BASE_NS + 12 * SECOND,
        body="Slow 100% of the time",
        severity_number=13,
        severity_text="WARN",
        service="inventory",
    ),
    log(
        time_ns=BASE_NS + 13 * SECOND,
        body={"python": {"version": "3.11"}},
        event_name="tracestitch.inventory",
        service="inventory",
    ),
    log(time_ns=BASE_NS + 14 * SECOND, body="user signed up", event_name="user.signup", service="storefront"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCase:
    caption: str
    query: TraceQuery
    finds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCase:
    caption: str
    query: LogQuery
    finds: tuple[int, ...]
    """Indices into LOGS."""


def traces(caption: str, *finds: str, where: tuple[AttributeFilter, ...] = (), **fields: Any) -> TraceCase:
    query = replace(TraceQuery(window=ALWAYS, attributes=where), **fields)
    return TraceCase(caption=caption, query=query, finds=finds)


def logs(caption: str, *finds: int, where: tuple[AttributeFilter, ...] = (), **fields: Any) -> LogCase:
    query = replace(LogQuery(window=ALWAYS, attributes=where), **fields)
    return LogCase(caption=caption, query=query, finds=finds)


def attribute(key: str, operator: Any, value: str = "") -> tuple[AttributeFilter, ...]:
    return (AttributeFilter(key=key, operator=operator, value=value),)


TRACE_CASES = (
    traces("everything, newest first", STOCK, CHECKOUT, ORPHANS, NIGHTLY),
    traces("no more than the limit", STOCK, CHECKOUT, limit=2),
    traces("a service", STOCK, CHECKOUT, service="inventory"),
    traces("an unknown service", service="nobody"),
    traces("an operation by span name", ORPHANS, operation="process send_receipt"),
    traces("an operation by route", CHECKOUT, operation="/checkout"),
    traces("part of an operation's name is not it", operation="POST"),
    traces("service and operation of one and the same span", service="storefront", operation="GET /stock/<sku>"),
    traces("at least so long", CHECKOUT, ORPHANS, NIGHTLY, min_duration_ns=200 * MILLISECOND),
    traces("at most so long", STOCK, CHECKOUT, ORPHANS, max_duration_ns=5 * MILLISECOND),
    traces("long and in a service at once", CHECKOUT, service="inventory", min_duration_ns=10 * MILLISECOND),
    traces("with an error", CHECKOUT, error=True),
    traces("with a span without error", STOCK, CHECKOUT, ORPHANS, NIGHTLY, error=False),
    traces("without an error in a service", STOCK, CHECKOUT, error=False, service="inventory"),
    traces("roots only", STOCK, CHECKOUT, NIGHTLY, roots_only=True),
    traces("a service that has no root there", roots_only=True, service="worker", operation="INSERT receipt"),
    traces("a window that begins with a span", STOCK, CHECKOUT, window=Window(start_ns=BASE_NS + 10 * SECOND, end_ns=ALWAYS.end_ns)),
    traces("a window that ends at a span", ORPHANS, NIGHTLY, window=Window(start_ns=ALWAYS.start_ns, end_ns=BASE_NS + 10 * SECOND)),
    traces("a window by any span of the trace", ORPHANS, window=Window(start_ns=BASE_NS + 6 * SECOND, end_ns=BASE_NS + 7 * SECOND)),
    traces("an empty window", window=Window(start_ns=BASE_NS, end_ns=BASE_NS)),
    traces("a window as wide as numbers go", STOCK, CHECKOUT, ORPHANS, NIGHTLY, window=Window(start_ns=0, end_ns=2**63 - 1)),
    traces("slowest first", ORPHANS, NIGHTLY, CHECKOUT, STOCK, order="slowest"),
    traces("slowest of those that match", CHECKOUT, STOCK, order="slowest", service="inventory"),
    traces("most spans first", CHECKOUT, ORPHANS, order="most_spans", limit=2),
    traces("an attribute equals text", CHECKOUT, where=attribute("db.system.name", "=", "sqlite")),
    traces("an attribute equals a number", STOCK, where=attribute("http.response.status_code", "=", "404")),
    traces("a double equals a number", CHECKOUT, where=attribute("cart.total", "=", "12.5")),
    traces("an integer equals a number with a point", ORPHANS, where=attribute("cart.total", "=", "99.0")),
    traces("an attribute equals true", CHECKOUT, where=attribute("cart.express", "=", "true")),
    traces("an attribute equals false nowhere", where=attribute("cart.express", "=", "false")),
    traces("text is compared exactly", where=attribute("cart.note", "=", "leave at the door")),
    traces("a number is not text", where=attribute("retries", "=", "three")),
    traces(
        "unlike, or absent",
        STOCK, CHECKOUT, ORPHANS, NIGHTLY,
        where=attribute("http.response.status_code", "!=", "502"),
    ),
    traces(
        "unlike a number, in one service",
        CHECKOUT,
        service="inventory",
        where=attribute("http.response.status_code", "!=", "404"),
    ),
    traces("more than", CHECKOUT, where=attribute("http.response.status_code", ">", "404")),
    traces("at least", STOCK, CHECKOUT, where=attribute("http.response.status_code", ">=", "404")),
    traces("less than", CHECKOUT, where=attribute("http.response.status_code", "<", "404")),
    traces("at most", STOCK, CHECKOUT, where=attribute("http.response.status_code", "<=", "404")),
    traces("more than, over integers and doubles", CHECKOUT, ORPHANS, where=attribute("cart.total", ">", "12")),
    traces("text is not more than a number", where=attribute("cart.note", ">", "1")),
    traces("more than what is no number", where=attribute("retries", ">", "many")),
    traces("contains, in any case", CHECKOUT, where=attribute("cart.note", "contains", "at the door")),
    traces("contains takes % literally", ORPHANS, where=attribute("cart.note", "contains", "0% _S")),
    traces("contains takes _ literally", where=attribute("cart.note", "contains", "___")),
    traces("exists", CHECKOUT, ORPHANS, where=attribute("cart.note", "exists")),
    traces("exists, with an array as its value", ORPHANS, where=attribute("labels", "exists")),
    traces("exists nowhere", where=attribute("nothing", "exists")),
    traces("an attribute of the resource", STOCK, where=attribute("deployment.environment.name", "=", "staging")),
    traces("the service by attribute", ORPHANS, NIGHTLY, where=attribute("service.name", "=", "worker")),
    traces("the span's own value hides its resource's", where=attribute("host.name", "=", "node-1")),
    traces("the span's own value where both have one", STOCK, where=attribute("host.name", "=", "override")),
    traces("a key that looks like SQL", ORPHANS, where=attribute('odd"key; --', "=", "x")),
    traces("a value that looks like SQL", where=attribute("cart.note", "=", "' OR 1=1 --")),
    traces(
        "two conditions on one span",
        CHECKOUT,
        where=attribute("cart.total", ">", "10") + attribute("cart.express", "=", "true"),
    ),
    traces(
        "two conditions that no one span meets",
        where=attribute("cart.total", ">", "10") + attribute("db.system.name", "=", "sqlite"),
    ),
    traces("text in a name, in any case", ORPHANS, text="SEND_receipt"),
    traces("text in a string attribute", CHECKOUT, text="from STOCK_item"),
    traces("text in a status message", CHECKOUT, text="did not"),
    traces("text that is nowhere", text="nowhere to be found"),
    traces("text takes % literally", ORPHANS, text="100% _"),
)  # fmt: skip

LOG_CASES = (
    logs("everything but our own events, newest first", 4, 2, 1, 0),
    logs("no more than the limit", 4, 2, limit=2),
    logs("a service", 4, 1, 0, service="storefront"),
    logs("at least so severe", 2, 1, min_severity=13),
    logs("a phrase, in any case", 1, text="PRICING did"),
    logs("a phrase with a % in it", 2, text="100% of"),
    logs("a phrase that is nowhere", text="0% chance"),
    logs("a trace", 1, 0, trace_id=CHECKOUT),
    logs("a trace id in capitals", 1, 0, trace_id=CHECKOUT.upper()),
    logs("a malformed trace id", trace_id="xyz"),
    logs("an event of our own", 3, event_name="tracestitch.inventory"),
    logs("an event of the user's", 4, event_name="user.signup"),
    logs("a window", 2, 1, window=Window(start_ns=BASE_NS + 11 * SECOND, end_ns=BASE_NS + 13 * SECOND)),
    logs("an attribute", 1, 0, where=attribute("user.tier", "=", "gold")),
    logs("an attribute's number", 1, where=attribute("attempt", ">", "1")),
    logs("an attribute of the resource", 2, where=attribute("service.name", "=", "inventory")),
)

EVERY_FIELD = span(
    trace_id="0af7651916cd43dd8448eb211c80319d",
    span_id="b7ad6b7169203332",
    parent_span_id="b7ad6b7169203331",
    trace_state="vendor=1",
    flags=0x301,
    name="",
    kind="unspecified",
    start_ns=BASE_NS + 123_456_789,
    duration_ns=-5,
    status_code="error",
    status_message="line one\nline two \u2028 ☃ 😀",
    attributes={
        "text": "x",
        "empty": "",
        "yes": True,
        "no": False,
        "int": -(2**63),
        "big": 2**63 - 1,
        "double": 1.5,
        "whole": 2.0,
        "infinite": float("-inf"),
        "bytes": b"\x00\xff",
        "list": ("a", 1, 2.0, None, True, (b"x",)),
        "map": {"a": {"b": (1,)}, "c": None},
        "nothing": None,
        "": "no key",
        'quo"te': "'; DROP TABLE spans; --",
        "long": "é" * 40_000,
    },
    duplicate_attributes=(("text", "second"), ("text", 3)),
    dropped_attributes_count=1,
    events=(
        SpanEvent(
            time_ns=BASE_NS + 1,
            name="exception",
            attributes={"exception.type": "ValueError", "count": 1, "nested": {"a": (1.5,)}},
            dropped_attributes_count=2,
        ),
        SpanEvent(time_ns=BASE_NS, name="second, but earlier"),
    ),
    dropped_events_count=3,
    dropped_links_count=4,
    scope=Scope(name="library", version="1.2", attributes={"a": 1}, schema_url="https://example.org/1"),
    resource=replace(
        resource("every", process__pid=7, tags=("a",)),
        schema_url="https://example.org/2",
        dropped_attributes_count=5,
    ),
)

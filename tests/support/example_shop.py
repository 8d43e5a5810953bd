"""A shop as pages show it: one checkout across four services with its logs, failures and findings, some older
requests around it, and what the processes told of themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.support.memory_store import MemoryStore
from tests.support.traces import EPOCH_NS, MS, TraceBuilder, code
from tracestitch_collector.checks.finding import Evidence, Finding, Fix, Impact, Location, fingerprint
from tracestitch_collector.model import AttributeValue, SpanEvent, Trace
from tracestitch_collector.store.store import Inventory

NOW_NS = EPOCH_NS + 60_000 * MS
ENVIRONMENT = "development"
ROWS = 41
CHECKOUT = "checkout"
TRACE_ID = TraceBuilder(CHECKOUT).trace_id


def store() -> MemoryStore:
    made = MemoryStore(known_findings=list(findings()), known_inventories=list(inventories()))
    made.add(checkout())
    for number in range(24):
        made.add(_small_request(number))
    return made


def checkout() -> Trace:
    """POST /checkout: storefront (Django) → inventory and pricing (Flask) → worker (Celery)."""
    t = TraceBuilder(CHECKOUT, ENVIRONMENT)
    where = code("storefront", "shop/checkout.py", 88, "CheckoutView.post")
    t.server(
        "root", "/checkout", method="POST", status_code=502, service="storefront", ms=1240, attributes=where
    )
    t.query("user", "SELECT id, email FROM auth_user WHERE id = ?", parent="root", service="storefront", at=8, ms=4, attributes={"db.query.summary": "SELECT auth_user", "db.response.returned_rows": 1, **code("storefront", "shop/checkout.py", 91)})  # fmt: skip
    t.log("cart 8817 has 3 items", span="root", service="storefront", at=30)
    _stock(t)
    _prices(t)
    _charge(t)
    t.span("publish", parent="root", service="storefront", name="send shop.tasks.send_receipt", kind="producer", at=1196, ms=4, attributes={"messaging.system": "celery", "tracestitch.celery.task": "shop.tasks.send_receipt"})  # fmt: skip
    t.span("task", parent="publish", service="worker", name="process shop.tasks.send_receipt", kind="consumer", at=1252, ms=32, attributes={"messaging.system": "celery", "tracestitch.celery.task": "shop.tasks.send_receipt", **code("worker", "shop/tasks.py", 14, "send_receipt")})  # fmt: skip
    t.log("receipt for order 5521 queued", span="task", service="worker", at=1258)
    t.query("update", "UPDATE orders_order SET receipt = ? WHERE id = ?", parent="task", service="worker", at=1270, ms=8, attributes={"db.query.summary": "UPDATE orders_order"})  # fmt: skip
    t.log("receipt for order 5521 sent", span="task", service="worker", at=1280)
    for number in range(9):
        t.log(
            f"step {number + 1} of 9 done",
            span="root",
            service="storefront",
            at=520 + number * 60,
            severity=5,
        )
    return t.build()


def _stock(t: TraceBuilder) -> None:
    t.call("call-stock", "http://inventory:8001/stock?sku=a,b,c", parent="root", service="storefront", at=38, ms=436, attributes={"tracestitch.timeout.read_s": 5.0, **code("storefront", "shop/clients.py", 20, "stock")})  # fmt: skip
    t.server("stock", "/stock", parent="call-stock", service="inventory", at=41, ms=430, attributes=code("inventory", "inventory/views.py", 24, "list_stock"))  # fmt: skip
    t.query("items", "SELECT id, sku, warehouse_id FROM stock_item", parent="stock", service="inventory", at=60, ms=22, attributes={"db.query.summary": "SELECT stock_item", "db.response.returned_rows": ROWS, **code("inventory", "inventory/views.py", 27, "list_stock")})  # fmt: skip
    for number in range(ROWS):
        t.query(f"row-{number}", "SELECT id, name FROM warehouse WHERE id = ?", parent="stock", service="inventory", at=96 + number * 7.9, ms=6.2 + (number * 7) % 5 * 0.4, attributes={"db.query.summary": "SELECT warehouse", "db.response.returned_rows": 1, **code("inventory", "inventory/views.py", 31, "list_stock")})  # fmt: skip
    t.log("slow stock lookup for 41 items", span="stock", service="inventory", at=455, severity=13, attributes=code("inventory", "inventory/views.py", 33, "list_stock"))  # fmt: skip


def _prices(t: TraceBuilder) -> None:
    for number in range(3):
        at = 520 + number * 61
        t.call(f"call-price-{number}", f"http://pricing:8002/price/sku-{number}", parent="root", service="storefront", at=at, ms=58, attributes={"tracestitch.timeout.read_s": 5.0, **code("storefront", "shop/checkout.py", 97, "CheckoutView.post")})  # fmt: skip
        t.server(f"price-{number}", "/price/<sku>", parent=f"call-price-{number}", service="pricing", at=at + 3, ms=52)  # fmt: skip
        t.span(f"cache-{number}", parent=f"price-{number}", service="pricing", name="GET", kind="client", at=at + 8, ms=2, attributes={"db.system.name": "redis", "db.operation.name": "GET", "db.query.summary": "GET price"})  # fmt: skip
        t.query(f"price-row-{number}", "SELECT amount FROM price WHERE sku = ?", parent=f"price-{number}", service="pricing", at=at + 14, ms=30, attributes={"db.query.summary": "SELECT price", **code("pricing", "pricing/prices.py", 31, "price_of")})  # fmt: skip
        t.log(f"price of sku-{number} is 12.50", span=f"price-{number}", service="pricing", at=at + 48)


def _charge(t: TraceBuilder) -> None:
    frames = [
        {"file": "/usr/lib/python3/site-packages/requests/adapters.py", "line": 642, "function": "send", "in_app": False},
        {"file": "/srv/pricing/pricing/client.py", "line": 12, "function": "charge", "in_app": True},
    ]  # fmt: skip
    failure: Mapping[str, AttributeValue] = {
        "exception.type": "ConnectionResetError",
        "exception.message": "payment gateway closed the connection",
        "exception.stacktrace": "Traceback (most recent call last):\n  File \"client.py\", line 12, in charge\nConnectionResetError: payment gateway closed the connection",
        "tracestitch.exception.frames": json.dumps(frames),
    }  # fmt: skip
    t.call("call-charge", "http://pricing:8002/charge", method="POST", status_code=502, parent="root", service="storefront", at=996, ms=196, attributes=code("storefront", "shop/checkout.py", 104, "CheckoutView.post"))  # fmt: skip
    t.span("charge", parent="call-charge", service="pricing", name="POST /charge", kind="server", status="error", at=1000, ms=190, attributes={"http.request.method": "POST", "http.route": "/charge", "http.response.status_code": 502, "error.type": "ConnectionResetError", **code("pricing", "pricing/views.py", 40, "Charge.post")}, events=(SpanEvent(time_ns=t.base_ns + 1186 * MS, name="exception", attributes=failure),))  # fmt: skip
    t.call("payment", "https://api.payments.example/v1/charge", method="POST", status_code=503, parent="charge", service="pricing", at=1008, ms=176, attributes={"tracestitch.timeout.missing": True, **code("pricing", "pricing/client.py", 12, "charge")})  # fmt: skip
    t.log("payment gateway closed the connection", span="charge", service="pricing", at=1187, severity=17)
    t.log("answering 502 to the storefront", span="charge", service="pricing", at=1188, severity=13)


def _small_request(number: int) -> Trace:
    """Other traffic of the last minutes, so that lists and sparklines have something to show."""
    t = TraceBuilder(f"small-{number}", ENVIRONMENT, offset_ms=-(number * 97_000 + 4_000))
    service, route = (("storefront", "/orders"), ("inventory", "/stock/<sku>"), ("pricing", "/price/<sku>"))[number % 3]  # fmt: skip
    t.server(
        "root", route, service=service, status_code=500 if number % 8 == 5 else 200, ms=20 + number * 13 % 170
    )
    t.query("row", "SELECT name FROM item WHERE id = ?", parent="root", service=service, at=3, ms=6, attributes={"db.query.summary": "SELECT item"})  # fmt: skip
    t.log(f"served {route}", span="root", service=service, at=9)
    if number % 8 == 5:
        t.log("KeyError: 'warehouse'", span="root", service=service, at=12, severity=17)
    return t.build()


def findings() -> tuple[Finding, ...]:
    t = TraceBuilder(CHECKOUT)
    return (
        _finding(
            "n-plus-one-db", "important", "42 queries where 2 would do", "inventory", "GET /stock",
            Location(file="inventory/views.py", line=31, function="list_stock"),
            tuple(t.id(f"row-{number}") for number in range(ROWS)),
            Impact(ms_per_day=7_560_000, requests_share=0.38, text="320 ms of queries in 38 of 100 requests to GET /stock; the number grows with the list."),
            Fix(text="Load the warehouses together with the items.", before="items = session.scalars(select(StockItem))\nfor item in items:\n    rows.append((item.sku, item.warehouse.name))", after="items = session.scalars(\n    select(StockItem).options(joinedload(StockItem.warehouse))\n)\nfor item in items:\n    rows.append((item.sku, item.warehouse.name))"),
            (("repeated statement", "SELECT id, name FROM warehouse WHERE id = ?"), ("queries in one request", "42")),
        ),
        _finding(
            "missing-timeout", "critical", "POST to api.payments.example without a timeout", "pricing", "POST /charge",
            Location(file="pricing/client.py", line=12, function="charge"),
            (t.id("payment"),),
            Impact(ms_per_day=0, requests_share=1.0, text="If the payment provider hangs, each of these requests holds its worker for good."),
            Fix(text="Give a limit for connecting and one for reading.", before="requests.post(url, json=order)", after="requests.post(url, json=order, timeout=(3.05, 10))"),
            (("called", "POST https://api.payments.example/v1/charge"), ("client", "requests")),
        ),
        _finding(
            "n-plus-one-http", "normal", "3 calls in a row where 1 would do", "storefront", "POST /checkout",
            Location(file="shop/checkout.py", line=97, function="CheckoutView.post"),
            tuple(t.id(f"call-price-{number}") for number in range(3)),
            Impact(ms_per_day=1_860_000, requests_share=1.0, text="118 ms of each request to POST /checkout."),
            Fix(text="Ask for all prices at once.", before="for sku in cart:\n    prices.append(price(sku))", after="prices = prices_of(cart)"),
            (),
        ),
        _finding(
            "dependency-drift", "low", "Flask 3.1.2 in inventory, 3.0.3 in pricing", "pricing", "", None, (),
            Impact(ms_per_day=0, requests_share=0, text="Two services answer with different versions of one framework."),
            Fix(text="Pin one version for both.", before="flask==3.0.3", after="flask==3.1.2"),
            (("inventory", "flask 3.1.2"), ("pricing", "flask 3.0.3")),
        ),
    )  # fmt: skip


def _finding(
    check: str,
    severity: str,
    title: str,
    service: str,
    operation: str,
    location: Location | None,
    span_ids: tuple[str, ...],
    impact: Impact,
    fix: Fix,
    details: tuple[tuple[str, str], ...],
) -> Finding:
    pitfalls = {"dependency-drift": "P2", "missing-timeout": "P7"}
    return Finding(
        fingerprint=fingerprint(check, service, operation),
        check=check,
        pitfall=pitfalls.get(check, "P4"),  # type: ignore[arg-type] # from the table above
        severity=severity,  # type: ignore[arg-type] # as written above
        tier="B",
        title=title,
        service=service,
        operation=operation,
        location=location,
        evidence=(Evidence(trace_id=TRACE_ID, span_ids=span_ids),) if span_ids else (),
        affected=38 if span_ids else 1,
        eligible=100 if span_ids else 2,
        impact=impact,
        fix=fix,
        first_seen_ns=NOW_NS - 7_300_000 * MS,
        last_seen_ns=NOW_NS - 12_000 * MS,
        details=details,
    )


def inventories() -> tuple[Inventory, ...]:
    runs = (
        ("storefront", "django", "5.2.8"),
        ("inventory", "flask", "3.1.2"),
        ("pricing", "flask", "3.0.3"),
        ("worker", "celery", "5.5.3"),
    )
    return tuple(
        Inventory(
            service=service,
            environment=ENVIRONMENT,
            instance=f"{service}-1",
            time_ns=EPOCH_NS - 60_000 * MS,
            resource={"service.name": service},
            body={
                "framework": {"name": framework, "version": version},
                "python": {"version": "3.13.5", "implementation": "CPython"},
                "packages": {framework: version, "requests": "2.32.5"},
                "codebase": f"{service}.settings",
            },
        )
        for service, framework, version in runs
    )

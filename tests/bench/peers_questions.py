"""What is asked of each: the paths of Jaeger's query API, which all answer, and those of our own list of traces, which
are summaries where Jaeger's are whole traces.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from tests.bench.peers_payload import RARE_VALUES, Payload, ids_of

TIMES = 30
"""How often each question is asked, each time another."""
SERVICES = ("storefront", "pricing", "inventory", "search", "accounts")
ROUTES = ("/products/<sku>", "/cart", "/orders/<int:id>", "/checkout")
Questions = Mapping[str, Callable[[int], str]]
"""What is asked, and the path of its n-th form."""


def questions(payload: Payload, copies: range) -> Questions:
    """In the form of Jaeger's API."""
    end_us = time.time_ns() // 1000 + 10**6
    window = {"start": end_us - 3600 * 10**6, "end": end_us, "limit": 20}
    choice = random.Random(7)
    traces = [
        choice.choice(list(ids_of(choice.choice(payload.requests), choice.choice(copies))))
        for _ in range(TIMES)
    ]

    def search(**more: object) -> str:
        return "/api/traces?" + urlencode({**window, **more})

    def tagged(service: str, key: str, value: str) -> str:
        return search(service=service, tags=json.dumps({key: value}))

    return {
        "trace by id": lambda n: f"/api/traces/{traces[n]}",
        "newest 20 of a service": lambda n: search(service=SERVICES[n % 5]),
        "newest 20 of an operation": lambda n: search(service="storefront", operation=f"GET {ROUTES[n % 4]}"),
        "newest 20 that failed": lambda n: tagged(SERVICES[n % 3], "error", "true"),
        "newest 20 with status 500": lambda n: tagged(SERVICES[n % 3], "http.response.status_code", "500"),
        "newest 20 by duration": lambda n: search(service="storefront", minDuration=f"{300 + n * 10}ms"),
        "newest 20 with a rare value": lambda n: tagged(
            "storefront", "app.cart.id", f"cart-{n * 389 % RARE_VALUES}"
        ),
    }


def page_questions() -> Questions:
    """The same in the form of our own list."""

    def listed(**more: object) -> str:
        return "/traces.json?" + urlencode({"limit": 20, **more})

    return {
        "newest 20 of a service": lambda n: listed(service=SERVICES[n % 5]),
        "newest 20 of an operation": lambda n: listed(service="storefront", operation=f"GET {ROUTES[n % 4]}"),
        "newest 20 that failed": lambda n: listed(service=SERVICES[n % 3], error=1),
        "newest 20 with status 500": lambda n: listed(
            service=SERVICES[n % 3], q="http.response.status_code=500"
        ),
        "newest 20 by duration": lambda n: listed(service="storefront", min=f"{300 + n * 10}ms"),
        "newest 20 with a rare value": lambda n: listed(
            service="storefront", q=f"app.cart.id=cart-{n * 389 % RARE_VALUES}"
        ),
    }

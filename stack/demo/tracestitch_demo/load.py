"""The load program: the requests a day in the shop is made of, a pitfall and its clean twin side by side."""

from __future__ import annotations

import itertools
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tracestitch_demo.inventory.seed import sku
from tracestitch_demo.storefront.shop.sizes import BIG_CARTS, CUSTOMERS, SMALL_CARTS

TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One kind of request. `path` and `body` are made from the request's number."""

    service: str
    method: str
    route: str
    """As the framework writes it."""
    path: Callable[[int], str]
    body: Callable[[int], Mapping[str, object]] | None = None
    status: int = 200
    pitfalls: tuple[str, ...] = ()
    """The checks that find something here; empty for a clean route."""

    @property
    def operation(self) -> str:
        return f"{self.method} {self.route}"


def _big_cart(number: int) -> int:
    return 1 + number % BIG_CARTS


def _small_cart(number: int) -> int:
    return 1 + BIG_CARTS + number % SMALL_CARTS


def _none_such(number: int) -> str:
    return f"NO-{number % 100:03d}"


ROUTES: tuple[Route, ...] = (
    Route(service="storefront", method="GET", route="/products", path=lambda _: "/products"),
    Route(
        service="storefront",
        method="POST",
        route="/checkout",
        path=lambda _: "/checkout",
        body=lambda n: {"cart": _small_cart(n)},
        status=201,
        pitfalls=("missing-timeout", "shared-database"),
    ),
    Route(
        service="storefront",
        method="POST",
        route="/orders/<str:reference>/refund",
        path=lambda n: f"/orders/past-{n % CUSTOMERS}/refund",
        body=lambda _: {},
    ),
    Route(
        service="storefront",
        method="GET",
        route="/carts/<int:cart_id>",
        path=lambda n: f"/carts/{_big_cart(n)}",
        pitfalls=("n-plus-one-http",),
    ),
    Route(
        service="storefront",
        method="GET",
        route="/carts/<int:cart_id>/summary",
        path=lambda n: f"/carts/{_big_cart(n)}/summary",
    ),
    Route(
        service="storefront",
        method="GET",
        route="/carts/<int:cart_id>/voucher",
        path=lambda n: f"/carts/{_small_cart(n)}/voucher",
        pitfalls=("swallowed-error",),
    ),
    Route(
        service="storefront",
        method="GET",
        route="/carts/<int:cart_id>/discount",
        path=lambda n: f"/carts/{_small_cart(n)}/discount",
    ),
    Route(
        service="storefront",
        method="GET",
        route="/orders",
        path=lambda _: "/orders",
        pitfalls=("n-plus-one-db",),
    ),
    Route(service="storefront", method="GET", route="/orders/recent", path=lambda _: "/orders/recent"),
    Route(
        service="storefront",
        method="GET",
        route="/products/<str:sku>/tariff",
        path=lambda n: f"/products/{sku(n)}/tariff",
        pitfalls=("broken-trace-context",),
    ),
    Route(
        service="storefront",
        method="GET",
        route="/products/<str:sku>/offer",
        path=lambda n: f"/products/{sku(n)}/offer",
    ),
    Route(
        service="inventory",
        method="GET",
        route="/stock",
        path=lambda _: "/stock",
        pitfalls=("n-plus-one-db",),
    ),
    Route(service="inventory", method="GET", route="/stock/summary", path=lambda _: "/stock/summary"),
    Route(
        service="inventory",
        method="GET",
        route="/stock/<sku>",
        path=lambda n: f"/stock/{_none_such(n)}",
        status=404,
        pitfalls=("error-contract-drift",),
    ),
    Route(
        service="pricing",
        method="GET",
        route="/prices/<sku>",
        path=lambda n: f"/prices/{_none_such(n)}",
        status=404,
        pitfalls=("error-contract-drift",),
    ),
    Route(
        service="inventory",
        method="POST",
        route="/reservations",
        path=lambda _: "/reservations",
        body=lambda n: {"reference": f"empty-{n}", "lines": []},
        status=400,
        pitfalls=("shared-database",),
    ),
    Route(
        service="pricing",
        method="POST",
        route="/quotes",
        path=lambda _: "/quotes",
        body=lambda n: {"reference": f"empty-{n}", "lines": []},
        status=400,
        pitfalls=("shared-database",),
    ),
)


@dataclass(slots=True)
class Tally:
    """What the round has done so far; written by several threads."""

    sent: int = 0
    unexpected: dict[str, int] = field(default_factory=dict)
    """Requests that were answered otherwise than they should, by what happened."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, unexpected: str) -> None:
        with self._lock:
            self.sent += 1
            if unexpected:
                self.unexpected[unexpected] = self.unexpected.get(unexpected, 0) + 1


def requests_of(rounds: int) -> Iterator[tuple[Route, int]]:
    """Each route once a round, in turn, so that all kinds arrive evenly."""
    return ((route, number) for number in range(rounds) for route in ROUTES)


def endless() -> Iterator[tuple[Route, int]]:
    return ((route, number) for number in itertools.count() for route in ROUTES)


def send(route: Route, number: int, urls: Mapping[str, str]) -> str:
    """Send one request. Returns what was unexpected about the answer, empty when nothing was."""
    body = None if route.body is None else json.dumps(route.body(number)).encode()
    request = urllib.request.Request(
        urls[route.service] + route.path(number),
        data=body,
        method=route.method,
        headers={"Content-Type": "application/json"} if body is not None else {},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            answer.read()
            status = answer.status
    except urllib.error.HTTPError as error:
        error.read()
        status = error.code
    except OSError as error:
        return f"{route.service} {route.operation}: {error}"
    expected = status == route.status
    return "" if expected else f"{route.service} {route.operation}: {status} instead of {route.status}"


def drive(
    urls: Mapping[str, str], rounds: int, progress: Callable[[int, int], None], *, workers: int = 3
) -> Tally:
    """Send `rounds` of every route and say how far it is after each request."""
    tally = Tally()
    total = rounds * len(ROUTES)

    def one(item: tuple[Route, int]) -> None:
        tally.count(send(*item, urls))
        progress(tally.sent, total)

    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(one, requests_of(rounds)):
            pass
    return tally

"""Puts pages, twins and fragments on the web: one route each, made from the tables in pages/."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.settings import Settings, is_loopback, url_host
from tracestitch_collector.store.store import Arrival, Store
from tracestitch_dashboard import addresses, period, rendering
from tracestitch_dashboard.alarms import read_alarms
from tracestitch_dashboard.alert_marks import KnownAlerts
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.errors import PageError
from tracestitch_dashboard.page import Fragment, Page
from tracestitch_dashboard.pages import FRAGMENTS, PAGES
from tracestitch_dashboard.pages.arrival import arriving
from tracestitch_dashboard.reading import KnownServices, Timelines

HTMX = json.dumps({"includeIndicatorStyles": False, "allowEval": False, "historyEnabled": False})

DEFAULT_PORT = 4318


class Site:
    """All that the routes share."""

    def __init__(
        self, store: Store, settings: Settings, clock_ns: Callable[[], int], templates: Environment
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock_ns = clock_ns
        self._templates = templates
        self._timelines = Timelines(store)
        self._known = KnownServices(store)
        self._alerts = KnownAlerts(store)

    def routes(self) -> list[Route]:
        """Twins and fragments before pages, whose addresses would swallow theirs."""
        twins = [Route(page.twin, self.guarded(self._twin(page), is_json=True)) for page in PAGES]
        pieces = [
            Route(piece.path, self.guarded(self._piece(piece), is_json=not piece.template))
            for piece in FRAGMENTS
        ]
        pages = [Route(page.path, self.guarded(self._page(page), is_json=False)) for page in PAGES]
        routes = pieces + twins + pages
        for route in routes:  # a service may have a line break in its name
            route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)
        return routes

    def ask(self, request: Request) -> Ask:
        now_ns = self._clock_ns()
        query = dict(request.query_params)
        return Ask(
            store=self._store,
            settings=self._settings,
            timelines=self._timelines,
            now_ns=now_ns,
            period=period.parse(query, now_ns),
            colours=self._known.colours(now_ns),
            alerts=lambda: self._alerts.get(now_ns),
            path=request.path_params,
            query=query,
        )

    def _understood(self, page: Page, request: Request) -> Ask:
        ask = self.ask(request)
        ask.refuse_unknown(page.parameters)
        return ask

    def _twin(self, page: Page) -> Callable[[Request], Response]:
        return lambda request: rendering.as_json(page.to_json(page.load(self._understood(page, request))))

    def _piece(self, piece: Fragment) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            ask = self.ask(request)
            content = piece.load(ask)
            if not piece.template:
                return rendering.as_json(content)
            template = self._templates.get_template(piece.template)
            return rendering.html(template.render(model=content, **self._surroundings(ask)))

        return answer

    def _page(self, page: Page) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            ask = self._understood(page, request)
            return self._render(page.template, page.name, request, ask, model=page.load(ask))

        return answer

    def _surroundings(self, ask: Ask) -> Mapping[str, Any]:
        return {
            "now_ns": ask.now_ns,
            "period": ask.period,
            "colours": ask.colours,
            "query": ask.query,
            "endpoint": _endpoint(ask.settings),
            "alarms": read_alarms(ask.settings.data / "status", ask.now_ns),
        }

    def _render(
        self, template: str, name: str, request: Request, ask: Ask, *, status: int = 200, **more: Any
    ) -> Response:
        text = self._templates.get_template(template).render(
            **self._surroundings(ask),
            **more,
            navigation=[page for page in PAGES if page.in_navigation],
            here=name,
            path=request.url.path,
            twin=_twin_address(request),
            ranges=period.RANGES,
            arriving=arriving(self._arrival(ask), ask.now_ns),
            htmx=HTMX,
        )
        return rendering.html(text, status)

    def guarded(
        self, answer: Callable[[Request], Response], *, is_json: bool
    ) -> Callable[[Request], Response]:
        """What cannot be answered is said on a page (or as JSON), never left to a bare 500."""

        def careful(request: Request) -> Response:
            try:
                return answer(request)
            except PageError as error:
                return self.refusal(request, error.status, error.title, str(error), is_json=is_json)
            except Unavailable as error:
                text = f"{error} Nothing is lost: what arrives is kept in the log. Try again in a moment."
                return self.refusal(request, 503, "The store does not answer now", text, is_json=is_json)

        return careful

    def refusal(self, request: Request, status: int, title: str, text: str, *, is_json: bool) -> Response:
        if is_json:
            return rendering.as_json({"error": title, "detail": text}, status)
        now_ns = self._clock_ns()
        ask = Ask(
            store=self._store,
            settings=self._settings,
            timelines=self._timelines,
            now_ns=now_ns,
            period=period.parse({}, now_ns),
            colours={},
        )
        return self._render(
            "error.html",
            "",
            request,
            replace(ask, query={}),
            status=status,
            title=title,
            text=text,
            code=status,
        )

    def _arrival(self, ask: Ask) -> Arrival:
        """For the bar: it must be drawn even when the store is away."""
        try:
            return ask.store.arrival(ask.now_ns)
        except Unavailable:
            return Arrival(last_received_ns=0, spans_per_second=0)


def _twin_address(request: Request) -> str:
    path = request.url.path
    bare = "/index.json" if path == "/" else f"{path.rstrip('/')}.json"
    return addresses.with_query(bare, dict(request.query_params))


def _endpoint(settings: Settings) -> str:
    """Where apps send to, when it is not where they send anyway."""
    if settings.otlp_http_port == DEFAULT_PORT and is_loopback(settings.host):
        return ""
    return f"http://{url_host(settings.host)}:{settings.otlp_http_port}"

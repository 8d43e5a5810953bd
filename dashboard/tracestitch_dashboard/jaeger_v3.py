"""Jaeger's stable query API, `/api/v3`: the same questions as in jaeger.py, answered in OTLP JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.store import AttributeFilter, Store, TraceQuery, Window
from tracestitch_dashboard import words
from tracestitch_dashboard.errors import BadQuery, NotFound
from tracestitch_dashboard.otlp_form import traces_data
from tracestitch_dashboard.rendering import as_json

DAY_NS = 86_400 * 10**9
SERVICES_LOOKBACK_NS = 7 * DAY_NS
SEARCH_LOOKBACK_NS = 2 * DAY_NS
AHEAD_NS = 5 * 10**9
LIMIT, MOST = 20, 1500

_LENGTH_PART = re.compile(r"[0-9.]+[a-zµ]+")
_CAPITAL = re.compile(r"[A-Z]")
_FRACTION = re.compile(r"\.(\d{1,9})")
_SPACE_BEFORE_ZONE = re.compile(r"(?<=T..:..:..) (?=\d\d:\d\d$)")
"""What is left of a plus sign that was written into an address as it is, as Grafana does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    store: Store
    now_ns: int
    path: Mapping[str, str]
    query: Mapping[str, str]

    def text(self, name: str) -> str:
        """Of a parameter named in either of Jaeger's ways: `query.serviceName` or `query.service_name`."""
        older = _CAPITAL.sub(lambda letter: f"_{letter[0].lower()}", name)
        return self.query.get(name) or self.query.get(older) or ""

    def time_ns(self, name: str) -> int | None:
        """RFC 3339, to the nanosecond."""
        text = self.text(name)
        if not text:
            return None
        fraction = _FRACTION.search(text)
        try:
            moment = datetime.fromisoformat(_SPACE_BEFORE_ZONE.sub("+", _FRACTION.sub("", text, count=1)))
        except ValueError as error:
            raise BadQuery(f"{name} is “{text[:40]}”; it is a time such as 2026-11-24T12:04:31Z.") from error
        whole = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        below = int(fraction[1].ljust(9, "0")) if fraction else 0
        return int(whole.timestamp()) * 10**9 + below

    def length_ns(self, name: str) -> int | None:
        """As Go writes them: `1.5s`, `1m30s`."""
        text = self.text(name)
        parts = _LENGTH_PART.findall(text)
        if text and "".join(parts) != text:
            raise BadQuery(f"{name} is “{text[:40]}”; it is a number and a unit, such as 200ms or 1.5s.")
        return sum(words.length_ns(part) for part in parts) if parts else None


Answer = Callable[[Call], Any]


def routes(store: Store, clock_ns: Callable[[], int]) -> list[Route]:
    return [Route(path, _answering(answer, store, clock_ns)) for path, answer in TABLE]


def services(call: Call) -> Any:
    return {"services": [summary.service for summary in call.store.services(_recent(call))]}


def operations(call: Call) -> Any:
    kind = call.text("spanKind").lower()
    found = call.store.operations(_recent(call), call.text("service"))
    pairs = {(one.operation, one.kind) for one in found if kind in ("", one.kind)}
    return {"operations": [{"name": name, "spanKind": span_kind} for name, span_kind in sorted(pairs)]}


def trace(call: Call) -> Any:
    """Jaeger's ids may come without leading zeros; the times it may be given are only a hint."""
    for name in ("startTime", "endTime"):
        call.time_ns(name)
    found = call.store.trace(call.path["trace_id"].lower().rjust(32, "0"))
    if found is None or not found.spans:
        raise NotFound("trace not found")
    return {"result": traces_data([found])}


def search(call: Call) -> Any:
    query = TraceQuery(
        window=_window(call),
        service=call.text("query.serviceName"),
        operation=call.text("query.operationName"),
        min_duration_ns=call.length_ns("query.durationMin"),
        max_duration_ns=call.length_ns("query.durationMax"),
        attributes=_conditions(call.text("query.attributes")),
        limit=_limit(call),
    )
    found = call.store.traces([summary.trace_id for summary in call.store.search(query).traces])
    if not found:
        raise NotFound("no traces found")
    return {"result": traces_data(found)}


TABLE: tuple[tuple[str, Answer], ...] = (
    ("/api/v3/services", services),
    ("/api/v3/operations", operations),
    ("/api/v3/traces", search),
    ("/api/v3/traces/{trace_id}", trace),
)


def _recent(call: Call) -> Window:
    return Window(start_ns=call.now_ns - SERVICES_LOOKBACK_NS, end_ns=call.now_ns + AHEAD_NS)


def _window(call: Call) -> Window:
    latest = call.time_ns("query.startTimeMax")
    end_ns = call.now_ns + AHEAD_NS if latest is None else latest
    earliest = call.time_ns("query.startTimeMin")
    start_ns = end_ns - SEARCH_LOOKBACK_NS if earliest is None else earliest
    if start_ns > end_ns:
        raise BadQuery("query.startTimeMin is after query.startTimeMax.")
    return Window(start_ns=max(start_ns, 0), end_ns=max(end_ns, 0) + 1)


def _conditions(text: str) -> tuple[AttributeFilter, ...]:
    if not text:
        return ()
    try:
        pairs = [(str(key), value) for key, value in json.loads(text).items()]
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadQuery('query.attributes is a JSON object, such as {"http.route":"/stock"}.') from error
    return tuple(
        AttributeFilter(key=key, operator="=", value=value if isinstance(value, str) else json.dumps(value))
        for key, value in pairs
    )


def _limit(call: Call) -> int:
    """`searchDepth` is the name of `numTraces` in the API's definition."""
    text = call.text("query.searchDepth") or call.text("query.numTraces")
    if text and not (text.isascii() and text.isdecimal() and int(text[:9]) > 0):
        raise BadQuery(f"query.searchDepth is “{text[:40]}”; it is a whole number from 1 to {MOST}.")
    return min(int(text[:9] or LIMIT), MOST)


def _answering(answer: Answer, store: Store, clock_ns: Callable[[], int]) -> Callable[[Request], Response]:
    def answering(request: Request) -> Response:
        call = Call(
            store=store, now_ns=clock_ns(), path=request.path_params, query=dict(request.query_params)
        )
        try:
            return as_json(answer(call))
        except (BadQuery, NotFound) as error:
            return _failed(error.status, str(error))
        except Unavailable as error:
            return _failed(503, str(error))

    return answering


def _failed(status: int, text: str) -> Response:
    """The form of the gateway in front of Jaeger's gRPC."""
    return as_json({"error": {"httpCode": status, "message": text}}, status)

"""The Jaeger query API at the root of the dashboard, for Grafana and other tools that speak it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.store import AttributeFilter, Store, TraceQuery, Window
from tracestitch_dashboard import words
from tracestitch_dashboard.errors import BadQuery
from tracestitch_dashboard.jaeger_form import trace_form
from tracestitch_dashboard.rendering import as_json

DAY_NS = 86_400 * 10**9
SERVICES_LOOKBACK_NS = 7 * DAY_NS
SEARCH_LOOKBACK_NS = 2 * DAY_NS
AHEAD_NS = 5 * 10**9
LIMIT, MOST = 20, 1500
_LATEST = 2**63 - 1


class JaegerError(Exception):
    """What Jaeger's clients understand: a status and a short text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


Answer = Callable[["Call"], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    store: Store
    now_ns: int
    path: Mapping[str, str]
    query: Mapping[str, str]
    tags: Sequence[str]
    """Every `tag=key:value` of the query."""

    def window(self) -> Window:
        """`start` and `end` are microseconds."""
        end_ns = self.time_ns("end", 1000) or self.now_ns + AHEAD_NS
        start_ns = self.time_ns("start", 1000) or end_ns - self.lookback_ns()
        return Window(start_ns=start_ns, end_ns=max(end_ns, start_ns + 1))

    def lookback_ns(self) -> int:
        text = self.query.get("lookback", "")
        return words.length_ns(text) if text and text != "custom" else SEARCH_LOOKBACK_NS

    def time_ns(self, name: str, scale: int) -> int:
        text = self.query.get(name, "")
        if text and not (text.isascii() and text.isdecimal()):
            raise BadQuery(f"{name} is “{text[:40]}”; it is a whole number.")
        return min(int(text[:20] or 0) * scale, _LATEST)


def routes(store: Store, clock_ns: Callable[[], int]) -> list[Route]:
    return [Route(path, _answering(answer, store, clock_ns)) for path, answer in TABLE]


def services(call: Call) -> Any:
    return _listed([summary.service for summary in call.store.services(_recent(call))])


def operations_of(call: Call) -> Any:
    found = call.store.operations(_recent(call), call.path["service"])
    return _listed(sorted({operation.operation for operation in found}))


def operations(call: Call) -> Any:
    kind = call.query.get("spanKind", "")
    found = call.store.operations(_recent(call), call.query.get("service", ""))
    pairs = {(o.operation, o.kind) for o in found if not kind or o.kind == kind}
    return _listed([{"name": name, "spanKind": span_kind} for name, span_kind in sorted(pairs)])


def search(call: Call) -> Any:
    least, most = call.query.get("minDuration", ""), call.query.get("maxDuration", "")
    attributes = _conditions(call)
    errors = [condition for condition in attributes if condition.key == "error"]
    ids = call.query.get("traceID", "")
    query = TraceQuery(
        window=call.window(),
        service=call.query.get("service", ""),
        operation=call.query.get("operation", ""),
        min_duration_ns=words.length_ns(least) if least else None,
        max_duration_ns=words.length_ns(most) if most else None,
        error=errors[0].value == "true" if errors else None,
        attributes=tuple(condition for condition in attributes if condition.key != "error"),
        limit=_limit(call),
    )
    found = [ids] if ids else [summary.trace_id for summary in call.store.search(query).traces]
    return _listed([trace_form(trace) for trace in call.store.traces(found)])


def trace(call: Call) -> Any:
    """Jaeger's ids may come without leading zeros."""
    found = call.store.trace(call.path["trace_id"].lower().rjust(32, "0"))
    if found is None or not found.spans:
        raise JaegerError(404, "trace not found")
    return _listed([trace_form(found)])


def dependencies(call: Call) -> Any:
    """`endTs` and `lookback` are milliseconds."""
    end_ns = call.time_ns("endTs", 10**6) or call.now_ns + AHEAD_NS
    lookback_ns = call.time_ns("lookback", 10**6) or DAY_NS
    found = call.store.dependencies(Window(start_ns=max(end_ns - lookback_ns, 0), end_ns=end_ns))
    return _listed([{"parent": d.caller, "child": d.callee, "callCount": d.calls} for d in found])


TABLE: tuple[tuple[str, Answer], ...] = (
    ("/api/services", services),
    ("/api/services/{service:path}/operations", operations_of),
    ("/api/operations", operations),
    ("/api/traces", search),
    ("/api/traces/{trace_id}", trace),
    ("/api/dependencies", dependencies),
)


def _recent(call: Call) -> Window:
    return Window(start_ns=call.now_ns - SERVICES_LOOKBACK_NS, end_ns=call.now_ns + AHEAD_NS)


def _listed(data: list[Any]) -> dict[str, Any]:
    return {"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": None}


def _conditions(call: Call) -> tuple[AttributeFilter, ...]:
    """`tags` is a JSON map, `tag` is key:value, each may be there."""
    pairs: list[tuple[str, str]] = []
    if call.query.get("tags"):
        try:
            given = json.loads(call.query["tags"])
            pairs += [(str(key), _tag_text(value)) for key, value in given.items()]
        except (ValueError, AttributeError, RecursionError) as error:
            raise BadQuery('tags is a JSON object, such as {"http.response.status_code":"500"}.') from error
    for tag in call.tags:
        key, colon, value = tag.partition(":")
        if not colon:
            raise BadQuery(f"tag is “{tag[:40]}”; it is key:value.")
        pairs.append((key, value))
    return tuple(AttributeFilter(key=key, operator="=", value=value) for key, value in pairs)


def _tag_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _limit(call: Call) -> int:
    text = call.query.get("limit", "")
    if text and not (text.isascii() and text.isdecimal() and int(text[:9]) > 0):
        raise BadQuery(f"limit is “{text[:40]}”; it is a whole number from 1 to {MOST}.")
    return min(int(text[:9] or LIMIT), MOST)


def _answering(answer: Answer, store: Store, clock_ns: Callable[[], int]) -> Callable[[Request], Response]:
    def answering(request: Request) -> Response:
        call = Call(
            store=store,
            now_ns=clock_ns(),
            path=request.path_params,
            query=dict(request.query_params),
            tags=request.query_params.getlist("tag"),
        )
        try:
            return as_json(answer(call))
        except JaegerError as error:
            return _failed(error.status, str(error))
        except BadQuery as error:
            return _failed(400, str(error))
        except Unavailable as error:
            return _failed(503, str(error))

    return answering


def _failed(status: int, text: str) -> Response:
    return as_json({"data": None, "errors": [{"code": status, "msg": text}]}, status)

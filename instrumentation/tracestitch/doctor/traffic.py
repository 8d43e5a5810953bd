"""What the store knows of the services: broken propagation, shared names, silence, clocks. Pure, over JSON answers."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracestitch.doctor import conditions
from tracestitch.doctor.condition import Finding, met, printable
from tracestitch.doctor.dashboard import Document

TOLERANCE_NS = 5_000_000
LATE_NS = 120_000_000_000
"""Records arrive within seconds; an agent that kept them while the collector was away may be later."""
_PROBES = frozenset(
    {"health", "healthz", "livez", "ready", "readyz", "ping", "status", "metrics", "favicon.ico"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    trace_id: str
    span_id: str
    parent_id: str
    service: str
    kind: str
    start_ns: int
    end_ns: int
    received_ns: int
    attributes: Mapping[str, Any]

    def text(self, name: str) -> str:
        value = self.attributes.get(name)
        return value if isinstance(value, str) else ""


def spans_of(trace: Document) -> Iterator[Span]:
    for one in trace.get("spans") or ():
        yield Span(
            trace_id=str(one.get("trace_id")),
            span_id=str(one.get("span_id")),
            parent_id=str(one.get("parent_span_id") or ""),
            service=str(one.get("service")),
            kind=str(one.get("kind")),
            start_ns=int(one.get("start_ns") or 0),
            end_ns=int(one.get("end_ns") or 0),
            received_ns=int(one.get("received_ns") or 0),
            attributes=one.get("attributes") or {},
        )


def broken_propagation(spans: Sequence[Span], services: Sequence[str]) -> Iterator[Finding]:
    """Calls with no answering span, and roots that fit them in time, method and path. `services` narrows it down."""
    parents = {(span.trace_id, span.parent_id) for span in spans if span.kind == "server"}
    calls = [span for span in spans if span.kind == "client" and (span.trace_id, span.span_id) not in parents]
    by_question: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for call in calls:
        by_question[_question(call)].append(call)
    edges: Counter[tuple[str, str]] = Counter()
    example: dict[tuple[str, str], tuple[Span, Span]] = {}
    for root in spans:
        if root.kind != "server" or root.parent_id or not all(_question(root)):
            continue
        for call in by_question.get(_question(root), ()):
            if call.trace_id != root.trace_id and _holds(call, root):
                edge = (call.service, root.service)
                edges[edge] += 1
                example[edge] = (call, root)
                break
    for (caller, callee), count in edges.most_common():
        if not services or caller in services or callee in services:
            yield _broken(caller, callee, count, *example[caller, callee])


def _broken(caller: str, callee: str, count: int, call: Span, root: Span) -> Finding:
    ends = [(span.text("server.address"), span.attributes.get("server.port")) for span in (call, root)]
    direct = ends[0] == ends[1] and bool(ends[0][0])
    times = "1 call" if count == 1 else f"{count} calls"
    route = f"{root.text('http.request.method')} {root.text('http.route') or root.text('url.path')}"
    text = (
        f"{printable(caller, 60)} calls {printable(callee, 60)} ({printable(route, 80)}), and the answers begin "
        f"traces of their own: {times} among the latest traces, such as {call.trace_id} and {root.trace_id}."
    )
    where = f"{call.text('code.file.path')}:{call.attributes.get('code.line.number')}"
    advice = (
        f"Make the call at {where} with an instrumented client (requests, httpx, urllib3, aiohttp) in the request's context."
        if direct
        else f"Let whatever stands between {caller} and {callee} pass on the headers traceparent, tracestate and baggage."
    )
    return met(conditions.PROPAGATION_BROKEN, text, advice=advice)


def _question(span: Span) -> tuple[str, str]:
    path = span.text("url.path") if span.kind == "server" else _path(span)
    last = path.rstrip("/").rpartition("/")[2]
    return (span.text("http.request.method"), "" if last.lower() in _PROBES else last)


def _path(call: Span) -> str:
    rest = call.text("url.full").partition("://")[2].partition("/")[2]
    return "/" + rest.split("?", 1)[0].split("#", 1)[0] if rest else ""


def _holds(call: Span, root: Span) -> bool:
    if root.start_ns < call.start_ns - TOLERANCE_NS or root.end_ns > call.end_ns + TOLERANCE_NS:
        return False
    asked, answered = _path(call).rstrip("/"), root.text("url.path").rstrip("/")
    return asked == answered or asked.endswith(answered)


def shared_names(inventories: Iterable[Document]) -> Iterator[Finding]:
    """Two code bases under one name: other settings packages or apps, or other folders of other frameworks."""
    known: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for one in inventories:
        body = _mapping(one.get("body"))
        codebase = str(body.get("codebase") or "").partition(".")[0]
        framework = str(_mapping(body.get("framework")).get("name") or "")
        if codebase and framework != "celery":  # a worker of a project is called like its app
            known[str(one.get("service"))].setdefault((framework, codebase), app_root(one))
    for service, bases in known.items():
        if len(bases) > 1:
            shown = " and ".join(f"{base} ({framework}, {root})" for (framework, base), root in bases.items())
            text = f"Two code bases send as {printable(service, 60)}: {printable(shown, 300)}."
            yield met(conditions.NAME_SHARED, text)


def late_services(spans: Iterable[Span]) -> Iterator[Finding]:
    """The middle of a service's distances between the end of a span and its arrival."""
    distances: dict[str, list[int]] = defaultdict(list)
    for span in spans:
        if span.received_ns:
            distances[span.service].append(span.received_ns - span.end_ns)
    for service, of_service in distances.items():
        middle = sorted(of_service)[len(of_service) // 2]
        if middle < -2_000_000_000 or middle > LATE_NS:
            way = "in the future" if middle < 0 else "long past"
            text = f"Spans of {printable(service, 60)} arrive {abs(middle) / 1e9:,.0f} s away from their time, which is {way}."
            yield met(conditions.SERVICE_CLOCK, text, host=f"the machine that runs {service}")


def root_level(inventory: Document) -> int:
    """Of the process's root logger; 0 where it does not tell."""
    level = _mapping(_mapping(inventory.get("body")).get("logging")).get("root_level")
    return level if isinstance(level, int) else 0


def app_root(inventory: Document) -> str:
    resource = _mapping(inventory.get("resource"))
    return str(resource.get("tracestitch.app.root") or "")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

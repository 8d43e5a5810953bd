"""Repeats: runs of siblings that do the same thing (the same statement, the same route of the same service),
folded into one. What counts as the same is `shape`, which the checks use too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import median
from typing import TypeAlias

from tracestitch_collector.model import Span
from tracestitch_collector.traces.intervals import union_ns
from tracestitch_collector.traces.tree import Node

AT_LEAST = 3
"""Members of a run that is worth folding."""

Shape: TypeAlias = tuple[str, ...]

_ID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}|\d+")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repeat:
    nodes: tuple[Node, ...] = field(repr=False)
    """The members, by start."""
    shape: Shape
    label: str
    """In the user's terms: `SELECT stock_item`, `GET /price/<sku> (pricing)`."""
    count: int
    total_ns: int
    """Sum of the durations."""
    union_ns: int
    """Time during which at least one was running."""
    p50_ns: int
    max_ns: int
    errors: int
    parallel: bool
    """They overlapped; otherwise each began when the one before had ended."""


def fold(nodes: Sequence[Node], at_least: int = AT_LEAST) -> tuple[Repeat | Node, ...]:
    """Siblings in their order, each run of at least so many of one shape replaced by a Repeat."""
    folded: list[Repeat | Node] = []
    for _, run in groupby(nodes, key=shape):
        members = tuple(run)
        if len(members) >= at_least:
            folded.append(of(members))
        else:
            folded.extend(members)
    return tuple(folded)


def of(members: Sequence[Node]) -> Repeat:
    """The figures of members of one shape. Needs at least one."""
    durations = [max(node.span.duration_ns, 0) for node in members]
    together = union_ns((node.span.start_ns, node.span.end_ns) for node in members)
    total = sum(durations)
    return Repeat(
        nodes=tuple(members),
        shape=shape(members[0]),
        label=label(members[0]),
        count=len(members),
        total_ns=total,
        union_ns=together,
        p50_ns=round(median(durations)),
        max_ns=max(durations),
        errors=sum(node.span.is_error for node in members),
        parallel=together < total * 0.9,
    )


def by_shape(nodes: Iterable[Node]) -> dict[Shape, list[Node]]:
    """Siblings grouped by shape, whether or not they follow each other."""
    groups: dict[Shape, list[Node]] = {}
    for node in nodes:
        groups.setdefault(shape(node), []).append(node)
    return groups


def shape(node: Node) -> Shape:
    """Equal for spans that do the same thing. A call is known by who answered it and on which route, never by
    the client span's name: five different POSTs are not a loop."""
    span = node.span
    statement = span.text("db.query.text")
    if statement:
        return span.kind, span.service, "db", span.text("db.namespace"), statement
    if span.kind in ("client", "producer"):
        callee = callee_of(node)
        if callee is not None:
            return span.kind, span.service, "call", callee.service, method_and_route(callee)
        return span.kind, span.service, "address", *_address(span)
    return span.kind, span.service, span.name


def callee_of(node: Node) -> Span | None:
    """The SERVER or CONSUMER span that answered this call, when the other side reports too."""
    for child in node.children:
        if child.span.kind in ("server", "consumer"):
            return child.span
    return None


def method_and_route(span: Span) -> str:
    """`GET /price/<sku>`; the path with its ids replaced where no route is known, else the span's name."""
    method = span.text("http.request.method")
    route = span.text("http.route") or without_ids(span.text("url.path"))
    return f"{method} {route}".strip() if route else span.name


def label(node: Node) -> str:
    span = node.span
    if span.text("db.query.text"):
        return span.text("db.query.summary") or span.name
    callee = callee_of(node)
    if callee is not None and callee.service != span.service:
        return f"{method_and_route(callee)} ({callee.service})"
    return span.name


def without_ids(path: str) -> str:
    """Numbers, UUIDs and long hexadecimal words replaced by `*`."""
    return _ID.sub("*", path)


def _address(span: Span) -> Shape:
    url = span.text("url.full").split("?", 1)[0]
    where = without_ids(url.split("://", 1)[-1].partition("/")[2])
    return span.name, span.text("server.address"), str(span.number("server.port") or ""), where

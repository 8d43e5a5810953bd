"""Clock skew: by how much one process's clock differs from its caller's, estimated from the fact that a
server works while its client waits. Estimates are for showing; nothing here changes a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from tracestitch_collector.model import Span
from tracestitch_collector.traces.tree import Node, Tree

ACCURACY_NS = 1_000_000
"""Well-kept clocks differ by this much; smaller offsets are not claimed."""

Process: TypeAlias = tuple[str, str, str]
"""(service, instance, host): what shares one clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOffset:
    """What to add to the callee's times so that they fit the caller's."""

    caller: Process
    callee: Process
    offset_ns: int
    calls: int


def estimate(tree: Tree) -> Mapping[str, int]:
    """Span id → what to add to its times to read them on the main root's clock; only offsets that matter."""
    pairs = {(pair.caller, pair.callee): pair.offset_ns for pair in pair_offsets(tree)}
    offsets = [0] * len(tree.nodes)
    for node in tree.nodes:
        parent = tree.parent_of(node)
        if parent is None:
            continue
        crossing = pairs.get((process_of(parent.span), process_of(node.span)), 0)
        offsets[node.index] = offsets[parent.index] + crossing
    return {
        node.span.span_id: offsets[node.index]
        for node in tree.nodes
        if abs(offsets[node.index]) >= ACCURACY_NS
    }


def pair_offsets(tree: Tree) -> tuple[PairOffset, ...]:
    """One per pair of processes that called each other in the trace, 0 where their clocks agree."""
    bounds: dict[tuple[Process, Process], list[tuple[float, float]]] = {}
    for node in tree.nodes:
        parent = tree.parent_of(node)
        allowed = parent and _allowed(parent, node)
        if parent and allowed:
            bounds.setdefault((process_of(parent.span), process_of(node.span)), []).append(allowed)
    return tuple(
        PairOffset(caller=caller, callee=callee, offset_ns=_agreed(known), calls=len(known))
        for (caller, callee), known in bounds.items()
    )


def process_of(span: Span) -> Process:
    resource = span.resource
    return resource.service, resource.text("service.instance.id"), resource.text("host.name")


def _allowed(parent: Node, child: Node) -> tuple[float, float] | None:
    """The offsets under which the child lies within its parent; None where the pair says nothing."""
    caller, callee = parent.span, child.span
    if process_of(caller) == process_of(callee) or callee.duration_ns < 0 or caller.duration_ns < 0:
        return None
    if callee.kind == "server" and callee.duration_ns <= caller.duration_ns:
        return caller.start_ns - callee.start_ns, caller.end_ns - callee.end_ns
    if callee.kind == "consumer":  # may run at any time after it was sent, never before
        return caller.start_ns - callee.start_ns, math.inf
    return None


def _agreed(bounds: list[tuple[float, float]]) -> int:
    """The middle of what all calls allow; of contradicting calls the median of their middles."""
    low, high = max(low for low, _ in bounds), min(high for _, high in bounds)
    if low <= 0 <= high:
        return 0
    if low > high:
        return round(median(_middle(*bound) for bound in bounds))
    return round(_middle(low, high))


def _middle(low: float, high: float) -> float:
    return low if math.isinf(high) else low + (high - low) / 2

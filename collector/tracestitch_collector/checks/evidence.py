"""What a check looks at: the traces and inventories of a window, cut into units of work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tracestitch_collector.checks.traffic import Traffic
from tracestitch_collector.model import Span, Trace
from tracestitch_collector.store.store import Inventory, Window
from tracestitch_collector.traces import tree
from tracestitch_collector.traces.repeats import method_and_route
from tracestitch_collector.traces.tree import Node, Tree

Place: TypeAlias = tuple[str, str]
"""(service, operation)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unit:
    """One request, task or script run in one service: the span it was entered by and all spans beneath it
    that belong to the same service's work."""

    tree: Tree
    entry: Node
    nodes: tuple[Node, ...] = field(repr=False)
    """The entry first, then as they are read in the tree."""

    @property
    def service(self) -> str:
        return self.entry.span.service

    @property
    def operation(self) -> str:
        """`GET /stock/<sku>`, a task's name."""
        span = self.entry.span
        return method_and_route(span) if span.kind == "server" else span.name

    @property
    def environment(self) -> str:
        return self.entry.span.resource.environment

    @property
    def place(self) -> Place:
        return self.service, self.operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    window: Window
    traces: tuple[Trace, ...]
    inventories: tuple[Inventory, ...]
    now_ns: int
    traffic: Traffic = field(default_factory=Traffic, repr=False)
    trees: tuple[Tree, ...] = field(init=False, repr=False)
    """Of the traces, in their order."""
    units: tuple[Unit, ...] = field(init=False, repr=False)
    eligible: Mapping[Place, int] = field(init=False, repr=False)
    """Units by place."""

    def __post_init__(self) -> None:
        trees = tuple(tree.build(trace) for trace in self.traces)
        units = tuple(unit for built in trees for unit in units_of(built))
        object.__setattr__(self, "trees", trees)
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "eligible", Counter(unit.place for unit in units))

    def last_request_ns(self, service: str) -> int:
        """When the service was last at work; 0 where no trace of it is here."""
        return max((unit.entry.span.start_ns for unit in self.units if unit.service == service), default=0)

    def at(self, place: Place) -> Iterator[Unit]:
        return (unit for unit in self.units if unit.place == place)


def units_of(built: Tree) -> Iterator[Unit]:
    """Every node belongs to exactly one unit."""
    members: dict[int, list[Node]] = {}
    unit_of: dict[int, int] = {}
    for node in built.nodes:  # a parent comes before its children
        parent = built.parent_of(node)
        own = parent is None or _enters(node.span, parent.span)
        unit_of[node.index] = node.index if parent is None or own else unit_of[parent.index]
        members.setdefault(unit_of[node.index], []).append(node)
    for entry, nodes in members.items():
        yield Unit(tree=built, entry=built.nodes[entry], nodes=tuple(nodes))


def _enters(span: Span, parent: Span) -> bool:
    return span.kind in ("server", "consumer") or span.service != parent.service

"""What a query asks for, twice: as a mask over rows that were read, and as terms and bounds that say which row groups
need not be read at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.embedded import matching, phrases, row_terms, terms
from tracestitch_collector.store.embedded.layout import stored_name
from tracestitch_collector.store.embedded.matching import Mask
from tracestitch_collector.store.embedded.needs import Needs, Value
from tracestitch_collector.store.embedded.row_groups import RowGroups
from tracestitch_collector.store.store import AttributeFilter, LogQuery, TraceQuery, Window

OWN_EVENTS = "tracestitch."
ROUTE = "http.route"
LARGEST = 2**63 - 1
EVERY_TEXT = "attr.s."
"""As a column: every string attribute."""


ELSEWHERE = ("attributes_other", "resource")
"""Where an attribute may be that has no column of its own."""


class Rows(Protocol):
    """Rows of which only what is asked for is read."""

    def columns(self, names: Collection[str]) -> pa.Table:
        """Those of the columns that there are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    check: Callable[[pa.Table], Mask]
    columns: tuple[str, ...]
    elsewhere: tuple[int, int] | None = None
    """Terms that row groups hold for which `ELSEWHERE` is to be looked at too."""


@dataclass(kw_only=True)
class Conditions:
    """Conditions that all must hold. Built once per query, then only asked."""

    window: Window
    time_column: str
    tests: list[Test] = field(default_factory=list)
    needs: Needs = field(default_factory=Needs)
    _shortest_ns: int = -LARGEST
    _min_severity: int = -1000

    @property
    def columns(self) -> set[str]:
        """Everything that may be looked at."""
        named = {name for test in self.tests for name in test.columns} | {self.time_column}
        return named | (set(ELSEWHERE) if any(test.elsewhere for test in self.tests) else set())

    @property
    def tested(self) -> set[str]:
        """What every test looks at, but for all texts of a row."""
        return {name for test in self.tests for name in test.columns} - {EVERY_TEXT}

    def add(
        self, check: Callable[[pa.Table], Mask], *columns: str, elsewhere: tuple[int, int] | None = None
    ) -> None:
        self.tests.append(Test(check=check, columns=columns, elsewhere=elsewhere))

    def mask(self, rows: Rows, told: RowGroups | None = None, groups: Sequence[int] = ()) -> Mask | None:
        """Which rows meet the conditions; None where none does. Of row groups of a file whose facts are told only
        the columns are read that can still change the answer."""
        found = None if told is not None and self._is_inside(told, groups) else self._within(rows)
        for test in self.tests:
            if found is not None and not found.any():
                return None
            here = test.elsewhere is not None and _holds(told, groups, test.elsewhere)
            passed = test.check(rows.columns((*test.columns, *ELSEWHERE) if here else test.columns))
            found = passed if found is None else found & passed
        found = self._within(rows) if found is None else found
        return found if found.any() else None

    def _within(self, rows: Rows) -> Mask:
        times = rows.columns((self.time_column,))[self.time_column].to_numpy()
        found: Mask = (times >= self.window.start_ns) & (times < self.window.end_ns)
        return found

    def _is_inside(self, told: RowGroups, groups: Sequence[int]) -> bool:
        facts = told.facts[list(groups)]
        return bool(
            facts["min_ns"].min() >= self.window.start_ns and facts["max_ns"].max() < self.window.end_ns
        )

    def row_groups(self, told: RowGroups) -> Mask:
        """Which row groups may hold rows that meet the conditions."""
        facts = told.facts
        found: Mask = (facts["min_ns"] < self.window.end_ns) & (facts["max_ns"] >= self.window.start_ns)
        found &= facts["max_duration_ns"] >= self._shortest_ns
        found &= facts["max_severity"] >= self._min_severity
        groups = np.flatnonzero(found)
        found[groups] = self.needs.met(told, groups)
        return found

    # One kind of condition each

    def equal_text(self, column: str, value: str, kind: str) -> None:
        self.add(lambda table: matching.passing(table[column], matching.equals(value)), column)
        self.needs.value([Value(kind, terms.of_text(kind, value))])

    def longer(self, shortest_ns: int) -> None:
        limit = self._shortest_ns = max(min(shortest_ns, LARGEST), -LARGEST)
        if shortest_ns > LARGEST:
            self.add(lambda table: np.zeros(len(table), bool), "duration_ns")
        self.add(
            lambda table: matching.passing(
                table["duration_ns"], lambda values: pc.greater_equal(values, limit)
            ),
            "duration_ns",
        )

    def shorter(self, longest_ns: int) -> None:
        limit = max(min(longest_ns, LARGEST), -LARGEST)
        self.add(
            lambda table: matching.passing(table["duration_ns"], lambda values: pc.less_equal(values, limit)),
            "duration_ns",
        )

    def severe(self, severity: int) -> None:
        limit = self._min_severity = max(min(severity, 1000), -1000)
        level = max((level for level in row_terms.SEVERITIES if level <= limit), default=None)
        if level is not None:
            self.needs.value([Value(row_terms.severe(level), row_terms.severity_term(level))])
        self.add(
            lambda table: matching.passing(
                table["severity_number"],
                lambda values: pc.greater_equal(values, pa.scalar(limit, pa.int16())),
            ),
            "severity_number",
        )

    def attribute(self, item: AttributeFilter) -> None:
        columns = matching.attribute_columns(item.key)
        self.add(
            lambda table: matching.has_attribute(table, item),
            *columns,
            elsewhere=row_terms.elsewhere(item.key),
        )
        if item.operator == "=":
            values = [Value(item.key, term) for term in _value_terms(item)]
            self.needs.value(values, (row_terms.ANY_KEY,))
        elif item.operator != "!=":
            self.needs.one_of((row_terms.key(item.key),), (row_terms.ANY_KEY,))


def _holds(told: RowGroups | None, groups: Sequence[int], both: tuple[int, int]) -> bool:
    if told is None:
        return True
    one, other, *any_ = told.hold(np.array([*both, *row_terms.ANY_ELSEWHERE], np.uint64), groups)
    return bool((one & other).any() or (any_[0] & any_[1]).any())


def _value_terms(item: AttributeFilter) -> list[int]:
    """Of every value that equals the filter's."""
    found = [terms.of_text(item.key, item.value)]
    if item.value.lower() in matching.TRUTH:
        found.append(terms.of_number(item.key, int(matching.TRUTH[item.value.lower()])))
    number = matching.number_of(item.value)
    if number is not None:
        if abs(number) <= LARGEST and number == int(number):
            found.append(terms.of_number(item.key, int(number)))
        try:
            found.append(terms.of_number(item.key, float(number)))
        except OverflowError:  # no double is so large
            pass
    return found


def clamped(window: Window) -> Window:
    """Within what a column of signed 64 bits can hold."""
    return Window(start_ns=min(max(window.start_ns, 0), LARGEST), end_ns=max(min(window.end_ns, LARGEST), 0))


def of_traces(query: TraceQuery, window: Window) -> Conditions:
    asked = Conditions(window=window, time_column="start_ns")
    if query.service:
        asked.equal_text("service_name", query.service, row_terms.SERVICE)
    if query.error is not None:
        _status(asked, query.error)
    if query.min_duration_ns is not None:
        asked.longer(query.min_duration_ns)
    if query.max_duration_ns is not None:
        asked.shorter(query.max_duration_ns)
    if query.operation:
        _operation(asked, query.operation)
    if query.roots_only:
        asked.add(lambda table: ~matching.present(table["parent_span_id"]), "parent_span_id")
    for item in query.attributes:
        asked.attribute(item)
    if query.text:
        named = ("name", "status_message", "attributes_other")
        asked.add(lambda table: matching.has_text(table, query.text, named), *named, EVERY_TEXT)
    return asked


def _status(asked: Conditions, error: bool) -> None:
    test = matching.equals(2) if error else lambda values: pc.not_equal(values, pa.scalar(2, values.type))
    asked.add(lambda table: matching.passing(table["status_code"], test), "status_code")
    if error:
        asked.needs.value([Value(row_terms.FAILING, row_terms.FAILED)])


def _operation(asked: Conditions, operation: str) -> None:
    route, test = stored_name(f"attr.s.{ROUTE}"), matching.equals(operation)

    def mask(table: pa.Table) -> Mask:
        found = matching.passing(table["name"], test)
        return found | matching.passing(table[route], test) if route in table.column_names else found

    asked.add(mask, "name", route)
    kinds = (row_terms.OPERATION, ROUTE)
    asked.needs.value([Value(kind, terms.of_text(kind, operation)) for kind in kinds])


def of_logs(query: LogQuery, window: Window, trace_id: bytes | None) -> Conditions:
    asked = Conditions(window=window, time_column="time_ns")
    if query.event_name:
        asked.equal_text("event_name", query.event_name, row_terms.EVENT)
    else:
        asked.add(
            lambda table: (
                ~matching.passing(
                    table["event_name"], lambda values: pc.starts_with(values, pattern=OWN_EVENTS)
                )
            ),
            "event_name",
        )
    if query.service:
        asked.equal_text("service_name", query.service, row_terms.SERVICE)
    if query.min_severity:
        asked.severe(query.min_severity)
    if trace_id is not None:
        wanted = pa.array([trace_id], pa.binary(16))
        asked.add(lambda table: pc.is_in(table["trace_id"], value_set=wanted).to_numpy(), "trace_id")
    if query.text:
        asked.add(lambda table: matching.passing(table["body"], matching.contains(query.text)), "body")
        for term in phrases.of_phrase(query.text):
            asked.needs.one_of((term,))
    for item in query.attributes:
        asked.attribute(item)
    return asked

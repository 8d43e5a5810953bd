"""A search for two values at once reads only where both met in one span, and misses nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.telemetry import ALWAYS, BASE_NS, SECOND, batch, log, resource, span
from tracestitch_collector.model import AttributeValue
from tracestitch_collector.store.embedded import conditions
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.manifest import load
from tracestitch_collector.store.embedded.row_groups import RowGroups
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import AttributeFilter, LogQuery, TraceQuery

VALUES: dict[str, AttributeValue] = {"a": "a", "7": 7, "7.5": 7.5, "true": True, "list": ("a",)}
"""By what one asks for them with."""
Attributes = Mapping[str, str]
some_attributes = st.dictionaries(
    st.sampled_from(("k", "l", "m")), st.sampled_from(tuple(VALUES)), max_size=3
)


def equal(key: str, value: str) -> AttributeFilter:
    return AttributeFilter(key=key, operator="=", value=value)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(some_attributes, some_attributes), min_size=1, max_size=6), st.data())
def test_two_values_are_found_wherever_they_stand(
    items: list[tuple[Attributes, Attributes]], data: st.DataObject
) -> None:
    asked = [(key, data.draw(st.sampled_from(("a", "7", "7.5", "true")))) for key in ("k", "l")]
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder), write=True, clock=lambda: BASE_NS + 60 * SECOND)
        spans = [
            span(
                trace_id=f"{number + 1:032x}",
                attributes={key: VALUES[name] for key, name in own.items()},
                resource=resource("shop", **{key: VALUES[name] for key, name in origin.items()}),
            )
            for number, (own, origin) in enumerate(items)
        ]
        store.write(batch(spans))
        store.sync()
        page = store.search(
            TraceQuery(window=ALWAYS, attributes=tuple(equal(key, value) for key, value in asked))
        )
        store.close()
    expected = {
        number + 1
        for number, (own, origin) in enumerate(items)
        if all({**origin, **own}.get(key) == value for key, value in asked)
    }
    assert {int(trace.trace_id, 16) for trace in page.traces} == expected


def told(folder: Path, signal: str) -> RowGroups:
    (segment,) = [each for each in load(Layout(folder)).segments if each.signal == signal]
    return RowGroups(folder / "segments" / segment.facts_name, segment)


def many(number: int) -> Mapping[str, AttributeValue]:
    """Routes and answers that are each frequent; `/pay` is never answered with 500."""
    route = ("/pay", "/cart", "/search")[number % 3]
    return {"route": route, "status": 500 if number % 7 == 0 and number % 3 else 200, "order": number}


def test_values_that_never_met_in_a_span_need_no_reading(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path, write=True, clock=lambda: BASE_NS + 60 * SECOND)
    services = ("shop", "stock")
    spans = [
        span(
            trace_id=f"{number + 1:032x}",
            attributes=many(number),
            service=services[number % 2],
            status_code="error" if number % 4 == 1 else "unset",
        )
        for number in range(300)
    ]
    records = [
        log(service=services[number % 2], severity_number=17 if number % 4 == 1 else 9, body=f"{number}")
        for number in range(300)
    ]
    store.write(batch(spans, records))
    store.sync()
    store.close()

    def is_read(**fields: object) -> bool:
        asked = conditions.of_traces(TraceQuery(window=ALWAYS, **fields), ALWAYS)  # type: ignore[arg-type]  # of many kinds
        return bool(asked.row_groups(told(tmp_path, "spans")).any())

    assert is_read(attributes=(equal("route", "/pay"),))
    assert is_read(attributes=(equal("status", "500"),))
    assert is_read(attributes=(equal("route", "/cart"), equal("status", "500")))
    assert not is_read(attributes=(equal("route", "/pay"), equal("status", "500")))
    assert is_read(attributes=(equal("route", "/pay"), equal("order", "4"))), (
        "nothing is told of so many values"
    )
    assert is_read(service="stock", error=True)
    assert is_read(service="shop")
    assert not is_read(service="shop", error=True)
    errors = LogQuery(window=ALWAYS, service="stock", min_severity=17)
    logs = told(tmp_path, "logs")
    assert conditions.of_logs(errors, ALWAYS, None).row_groups(logs).any()
    none = LogQuery(window=ALWAYS, service="shop", min_severity=17)
    assert not conditions.of_logs(none, ALWAYS, None).row_groups(logs).any()
    assert np.array_equal(logs.facts["rows"], [300])

"""What checks are given in tests: traces made of many like requests, inventories of made-up processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tests.support.traces import EPOCH_NS, TraceBuilder
from tracestitch_collector.checks.catalogue import Check
from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.model import AttributeValue, Trace
from tracestitch_collector.store.store import Inventory, Window

WINDOW = Window(start_ns=EPOCH_NS - 3600 * 10**9, end_ns=EPOCH_NS + 3600 * 10**9)


def evidence(traces: Iterable[Trace] = (), inventories: Sequence[Inventory] = ()) -> Evidence:
    return Evidence(
        window=WINDOW,
        traces=tuple(traces),
        inventories=tuple(inventories),
        now_ns=EPOCH_NS + 600 * 10**9,
    )


def found(
    check: Check, traces: Iterable[Trace] = (), inventories: Sequence[Inventory] = ()
) -> tuple[Finding, ...]:
    return tuple(check.find(evidence(traces, inventories)))


def requests(
    count: int, build: Callable[[TraceBuilder], None], *, environment: str = "", word: str = "request"
) -> list[Trace]:
    """So many traces, each filled by `build`, one second apart."""
    made = []
    for number in range(count):
        builder = TraceBuilder(f"{word} {number}", environment=environment, offset_ms=1000 * number)
        build(builder)
        made.append(builder.build())
    return made


def inventory(
    service: str,
    environment: str = "",
    *,
    instance: str = "1",
    host: str = "host",
    version: str = "",
    at: int = 0,
    **body: AttributeValue,
) -> Inventory:
    resource: dict[str, AttributeValue] = {
        "service.name": service,
        "service.instance.id": instance,
        "host.name": host,
        "tracestitch.app.root": f"/srv/{service}",
    }
    if version:
        resource["service.version"] = version
    return Inventory(
        service=service,
        environment=environment,
        instance=instance,
        time_ns=EPOCH_NS + at,
        resource=resource,
        body=body,
    )

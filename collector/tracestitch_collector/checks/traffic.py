"""How many requests there were while somebody was watching: what turns the cost of one request into that of a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tracestitch_collector.store.store import OperationSummary, Window

LEAST_OBSERVED_NS = 300 * 10**9
"""A burst of requests in some seconds makes no rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    observed_ns: int = LEAST_OBSERVED_NS
    """From the first data of the window to now."""
    requests: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By service and name of the span that was entered; those that were answered lately may be missing."""


def observed(
    operations: Iterable[OperationSummary], *, window: Window, oldest_ns: int, now_ns: int
) -> Traffic:
    """`oldest_ns` is when the store's data begins."""
    requests: dict[tuple[str, str], int] = {}
    for one in operations:
        place = (one.service, one.operation)
        requests[place] = requests.get(place, 0) + one.requests
    since_ns = max(window.start_ns, oldest_ns)
    return Traffic(observed_ns=max(now_ns - since_ns, LEAST_OBSERVED_NS), requests=requests)

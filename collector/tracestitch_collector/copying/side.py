"""One of the two stores that telemetry is copied between, as copying sees it: rows by when they were received."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import pyarrow as pa

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.store.store import Rejected, Window

Signal: TypeAlias = Literal["spans", "logs"]
SIGNALS: tuple[Signal, ...] = ("spans", "logs")


class Side(Protocol):
    """Windows are of the times at which items were received; where a store does not know, of their own times. Every
    method raises `Unavailable` where trying again later would help."""

    name: str

    def count(self, signal: Signal, window: Window) -> int: ...

    def rows(self, signal: Signal, window: Window) -> pa.Table:
        """In the schema of columns.py."""
        ...

    def findings(self) -> tuple[Finding, ...]: ...

    def put(
        self, spans: pa.Table, logs: pa.Table, findings: Sequence[Finding], window: Window
    ) -> tuple[Rejected, ...]:
        """Stores what is not there yet: the same row again, by its identity, changes nothing. All of it was received
        in the window."""
        ...

    def settle(self) -> None:
        """Makes what was put durable."""
        ...

    def close(self) -> None: ...

"""Arrow batches for the Prometheus output, and the tools of a real Prometheus."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tests.support.parts import program
from tracestitch_collector.columns import FINDINGS, LOGS, SPANS


def span(
    trace: int = 1,
    span_id: int = 1,
    parent: int | None = None,
    attributes: Mapping[str, str] | None = None,
    **columns: Any,
) -> dict[str, Any]:
    """A row of SPANS; ids are given as small numbers, attributes without their `attr.s.`."""
    return {
        "trace_id": trace.to_bytes(16, "big"),
        "span_id": span_id.to_bytes(8, "big"),
        "parent_span_id": None if parent is None else parent.to_bytes(8, "big"),
        "name": "GET /stock",
        "kind": 2,
        "start_ns": 0,
        "duration_ns": 30_000_000,
        "status_code": 0,
        "service_name": "inventory",
        **{f"attr.s.{key}": value for key, value in (attributes or {}).items()},
        **columns,
    }


def spans(*rows: dict[str, Any]) -> pa.Table:
    attributes = sorted({name for row in rows for name in row if name.startswith("attr.")})
    schema = pa.schema([*SPANS, *((name, pa.string()) for name in attributes)])
    return pa.Table.from_pylist(list(rows), schema=schema)


def logs(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=LOGS)


def finding(
    fingerprint: str = "a" * 16, *, suppressed_by: str | None = None, state: str = "open", **columns: Any
) -> dict[str, Any]:
    return {
        "evaluated_ns": 1,
        "fingerprint": fingerprint,
        "check": "missing-timeout",
        "pitfall": "P7",
        "severity": "important",
        "service_name": "pricing",
        "first_seen_ns": 0,
        "last_seen_ns": 0,
        "document": json.dumps({"suppressed_by": suppressed_by, "state": state}),
        **columns,
    }


def findings(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=FINDINGS)


NO_SPANS, NO_LOGS, NO_FINDINGS = spans(), logs(), findings()


def tool(name: str) -> str:
    """The path of one of Prometheus' binaries."""
    return program(name, package="prometheus and prometheus-alertmanager")


def promtool(*arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    """Exit code and everything that promtool said."""
    command: Sequence[str] = [tool("promtool"), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60)
    return done.returncode, (done.stdout + done.stderr).decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

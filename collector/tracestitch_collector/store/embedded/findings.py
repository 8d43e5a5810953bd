"""The newest state of every finding: small enough to be one file, written anew at each sync."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tracestitch_collector.checks import finding
from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.columns import FINDINGS
from tracestitch_collector.store.embedded.layout import Layout, place
from tracestitch_collector.store.embedded.snapshot import Snapshot

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    evaluated_ns: int
    finding: Finding


def states(tables: Iterable[pa.Table]) -> dict[str, State]:
    """The newest state by fingerprint, each with the earliest moment it was ever seen."""
    found: dict[str, State] = {}
    for table in tables:
        for row in table.to_pylist():
            new = State(
                evaluated_ns=row["evaluated_ns"], finding=finding.from_json(json.loads(row["document"]))
            )
            old = found.get(new.finding.fingerprint)
            found[new.finding.fingerprint] = _newer(old, new) if old else new
    return found


def _newer(one: State, other: State) -> State:
    newest = other if other.evaluated_ns >= one.evaluated_ns else one
    first_seen_ns = min(one.finding.first_seen_ns, other.finding.first_seen_ns)
    return State(evaluated_ns=newest.evaluated_ns, finding=newest.finding.seen_since(first_seen_ns))


def table(found: Mapping[str, State]) -> pa.Table:
    rows = [
        {
            "evaluated_ns": state.evaluated_ns,
            "fingerprint": fingerprint,
            "check": state.finding.check,
            "pitfall": state.finding.pitfall,
            "severity": state.finding.severity,
            "service_name": state.finding.service,
            "first_seen_ns": state.finding.first_seen_ns,
            "last_seen_ns": state.finding.last_seen_ns,
            "document": json.dumps(finding.to_json(state.finding), ensure_ascii=False),
        }
        for fingerprint, state in sorted(found.items())
    ]
    return pa.Table.from_pylist(rows, schema=FINDINGS)


def write(layout: Layout, file_id: int, found: Mapping[str, State]) -> str:
    name = f"{file_id:012d}.findings.parquet"

    def write_table(path: Path) -> None:
        pq.write_table(table(found), path, compression="zstd", write_page_checksum=True)

    place(layout.files, layout.segments / name, write_table, durable=True)
    return name


def read(layout: Layout, name: str) -> pa.Table:
    """Raises an OSError or one of Arrow's errors where the file is damaged."""
    if not name:
        return FINDINGS.empty_table()
    return pq.read_table(layout.segments / name, page_checksum_verification=True)


def sound(layout: Layout, name: str) -> pa.Table:
    """The file's rows, and none where it is damaged: the checks find again what is still so, and nothing else may
    wait for that."""
    try:
        return read(layout, name)
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's word, not the file's content
            raise
        logger.error("%s is damaged (%s); its findings are left out", name, error)  # noqa: TRY400 - no traceback
        return FINDINGS.empty_table()


def newest(snapshot: Snapshot) -> tuple[Finding, ...]:
    """By fingerprint, the synced ones and the hot ones together."""
    found = states((sound(snapshot.layout, snapshot.manifest.findings), snapshot.hot.findings))
    return tuple(found[fingerprint].finding for fingerprint in sorted(found))

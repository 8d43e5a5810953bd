"""The hot tail: batches as Arrow files that readers see at once and that the write-ahead log still covers. A
file is named by its writer's run and by the batches in it, and ends with a checksum; small ones are merged into
larger ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import pyarrow as pa

from tracestitch_collector.store.embedded.layout import Layout, place

CHECKSUM_BYTES = 4
FAN_IN = 8
"""So many neighbours of one size become one file of the next."""

_NAME = re.compile(r"([0-9]+)-([0-9]+)-([0-9]+)\.arrow")
REPEATING = (
    "request_digest",
    "service_name",
    "environment",
    "resource",
    "scope",
    "status_message",
    "trace_state",
    "severity_text",
)
"""Columns that are kept as a dictionary: a resource is the largest text of a row and nearly always the same."""  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class HotName:
    run: int
    first: int
    last: int

    @property
    def file_name(self) -> str:
        return f"{self.run:06d}-{self.first:09d}-{self.last:09d}.arrow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    spans: pa.Table
    logs: pa.Table
    findings: pa.Table


def listed(folder: Path) -> list[HotName]:
    """Every hot file there is, in no order."""
    found = []
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            run, first, last = map(int, match.groups())
            found.append(HotName(run, first, last))
    return found


def chain(names: Iterable[HotName], run: int, covered: int) -> list[HotName] | None:
    """The files that together hold each batch of the run after the covered ones exactly once, in order; None
    when one is missing, because files were merged or covered while the folder was being listed."""
    wanted = sorted(
        (name for name in names if name.run == run and name.last > covered),
        key=lambda name: (name.first, -name.last),
    )
    chosen: list[HotName] = []
    last = covered
    for name in wanted:
        if name.last <= last:  # merged into one that was already taken
            continue
        if name.first != last + 1:
            return None
        chosen.append(name)
        last = name.last
    return chosen


def compact(table: pa.Table) -> pa.Table:
    """The table with its repeating texts as dictionaries."""
    for index, field in enumerate(table.schema):
        if field.name in REPEATING and not pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, table.column(index).dictionary_encode())
    return table


def write(layout: Layout, name: HotName, tables: Tables) -> None:
    def write_streams(path: Path) -> None:
        with pa.OSFile(str(path), "wb") as sink:
            for table in (tables.spans, tables.logs, tables.findings):
                with pa.ipc.new_stream(sink, table.schema) as stream:
                    stream.write_table(table)
        with pa.memory_map(str(path)) as content:
            checksum = crc32(content.read_buffer())
        with path.open("ab") as file:
            file.write(checksum.to_bytes(CHECKSUM_BYTES, "little"))

    place(layout.files, layout.hot / name.file_name, write_streams, durable=False)


def read(folder: Path, name: HotName) -> Tables:
    """Maps the file; what is mapped stays readable when the file is removed. Raises an ArrowException where it is not
    what it was written as: what is wrong here would be so in a segment, for good."""
    path = folder / name.file_name
    with pa.memory_map(str(path)) as file:
        content = file.read_buffer(max(0, file.size() - CHECKSUM_BYTES))
        checksum = file.read_buffer()
    if crc32(content).to_bytes(CHECKSUM_BYTES, "little") != checksum.to_pybytes():
        raise pa.ArrowInvalid(f"{path} does not fit its checksum")
    source = pa.BufferReader(content)
    spans, logs, findings = (pa.ipc.open_stream(source).read_all() for _ in range(3))
    return Tables(spans=spans, logs=logs, findings=findings)


def merged(parts: Sequence[Tables]) -> Tables:
    return Tables(
        spans=joined([part.spans for part in parts]),
        logs=joined([part.logs for part in parts]),
        findings=joined([part.findings for part in parts]),
    )


def side_by_side(parts: Sequence[Tables]) -> Tables:
    """One table of all rows each, without copying any."""
    return Tables(
        spans=pa.concat_tables([part.spans for part in parts], promote_options="default"),
        logs=pa.concat_tables([part.logs for part in parts], promote_options="default"),
        findings=pa.concat_tables([part.findings for part in parts]),
    )


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of all rows and all columns, in one piece."""
    whole = pa.concat_tables(tables, promote_options="default")
    return whole.unify_dictionaries().combine_chunks()

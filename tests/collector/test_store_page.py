"""docs/store.md is true: its statements are run as they stand there, on a store that was just written."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.telemetry import BASE_NS, SECOND, batch, log, span
from tracestitch_collector.columns import LOGS, SPANS
from tracestitch_collector.store.embedded.store import EmbeddedStore

PAGE = Path(__file__).parents[2] / "docs" / "store.md"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    store = EmbeddedStore(tmp_path, write=True, clock=lambda: BASE_NS + 60 * SECOND)
    spans = [
        span(span_id=f"{n:016x}", status_code="error" if n % 2 else "unset", attributes={"Tenant": f"t{n}"})
        for n in range(1, 6)
    ]
    store.write(batch(spans, [log(severity_number=17, severity_text="ERROR", body="broke")]))
    store.sync()
    store.close()
    return tmp_path


def statements() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)


def answer(statement: str) -> list[dict[str, object]]:
    found = duckdb.sql(statement)
    assert found is not None
    rows: list[dict[str, object]] = found.to_arrow_table().to_pylist()
    return rows


def test_the_statements_of_the_page_answer(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    failing, records = map(answer, statements())
    assert failing == [
        {"service_name": "inventory", "name": "GET /stock/<sku>", "requests": 3, "p50_ms": 10.0}
    ]
    assert [(row["severity_text"], row["body"]) for row in records] == [("ERROR", "broke")]


def test_the_manifest_names_the_files_as_the_page_says(data: Path) -> None:
    manifest = json.loads((data / "manifest.json").read_text())
    names = [f"{each['id']:012d}.{each['signal']}.parquet" for each in manifest["segments"]]
    rows = {name.split(".")[1]: pq.read_table(data / "segments" / name) for name in names}
    assert {signal: len(table) for signal, table in rows.items()} == {"spans": 5, "logs": 1}
    assert set(SPANS.names) <= set(rows["spans"].column_names)
    assert set(LOGS.names) <= set(rows["logs"].column_names)
    assert rows["spans"]["attr.s.^tenant"].to_pylist() == ["t1", "t2", "t3", "t4", "t5"]


def test_every_kind_of_file_is_on_the_page(data: Path) -> None:
    page = PAGE.read_text()
    endings = {re.sub(r"^\d+\.", "", name) for name in os.listdir(data / "segments")} - {"writer.lock"}
    assert endings == {
        "digests", "logs.facts", "logs.parquet", "logs.traces",
        "spans.facts", "spans.parquet", "spans.rollup", "spans.traces",
    }  # fmt: skip
    assert [ending for ending in endings if ending.rpartition(".")[2] not in page] == []


def test_hot_files_are_the_three_streams_that_the_page_says(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path, write=True)
    store.write(batch([span()], [log()]))
    (path,) = (tmp_path / "hot").iterdir()
    with pa.memory_map(str(path)) as source:
        lengths = [len(pa.ipc.open_stream(source).read_all()) for _ in range(3)]
    store.close()
    assert lengths == [1, 1, 0]

"""`tracestitch store`: what an operator is told about the embedded store's files."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.telemetry import ALWAYS, BASE_NS, MILLISECOND, batch, finding, log, span
from tracestitch_collector.command import store as command
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import TraceQuery


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A store of nine syncs of ten spans and a log record each, which no collector has open."""
    store = EmbeddedStore(tmp_path, write=True)
    for number in range(9):
        spans = [
            span(trace_id=f"{number + 1:032x}", span_id=f"{n + 1:016x}", start_ns=BASE_NS + n * MILLISECOND)
            for n in range(10)
        ]
        where = {"start": number * 10, "end": number * 10 + 10}
        store.write(batch(spans, [log()], [finding()], request=f"request {number}", **where))
        store.sync()
    store.close()
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    status = command(argv, {})
    return status, "".join(capsys.readouterr())


def test_a_sound_store_verifies(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "verify", "--data", str(data)) == (0, "every file is what it was written as\n")


@pytest.mark.parametrize("ending", [".spans.parquet", ".logs.parquet", ".findings.parquet"])
def test_verify_names_a_file_with_a_flipped_bit(
    data: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    path = sorted(path for path in (data / "segments").iterdir() if path.name.endswith(ending))[-1]
    content = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(0).column(0)
    content[column.data_page_offset + column.total_compressed_size - 3] ^= 1
    path.write_bytes(content)
    status, said = answer(capsys, "verify", "--data", str(data))
    assert status == 1
    assert path.name in said
    assert said.endswith("1 problems\n")


def test_damaged_findings_keep_nothing_else_from_being_stored(data: Path) -> None:
    (path,) = (data / "segments").glob("*.findings.parquet")
    path.write_bytes(b"PAR1 and nothing of it")
    store = EmbeddedStore(data, write=True)
    assert store.findings() == ()
    store.write(batch([span(trace_id="f" * 32)], [], [finding()], request="next", start=90, end=100))
    assert store.sync() == {"receiver": 100}
    assert len(store.findings()) == 1
    assert store.trace("f" * 32) is not None
    store.close()


@pytest.mark.parametrize("ending", [".traces", ".facts", ".rollup"])
def test_verify_tells_what_a_lost_file_beside_a_segment_costs(
    data: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    path = next(path for path in (data / "segments").iterdir() if path.name.endswith(ending))
    path.unlink()
    status, said = answer(capsys, "verify", "--data", str(data))
    assert (status, path.name in said, "right all the same" in said) == (1, True, True)


def test_verify_names_a_segment_that_is_gone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = sorted((data / "segments").glob("*.spans.parquet"))[-1]
    path.unlink()
    status, said = answer(capsys, "verify", "--data", str(data))
    assert (status, f"{path.name}: is gone" in said) == (1, True)


def test_stats_counts_what_is_there(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = answer(capsys, "stats", "--data", str(data))
    assert status == 0
    assert "spans: 90 in" in said
    assert "logs: 9 in" in said
    assert "parquet" in said


def test_compact_merges_and_keeps_everything(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = EmbeddedStore(data, write=True)
    for number in range(9, 20):  # smaller ones are merged at once, so some are left here
        store.write(
            batch(
                [span(trace_id=f"{number + 1:032x}")],
                request=f"request {number}",
                start=number * 10,
                end=number * 10 + 10,
            )
        )
        store.sync()
    store.close()
    status, said = answer(capsys, "compact", "--data", str(data))
    assert (status, "segments became" in said) == (0, True)
    reader = EmbeddedStore(data, write=False)
    page = reader.search(TraceQuery(window=ALWAYS, limit=100))
    assert {trace.trace_id for trace in page.traces} == {f"{number + 1:032x}" for number in range(20)}
    reader.close()


def test_compact_is_refused_beside_a_collector(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collector = EmbeddedStore(data, write=True)
    status, said = answer(capsys, "compact", "--data", str(data))
    collector.close()
    assert (status, "another process writes the store" in said) == (78, True)


def test_a_folder_without_a_store_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("verify", "stats", "compact"):
        status, said = answer(capsys, action, "--data", str(tmp_path))
        assert (status, "holds no store" in said) == (78, True)
    assert list(tmp_path.iterdir()) == []


def test_the_base_command_finds_it() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["tracestitch.commands"]["store"].partition(":")
    assert getattr(import_module(module), name) is command

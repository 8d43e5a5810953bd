"""`python -m tests.bench.elasticsearch_reading`: how fast the dashboard's questions are answered by a large real
Elasticsearch. Fills it by bulk requests of our own documents, then asks each question that a page asks, each time with
other values, and once more while eight readers ask at the same time.

Prints milliseconds (p50, p99) beside the bar, and the processor time of Elasticsearch for each answer, which other
work on the machine disturbs less. `--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.bars import PAGE
from tests.bench.memory import family_cpu_s
from tests.bench.population import SPANS_PER_SECOND, Population
from tests.bench.store import Question, log_questions, questions
from tests.support.elasticsearch import CURRENT, start
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore
from tracestitch_collector.store.store import TraceQuery, Window

SECOND_NS = 1_000_000_000
TIMES = 20
READERS = 8
TRACE_MS, SEARCH_MS = 50.0, 300.0
BEGIN, END = "<!-- figures of reading Elasticsearch -->", "<!-- end of figures of reading Elasticsearch -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    bar_ms: float
    p50_ms: float
    p99_ms: float
    server_ms: float
    """Of its processors, for each answer."""

    def text(self) -> str:
        met = "yes" if self.p50_ms <= self.bar_ms else "**no**"
        return (
            f"| {self.name} | ≤ {self.bar_ms:g} ms | {self.p50_ms:,.0f} ms | {self.p99_ms:,.0f} ms "
            f"| {self.server_ms:,.0f} ms | {met} |"
        )


def fill(store: ElasticsearchStore, spans: int, logs: int) -> Window:
    """All of it ends now; says how far it is."""
    end_ns = time.time_ns()
    begin_ns = end_ns - max(spans, logs) * SECOND_NS // SPANS_PER_SECOND
    done, began_s = 0, time.monotonic()
    for batch in Population(begin_ns).batches(spans, logs):
        rejected = store.write(replace(batch, digests=()))
        if rejected:
            sys.exit(f"Elasticsearch refuses documents: {rejected[0].reason}")
        done += len(batch.spans) + len(batch.logs)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{done:,} documents in {time.monotonic() - began_s:,.0f} s")
    return Window(start_ns=begin_ns - 60 * SECOND_NS, end_ns=end_ns + 60 * SECOND_NS)


def asked(store: ElasticsearchStore, window: Window) -> Iterator[Question]:
    found = store.search(TraceQuery(window=window, limit=100)).traces
    ids = [trace.trace_id for trace in found]
    for question in questions(store, window, True, ids):
        bar = TRACE_MS if question.name == "trace by id" else SEARCH_MS
        yield Question(question.name, question.ask, bar)
    for question in log_questions(store, window):
        yield Question(question.name, question.ask, SEARCH_MS)


def measure(question: Question, pid: int, times: int) -> Row:
    question.ask(times)  # the first of its kind opens files
    walls: list[float] = []
    before = server_s(pid)
    for number in range(times):
        begin = time.perf_counter()
        question.ask(number)
        walls.append((time.perf_counter() - begin) * 1000)
    cost_ms = (server_s(pid) - before) * 1000 / times
    walls.sort()
    return Row(
        name=question.name,
        bar_ms=question.bar_ms,
        p50_ms=walls[len(walls) // 2],
        p99_ms=walls[-1],
        server_ms=cost_ms,
    )


def server_s(pid: int) -> float:
    return sum(family_cpu_s(pid).values()) if pid else 0.0


def together(settings: ElasticsearchSettings, window: Window) -> str:
    """Eight dashboards ask everything at once."""
    failures: list[str] = []
    times: list[float] = []

    def reader() -> None:
        store = ElasticsearchStore.open(settings, write=False)
        try:
            for question in asked(store, window):
                begin = time.perf_counter()
                question.ask(1)
                times.append((time.perf_counter() - begin) * 1000)
        except Exception as error:
            failures.append(repr(error))
        finally:
            store.close()

    threads = [threading.Thread(target=reader) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    middle = f"{times[len(times) // 2]:,.0f} ms" if times else "nothing"
    return f"{READERS} readers at once: {len(times)} answers, p50 {middle}, {len(failures)} failures {failures[:1] or ''}"


def written(rows: Sequence[Row], spans: int, logs: int, disk_bytes: int) -> str:
    lines = [
        f"Elasticsearch {CURRENT}, one node with half a gigabyte of heap; {spans:,} spans and {logs:,} log records, "
        f"{disk_bytes / (spans + logs):,.0f} bytes of disk for each.",
        "",
        "| question | bar | p50 | slowest | CPU of Elasticsearch | met |",
        "|---|---|---|---|---|---|",
        *(row.text() for row in rows),
    ]
    return "\n".join(lines)


def write(page: Path, text: str) -> None:
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=2_000_000)
    parser.add_argument("--logs", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    given = parser.parse_args()
    server = start(CURRENT)
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = ElasticsearchSettings(
                url=server.url, data=Path(folder), request_timeout_s=120, deadline_s=30
            )
            store, client = ElasticsearchStore.open(settings, write=True), connect(settings)
            window = fill(store, given.spans, given.logs)
            client.indices.refresh(index=f"{settings.span_streams},{settings.log_streams}")
            client.indices.flush(index=f"{settings.span_streams},{settings.log_streams}")
            rows = []
            for question in asked(store, window):
                rows.append(measure(question, server.process.pid, given.times))
                print(rows[-1].text(), flush=True)
            print(together(settings, window))
            text = written(rows, given.spans, given.logs, store.stats().bytes)
            store.close()
            client.close()
        if given.write:
            write(PAGE, text)
    finally:
        server.stop()


if __name__ == "__main__":
    main()

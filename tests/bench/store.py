"""How fast the embedded store answers, what it costs and how small it is: fills one of made-up spans and log records
without the network, lets it come to rest, then asks each question a page asks, each time with other values.

Run as `python -m tests.bench.store [--spans 2000000] [--logs 2000000] [--folder DIR]`; a folder that was filled before
is used again. Prints wall-clock milliseconds (p50, p99) beside the bar, and CPU milliseconds, which other work on the
machine disturbs less.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import pyarrow as pa

from tests.bench import bars, store_bars
from tests.bench.memory import family_rss
from tests.bench.population import RARE_PHRASE, SPANS_PER_SECOND, Population
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import AttributeFilter, LogQuery, Store, TraceQuery, Window

SECOND_NS = 1_000_000_000
SYNC_ROWS = 65_536
TIMES = 30
LARGE = 5_000_000
"""From so many spans on the bars of ten million hold."""


@dataclass(frozen=True, slots=True)
class Question:
    name: str
    ask: Callable[[int], object]
    """Given a number, so that no two questions are the same."""
    bar_ms: float
    """Of the median."""


def fill(data: Path, spans: int, logs: int) -> float | None:
    """Microseconds of CPU per row, merges included; None when it was filled before."""
    if (data / "manifest.json").exists():
        return None
    lasting_ns = max(spans, logs) * SECOND_NS // SPANS_PER_SECOND
    begin_ns = time.time_ns() - lasting_ns
    store = EmbeddedStore(data, write=True)
    begin_s = time.process_time()
    made_s = 0.0
    batches = Population(begin_ns).batches(spans, logs)
    rows = unsynced = 0
    while True:
        made = time.process_time()
        batch = next(batches, None)
        made_s += time.process_time() - made
        if batch is None:
            break
        store.write(batch)
        unsynced += len(batch.spans) + len(batch.logs)
        rows += len(batch.spans) + len(batch.logs)
        if unsynced >= SYNC_ROWS:
            store.sync()
            unsynced = 0
    store.sync()
    cost = (time.process_time() - begin_s - made_s) / rows * 1e6
    begin_s = time.process_time()
    merges = store.compact()
    merging = (time.process_time() - begin_s) / rows * 1e6
    store.close()
    print(f"{cost:.2f} us of CPU per row from columns to segments, {merging:.2f} more in {merges} merges")
    return cost + merging


def questions(store: Store, window: Window, large: bool, trace_ids: Sequence[str]) -> Iterator[Question]:
    def search(**fields: object) -> object:
        return store.search(TraceQuery(window=window, **fields))  # type: ignore[arg-type]  # of many kinds

    def equal(key: str, value: str) -> AttributeFilter:
        return AttributeFilter(key=key, operator="=", value=value)

    one = 40.0 if large else 15.0
    services = ("pricing", "inventory", "storefront", "payment", "reports")
    routes = ("/prices/<sku>", "/charges", "/checkout", "/reports/daily", "GET /session")
    yield Question("trace by id", lambda n: store.trace(trace_ids[n % len(trace_ids)]), 8 if large else 4)
    yield Question("newest 20, any", lambda _: search(), one)
    yield Question("newest 20 of a service", lambda n: search(service=services[n % 5]), one)
    yield Question("newest 20 of an operation", lambda n: search(operation=routes[n % 5]), one)
    yield Question("newest 20 that failed", lambda _: search(error=True), one)
    yield Question(
        "newest 20 that failed, of a service", lambda n: search(service=services[n % 5], error=True), one
    )
    yield Question("newest 20 over 2 s", lambda _: search(min_duration_ns=2 * SECOND_NS), one)
    yield Question(
        "a rare value", lambda n: search(attributes=(equal("app.cart.id", f"cart-{n * 6151}"),)), one
    )
    yield Question(
        "two attributes, one rare",
        lambda n: search(
            attributes=(equal("url.path", f"/stock/sku-{n * 997}"), equal("http.response.status_code", "404"))
        ),
        60,
    )
    yield Question(
        "two common attributes, seldom together",
        lambda n: search(
            attributes=(
                equal("http.route", "/charges"),
                equal("http.response.status_code", str(500 + n % 2 * 3)),
            )
        ),
        60,
    )
    hour = Window(start_ns=window.end_ns - 3600 * SECOND_NS, end_ns=window.end_ns)
    yield Question("services of the last hour", lambda _: store.services(hour), 80)
    yield Question("operations of the last hour", lambda n: store.operations(hour, services[n % 5]), 80)
    yield Question("a service's hour in 30 parts", lambda n: store.history(hour, services[n % 5]), 80)
    yield Question("calls of the last hour", lambda _: store.dependencies(hour), 80)
    yield Question("arrival", lambda _: store.arrival(window.end_ns), 15)


def log_questions(store: Store, window: Window) -> Iterator[Question]:
    yield Question(
        "a rare phrase", lambda _: store.search_logs(LogQuery(window=window, text=RARE_PHRASE)), 120
    )
    yield Question("newest 100 log records", lambda _: store.search_logs(LogQuery(window=window)), 40)
    yield Question(
        "newest 100 errors of a service",
        lambda _: store.search_logs(LogQuery(window=window, service="pricing", min_severity=17)),
        40,
    )


def measure(question: Question, times: int) -> tuple[float, float, float]:
    """Its p50, its p99 and its bar."""
    walls: list[float] = []
    cpu = time.process_time()
    for number in range(times):
        begin = time.perf_counter()
        question.ask(number)
        walls.append((time.perf_counter() - begin) * 1000)
    cpu_ms = (time.process_time() - cpu) * 1000 / times
    first = walls[0]
    walls.sort()
    p50, p99 = walls[len(walls) // 2], walls[min(int(len(walls) * 0.99), len(walls) - 1)]
    word = "" if p50 <= question.bar_ms else "  OVER"
    print(
        f"{question.name:40s} first {first:8.1f}   p50 {p50:8.1f}   p99 {p99:8.1f}   cpu {cpu_ms:8.1f}"
        f"   bar {question.bar_ms:5.0f}{word}"
    )
    return p50, p99, question.bar_ms


def some_traces(store: EmbeddedStore, window: Window) -> list[str]:
    """From all over the store."""
    choice = random.Random(1)
    found: list[str] = []
    for _ in range(12):
        end_ns = choice.randrange(window.start_ns, window.end_ns)
        page = store.search(TraceQuery(window=Window(start_ns=window.start_ns, end_ns=end_ns), limit=20))
        found += [trace.trace_id for trace in page.traces]
    choice.shuffle(found)
    return found


def ingesting(data: Path, rate: int, stop: Event) -> None:
    """Goes on filling, at a pace, in a process of its own as the pipeline is."""
    pa.set_memory_pool(pa.system_memory_pool())
    store = EmbeddedStore(data, write=True)
    unsynced, size = 0, 8_192
    people = Population(time.time_ns(), seed=os.getpid())
    begin, written = time.monotonic(), 0
    while not stop.is_set():
        batch = people.batch(spans=size)
        store.write(batch)
        unsynced, written = unsynced + size, written + size
        if unsynced >= SYNC_ROWS:
            store.sync()
            unsynced = 0
        stop.wait(max(0.0, begin + written / rate - time.monotonic()))
    store.close()


def report(data: Path, options: argparse.Namespace) -> store_bars.Answers:
    begin = time.perf_counter()
    store = EmbeddedStore(data, write=False)
    stats = store.stats()
    opened_s = time.perf_counter() - begin
    waits = {}
    rows = stats.spans + stats.logs
    print(f"opened in {(time.perf_counter() - begin) * 1000:.0f} ms: {stats.spans:,} spans, {stats.logs:,} log records, "
          f"{stats.bytes / rows:.1f} bytes each, {stats.facts['segments']} segments")  # fmt: skip
    window = Window(start_ns=stats.oldest_ns, end_ns=time.time_ns())
    if stats.spans:
        end_ns = store.search(TraceQuery(window=window, limit=1)).traces[0].start_ns + SECOND_NS
        window = Window(start_ns=stats.oldest_ns, end_ns=end_ns)
        ids = some_traces(store, window)
        for question in questions(store, window, stats.spans >= LARGE, ids):
            waits[question.name] = measure(question, options.times)
    if stats.logs:
        for question in log_questions(store, Window(start_ns=stats.oldest_ns, end_ns=time.time_ns())):
            waits[question.name] = measure(question, options.times)
    store.close()
    print(f"{sum(family_rss(os.getpid()).values()) / 1e6:.0f} MB resident at the end")
    return store_bars.Answers(
        spans=options.spans,
        logs=options.logs,
        bytes_each=store_bars.bytes_per_span(data),
        bytes=stats.bytes,
        opened_s=opened_s,
        waits=waits,
        ingesting=options.ingesting,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=2_000_000)
    parser.add_argument("--logs", type=int, default=500_000)
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--folder", type=Path, help="keep the stores here and use them again")
    parser.add_argument(
        "--ingesting", type=int, default=0, metavar="N", help="ask while N spans/s are written"
    )
    parser.add_argument(
        "--beside", type=int, default=0, metavar="N", help="compare costs with a store of N spans"
    )
    parser.add_argument("--write", action="store_true", help="fill in the rows of docs/performance.md")
    options = parser.parse_args()
    pa.set_memory_pool(pa.system_memory_pool())
    with tempfile.TemporaryDirectory() as passing:
        data = (options.folder or Path(passing)) / f"{options.spans}-{options.logs}"
        data.mkdir(parents=True, exist_ok=True)
        cost_us = fill(data, options.spans, options.logs)
        spawn = multiprocessing.get_context("spawn")
        stop = spawn.Event()
        writer = spawn.Process(target=ingesting, args=(data, options.ingesting, stop))
        if options.ingesting:
            writer.start()
            time.sleep(5)
        try:
            answers = report(data, options)
        finally:
            stop.set()
            if options.ingesting:
                writer.join()
        measured = store_bars.bars(answers)
        if options.beside and cost_us:
            measured |= store_bars.growth(answers, cost_us, *beside(Path(passing), options))
        print(bars.report(measured))
        if options.write:
            store_bars.write(answers)
            bars.record(measured)


def beside(folder: Path, options: argparse.Namespace) -> tuple[float, store_bars.Answers]:
    """The cost and the answers of a smaller store of the same mixture."""
    logs = options.logs * options.beside // options.spans
    smaller = argparse.Namespace(**{**vars(options), "spans": options.beside, "logs": logs})
    data = folder / "beside"
    data.mkdir()
    cost_us = fill(data, smaller.spans, smaller.logs)
    assert cost_us, "a new folder holds no store"
    return cost_us, report(data, smaller)


if __name__ == "__main__":
    main()

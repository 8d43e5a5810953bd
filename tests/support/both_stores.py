"""The same telemetry in the embedded store and in Elasticsearch, and the same pages and checks asked of both."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support.elasticsearch import make_visible
from tracestitch_collector.checking import INVENTORY_LOOKBACK_NS, LOOKBACK_NS, gather
from tracestitch_collector.checks.catalogue import CHECKS, evaluate
from tracestitch_collector.checks.sampling import Limits, Sampler
from tracestitch_collector.copying.elasticsearch import ElasticsearchSide
from tracestitch_collector.copying.embedded import EmbeddedSide
from tracestitch_collector.copying.run import copy
from tracestitch_collector.copying.side import Side
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import Store, Window


def copied(source: Side, target: Side, note: Path, until_ns: int) -> None:
    """Everything that was received until then."""
    try:
        window = Window(start_ns=0, end_ns=until_ns)
        result = copy(source, target, window, note=note, rejected=lambda _: None, say=lambda _: None)
        assert result.is_complete, result
    finally:
        source.close()
        target.close()


def in_both(live: Path, still: Path, settings: ElasticsearchSettings, until_ns: int) -> None:
    """What a running collector has, as it is then: in an embedded store of its own, and in Elasticsearch."""
    copied(_embedded(live, writes=False), _embedded(still, writes=True), still / "note", until_ns)
    there = ElasticsearchSide.open(settings, writes=True)
    copied(_embedded(still, writes=False), there, still / "note", until_ns)
    make_visible(settings)


def _embedded(data: Path, *, writes: bool) -> EmbeddedSide:
    return EmbeddedSide(data, EmbeddedStore(data, write=writes), writes=writes)


def found_by_the_checks(store: Store, now_ns: int) -> set[tuple[Any, ...]]:
    """Each finding by what a reader sees of it; all traces are looked at in one go."""
    window = Window(start_ns=now_ns - LOOKBACK_NS, end_ns=now_ns)
    inventories = store.inventories(Window(start_ns=now_ns - INVENTORY_LOOKBACK_NS, end_ns=now_ns))
    sampler = Sampler(limits=Limits(budget_s=600.0))
    end = time.monotonic() + 120
    sampler.refresh(store, window, now_ns)
    while sampler.waiting and time.monotonic() < end:
        sampler.refresh(store, window, now_ns)
    evaluation = evaluate(gather(store, sampler, inventories, window, now_ns), CHECKS)
    assert not evaluation.failures
    return {
        (each.check, each.service, each.operation, str(each.location), each.affected, each.eligible)
        for each in evaluation.findings
    }


def twins(address: str, paths: Iterable[str]) -> dict[str, Any]:
    """The JSON of each page; the page itself must answer too."""
    found = {}
    for path in paths:
        with urllib.request.urlopen(address + path, timeout=60) as page:
            assert page.status == 200
        twin = (
            "/index.json" if path == "/" else path.replace("?", ".json?") if "?" in path else f"{path}.json"
        )
        with urllib.request.urlopen(address + twin, timeout=60) as answer:
            found[path] = json.load(answer)
    return found


def asked_at_once(address: str, paths: Iterable[str], readers: int) -> list[str]:
    """What went wrong while so many loaded every page at the same time."""
    failures: list[str] = []
    chosen = list(paths)

    def read(first: int) -> None:
        for path in chosen[first % len(chosen) :] + chosen[: first % len(chosen)]:
            try:
                with urllib.request.urlopen(address + path, timeout=120) as page:
                    page.read()
            except OSError as error:
                failures.append(f"{path}: {error}")

    threads = [threading.Thread(target=read, args=(number,)) for number in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def counts(services: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Requests and errors by service: percentiles may differ by a few in a hundred."""
    return {each["service"]: (each["requests"], each["errors"]) for each in services}

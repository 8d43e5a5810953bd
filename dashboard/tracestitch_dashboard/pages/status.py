"""`/status`: what came in, what was refused, dropped, truncated or rejected and why, and how the parts do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tracestitch_collector import status
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.process.dead_letters import FOLDER, Letter, newest_letters
from tracestitch_collector.status import ProcessStatus
from tracestitch_collector.store.store import Arrival, StoreStats
from tracestitch_dashboard import figures
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.losses import Loss, losses_of
from tracestitch_dashboard.page import Page

SHOWN_LETTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    arrival: Arrival
    stats: StoreStats
    processes: tuple[ProcessStatus, ...]
    stale: frozenset[str]
    """Processes that say nothing any more."""
    losses: tuple[Loss, ...]
    """Everything that was refused, dropped, truncated or rejected."""
    letters: tuple[Letter, ...]
    """The newest of what was set aside, as far as it lies here."""
    problems: tuple[tuple[str, str], ...]
    """Process and what is wrong, in words."""
    settings: tuple[tuple[str, str], ...]


def load(ask: Ask) -> Status:
    processes = status.read_all(ask.settings.data / "status")
    settings = ask.settings
    arrival, stats, away = _from_store(ask)
    return Status(
        arrival=arrival,
        stats=stats,
        processes=processes,
        stale=frozenset(each.process for each in processes if each.is_stale(ask.now_ns)),
        losses=losses_of(processes),
        letters=tuple(newest_letters(settings.data / FOLDER)[:SHOWN_LETTERS]),
        problems=(*_of_store(away), *_of_processes(processes, ask.now_ns)),
        settings=(
            ("store", settings.store),
            ("kept for", figures.duration(settings.retention_s * figures.SECOND_NS)),
            ("at most", figures.size(settings.max_size_bytes)),
            ("data folder", str(settings.data)),
            ("a token is needed", "yes" if settings.token else "no"),
        ),
    )


def _from_store(ask: Ask) -> tuple[Arrival, StoreStats, str]:
    """This page is for the hour when the store is away: it then says why, and shows the rest."""
    try:
        return ask.store.arrival(ask.now_ns), ask.store.stats(), ""
    except Unavailable as error:
        nothing = StoreStats(kind=ask.settings.store, spans=0, logs=0, bytes=0, oldest_ns=0, duplicates=0)
        return Arrival(last_received_ns=0, spans_per_second=0), nothing, str(error)


def _of_store(away: str) -> tuple[tuple[str, str], ...]:
    return (("store", f"{away} Figures of the store are missing here."),) if away else ()


def _of_processes(processes: Iterable[ProcessStatus], now_ns: int) -> Iterator[tuple[str, str]]:
    for each in processes:
        for problem in each.report.problems:
            yield each.process, problem
        if each.is_stale(now_ns):
            yield each.process, f"has said nothing since {figures.ago(each.updated_ns, now_ns)}"


def to_document(page: Status) -> dict[str, Any]:
    return {
        "arrival": {
            "last_received_ns": page.arrival.last_received_ns,
            "spans_per_second": page.arrival.spans_per_second,
        },
        "store": {
            "kind": page.stats.kind,
            "spans": page.stats.spans,
            "logs": page.stats.logs,
            "bytes": page.stats.bytes,
            "oldest_ns": page.stats.oldest_ns,
            "duplicates": page.stats.duplicates,
            "facts": dict(page.stats.facts),
        },
        "lost": [
            {
                "process": loss.process,
                "name": loss.name,
                "why": loss.why,
                "fate": loss.fate,
                "count": loss.count,
            }
            for loss in page.losses
        ],
        "dead_letters": [
            {
                "id": letter.id,
                "signal": letter.signal,
                "time_ns": letter.time_ns,
                "reason": letter.reason,
                "whole_request": bool(letter.file),
            }
            for letter in page.letters
        ],
        "problems": [{"process": process, "text": text} for process, text in page.problems],
        "processes": [
            {
                "process": each.process,
                "pid": each.pid,
                "started_ns": each.started_ns,
                "updated_ns": each.updated_ns,
                "stale": each.process in page.stale,
                "counters": dict(each.report.counters),
                "facts": dict(each.report.facts),
            }
            for each in page.processes
        ],
    }


PAGE = Page(
    name="Status",
    path="/status",
    twin="/status.json",
    template="status.html",
    load=load,
    to_json=to_document,
    in_navigation=True,
)

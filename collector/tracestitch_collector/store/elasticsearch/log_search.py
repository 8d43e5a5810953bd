"""Log records, newest first."""

from __future__ import annotations

import re

from tracestitch_collector.store.elasticsearch.conditions import field_types, log_conditions
from tracestitch_collector.store.elasticsearch.decoding import log_record
from tracestitch_collector.store.elasticsearch.fields import TIE, TIME
from tracestitch_collector.store.elasticsearch.searching import PAGE, Searcher, by
from tracestitch_collector.store.store import LogPage, LogQuery


def search_logs(searcher: Searcher, query: LogQuery) -> LogPage:
    if query.window.end_ns <= query.window.start_ns or query.limit < 1:
        return LogPage(records=())
    conditions = log_conditions(query, field_types(searcher, searcher.logs, query))
    answer = searcher.search(
        searcher.logs,
        conditions,
        size=min(query.limit + 1, PAGE),
        sort=[by(TIME, "desc"), by(TIE, "asc")],
        search_after=_after(query.cursor),
    )
    shown = answer.hits[: query.limit]
    more = len(answer.hits) > query.limit
    return LogPage(
        records=tuple(log_record(hit["_source"]) for hit in shown),
        next_cursor="-".join(map(str, shown[-1]["sort"])) if more else "",
        partial=answer.partial,
    )


def _after(cursor: str) -> list[int] | None:
    """None for what is no cursor of ours: the search then begins at the start."""
    found = re.fullmatch(r"(-?\d{1,19})-(\d{1,19})", cursor, re.ASCII)
    return [int(found[1]), int(found[2])] if found else None

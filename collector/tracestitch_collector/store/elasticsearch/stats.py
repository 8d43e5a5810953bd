"""Is data arriving, and how much is there?"""

from __future__ import annotations

from tracestitch_collector.store.elasticsearch.client import answering
from tracestitch_collector.store.elasticsearch.conditions import SPAN_EVENTS
from tracestitch_collector.store.elasticsearch.fields import RECEIVED, SPAN_ID, TIME
from tracestitch_collector.store.elasticsearch.searching import Answer, Question, Searcher, all_of, by
from tracestitch_collector.store.elasticsearch.summaries import DISTINCT
from tracestitch_collector.store.store import Arrival, StoreStats

RATE_WINDOW_S = 10
SECOND = 1_000_000_000
MAX_COUNTED = 40_000
"""Up to here distinct span ids are counted exactly."""


def read_arrival(searcher: Searcher, now_ns: int) -> Arrival:
    newest, recent = searcher.many(
        [
            Question(
                index=f"{searcher.spans},{searcher.logs}",
                query={"match_all": {}},
                size=1,
                body={"sort": [by(RECEIVED, "desc")], "_source": False},
            ),
            Question(
                index=searcher.spans,
                query=all_of({"range": {RECEIVED: {"gt": now_ns - RATE_WINDOW_S * SECOND, "lte": now_ns}}}),
                body={"track_total_hits": True},
            ),
        ]
    )
    return Arrival(
        last_received_ns=newest.hits[0]["sort"][0] if newest.hits else 0,
        spans_per_second=recent.total / RATE_WINDOW_S,
    )


def read_stats(searcher: Searcher) -> StoreStats:
    spans, logs = searcher.many(
        [
            Question(
                index=searcher.spans,
                query={"match_all": {}},
                size=1,
                body={"sort": [by(TIME, "asc")], "_source": False, "track_total_hits": True},
            ),
            Question(
                index=searcher.logs,
                query=all_of(none_of=[SPAN_EVENTS]),
                body={"track_total_hits": True},
            ),
        ]
    )
    version, size = _cluster(searcher)
    facts = {"Elasticsearch": version, "address": searcher.settings.address}
    if spans.total > MAX_COUNTED:
        facts["duplicates"] = "not counted beyond 40,000 spans; each trace tells its own"
    return StoreStats(
        kind="elasticsearch",
        spans=spans.total,
        logs=logs.total,
        bytes=size,
        oldest_ns=spans.hits[0]["sort"][0] if spans.hits else 0,
        duplicates=_duplicates(searcher, spans),
        facts=facts,
    )


def _duplicates(searcher: Searcher, spans: Answer) -> int:
    if not 0 < spans.total <= MAX_COUNTED:
        return 0
    answer = searcher.search(searcher.spans, {"match_all": {}}, aggregations={SPAN_ID: DISTINCT})
    return max(0, spans.total - int(answer.aggregations[SPAN_ID]["value"]))


def _cluster(searcher: Searcher) -> tuple[str, int]:
    """The server's version, and how many bytes the streams take."""
    with answering(searcher.settings):
        nodes = searcher.client.nodes.info(metric="plugins", filter_path="nodes.*.version")
        stats = searcher.client.indices.stats(
            index=f"{searcher.spans},{searcher.logs}",
            metric="store",
            filter_path="_all.total.store.size_in_bytes",
            expand_wildcards="all",
        )
    versions = {node["version"] for node in nodes.get("nodes", {}).values()}
    store = stats.get("_all", {}).get("total", {}).get("store", {})
    return ", ".join(sorted(versions)), store.get("size_in_bytes", 0)

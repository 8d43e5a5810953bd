"""Asking Elasticsearch: one place for deadlines, missing indices and answers that are only a part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from elasticsearch import Elasticsearch

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.elasticsearch.client import answering, refusal
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.store import Window

Query = dict[str, Any]
Sort = Sequence[Mapping[str, Any]]

PAGE = 10_000
"""The most that one search may return (index.max_result_window)."""
FIRST_PAGE = 1_000
"""Of what is wanted whole: Elasticsearch makes room for as many as it is asked for."""


NO_SHARD = 503
ATTEMPTS = 5
PAUSE_S = 0.25
SHORTEST_S = 0.001
"""Elasticsearch takes no time at all for no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    hits: Sequence[Mapping[str, Any]]
    total: int
    aggregations: Mapping[str, Any] = field(default_factory=dict)
    partial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One of several searches that are asked at once."""

    index: str
    query: Query
    size: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """The client, and how long a question may take."""

    client: Elasticsearch
    settings: ElasticsearchSettings
    pause: Callable[[float], None]

    def within(self, seconds: float) -> Searcher:
        """The same with no more time than that for each question."""
        deadline_s = min(self.settings.deadline_s, max(seconds, SHORTEST_S))
        return replace(self, settings=replace(self.settings, deadline_s=deadline_s))

    @property
    def spans(self) -> str:
        return self.settings.span_streams

    @property
    def logs(self) -> str:
        return self.settings.log_streams

    def search(self, index: str, query: Query, *, size: int = 0, **body: Any) -> Answer:
        """Raises `Unavailable`. A missing index is an empty one."""
        return self.many([Question(index=index, query=query, size=size, body=body)])[0]

    def many(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers in order, in one round trip. Asks again for a second where no shard is ready to answer, as
        in the moment after a stream was made."""
        searches = [part for each in questions for part in self._lines(each)]
        for attempt in range(ATTEMPTS):
            if attempt:
                self.pause(PAUSE_S)
            with answering(self.settings):
                responses = self.client.msearch(searches=searches)["responses"]
            failed = [response for response in responses if "error" in response]
            if not any(response.get("status") == NO_SHARD for response in failed):
                break
        for response in failed:
            raise Unavailable(refusal(self.settings, response.get("status", 0), _reason(response["error"])))
        return [_answer(response, self.settings.deadline_s) for response in responses]

    def _lines(self, question: Question) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        return (
            {"index": question.index, "ignore_unavailable": True, "allow_no_indices": True},
            _given(
                {
                    "query": question.query,
                    "size": question.size,
                    "track_total_hits": False,
                    **question.body,
                },
                self.settings.deadline_s,
            ),
        )

    def every(self, index: str, query: Query, sort: Sort, cap: int, **body: Any) -> Answer:
        """All that match, page after page over one view of the data."""
        return self.every_of_each([index], query, sort, cap, **body)[0]

    def every_of_each(
        self, indices: Sequence[str], query: Query, sort: Sort, cap: int, **body: Any
    ) -> list[Answer]:
        """The same of several, in one round trip as long as each fits into a page."""
        questions = [
            Question(
                index=index,
                query=query,
                size=FIRST_PAGE,
                body={"sort": sort, "track_total_hits": True, **body},
            )
            for index in indices
        ]
        return [
            first
            if first.total <= FIRST_PAGE or first.partial
            else self._rest(index, query, sort, cap, first, body)
            for index, first in zip(indices, self.many(questions), strict=True)
        ]

    def _rest(
        self, index: str, query: Query, sort: Sort, cap: int, first: Answer, body: Mapping[str, Any]
    ) -> Answer:
        hits: list[Mapping[str, Any]] = []
        partial = ""
        for page in self._pages(index, query, sort, body):
            hits += page.hits
            partial = page.partial
            if len(hits) >= cap:
                partial = f"only the first {cap:,} of {first.total:,} are shown"
                break
        return Answer(hits=hits[:cap], total=first.total, partial=partial)

    def _pages(self, index: str, query: Query, sort: Sort, body: Mapping[str, Any]) -> Iterator[Answer]:
        with answering(self.settings):
            view = self.client.open_point_in_time(index=index, keep_alive="1m", ignore_unavailable=True)["id"]
        try:
            after: list[Any] | None = None
            while True:
                page = self._view_page(
                    view,
                    {**body, "query": query, "sort": [*sort, {"_shard_doc": "asc"}], "search_after": after},
                )
                yield page
                if len(page.hits) < PAGE or page.partial:
                    return
                after = page.hits[-1]["sort"]
        finally:
            with answering(self.settings):
                self.client.close_point_in_time(id=view)

    def _view_page(self, view: str, body: Mapping[str, Any]) -> Answer:
        request = {"pit": {"id": view, "keep_alive": "1m"}, "size": PAGE, "track_total_hits": False, **body}
        with answering(self.settings):
            answer = self.client.search(body=_given(request, self.settings.deadline_s))
        return _answer(answer.body, self.settings.deadline_s)


def _given(body: Mapping[str, Any], deadline_s: float) -> dict[str, Any]:
    """A search body without what is None."""
    return {
        "timeout": f"{max(1, round(deadline_s * 1000))}ms",
        **{key: value for key, value in body.items() if value is not None},
    }


def _reason(error: Mapping[str, Any]) -> str:
    causes = [cause.get("reason") for cause in error.get("root_cause", ())]
    return str(next((cause for cause in causes if cause), error.get("reason")))


def _answer(body: Mapping[str, Any], deadline_s: float) -> Answer:
    hits = body.get("hits") or {}
    failed = (body.get("_shards") or {}).get("failed", 0)
    partial = ""
    if body.get("timed_out"):
        partial = f"Elasticsearch found this much within {deadline_s:g} s; there may be more"
    elif failed:
        partial = f"{failed} shards of Elasticsearch did not answer; there may be more"
    return Answer(
        hits=hits.get("hits", ()),
        total=(hits.get("total") or {}).get("value", 0),
        aggregations=body.get("aggregations") or {},
        partial=partial,
    )


MAX_LONG = 2**63 - 1
MAX_MILLISECONDS = MAX_LONG // 1_000_000


def within(window: Window, field: str) -> list[Query]:
    """Exact times by our own field, and `@timestamp` beside it so that shards outside are skipped at once."""
    start, end = (max(-MAX_LONG, min(MAX_LONG, time)) for time in (window.start_ns, window.end_ns))
    return [
        {"range": {field: {"gte": start, "lt": end}}},
        {
            "range": {
                "@timestamp": {
                    "gte": start // 1_000_000,
                    "lte": min(end // 1_000_000, MAX_MILLISECONDS),
                    "format": "epoch_millis",
                }
            }
        },
    ]


def all_of(*conditions: Query, none_of: Sequence[Query] = ()) -> Query:
    """Conditions without scores."""
    clauses: dict[str, Any] = {"filter": list(conditions)}
    if none_of:
        clauses["must_not"] = list(none_of)
    return {"bool": clauses}


def any_of(*conditions: Query) -> Query:
    return {"bool": {"should": list(conditions), "minimum_should_match": 1}}


def exists(field: str) -> Query:
    return {"exists": {"field": field}}


def by(field: str, order: Literal["asc", "desc"]) -> dict[str, Any]:
    """A sort that does not fail on streams of others, which lack our fields."""
    return {field: {"order": order, "unmapped_type": "long"}}


def term(field: str, value: str | int) -> Query:
    return {"term": {field: value}}

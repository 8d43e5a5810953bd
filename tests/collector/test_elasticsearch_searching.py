"""Searches: what happens when a server can answer later, in part, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripted_elasticsearch import Script, scripted_elasticsearch
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.searching import ATTEMPTS, Answer, Searcher
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings

NOT_READY = {"status": 503, "error": {"root_cause": [], "reason": "all shards failed"}}
FOUND = {"status": 200, "hits": {"total": {"value": 1}, "hits": [{"_id": "a"}]}, "_shards": {"failed": 0}}


def ask(script: Script) -> tuple[Answer, int]:
    """The answer, and how often it was asked."""
    pauses: list[float] = []
    return _ask(script, pauses.append), 1 + len(pauses)


def _ask(script: Script, pause: Callable[[float], None]) -> Answer:
    with scripted_elasticsearch(script) as server:
        settings = ElasticsearchSettings(url=server.url, data=Path("unused"))
        client = connect(settings)
        try:
            searcher = Searcher(client=client, settings=settings, pause=pause)
            return searcher.search("traces", {"match_all": {}}, size=1)
        finally:
            client.close()


def responses(*items: dict[str, Any]) -> Script:
    """One answer after the other; the last again and again."""
    left = list(items)
    return lambda _: (200, {"responses": [left.pop(0) if len(left) > 1 else left[0]]})


def test_a_stream_that_is_just_being_made_is_asked_again() -> None:
    answer, asked = ask(responses(NOT_READY, NOT_READY, FOUND))
    assert asked == 3
    assert [hit["_id"] for hit in answer.hits] == ["a"]


def test_shards_that_stay_away_make_the_store_unavailable() -> None:
    pauses: list[float] = []
    with pytest.raises(Unavailable, match="503: all shards failed"):
        _ask(responses(NOT_READY), pauses.append)
    assert len(pauses) == ATTEMPTS - 1


def test_an_answer_that_is_only_a_part_says_so() -> None:
    late, _ = ask(responses({**FOUND, "timed_out": True}))
    assert "within 5 s" in late.partial
    lame, _ = ask(responses({**FOUND, "_shards": {"failed": 2}}))
    assert lame.partial.startswith("2 shards of Elasticsearch did not answer")


def test_a_whole_answer_says_nothing() -> None:
    assert ask(responses(FOUND))[0].partial == ""

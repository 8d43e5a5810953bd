"""Elasticsearch freezes, is killed in the middle of bulk requests, restarts, refuses: what was acknowledged is indexed
once in the end, nothing is tried for ever, and the status says what is wrong meanwhile. `make test-faults` freezes it
for five minutes at 1,000 spans/s and kills it twenty times.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from elasticsearch import Elasticsearch

from tests.support.elasticsearch import (
    WRITER,
    RealElasticsearch,
    elasticsearch_url,
    fresh_settings,
    own_elasticsearch,
)
from tests.support.elasticsearch_faults import Collecting
from tests.support.long_forms import LONG
from tests.support.otlp import otlp_span, trace_request
from tests.support.server import eventually
from tests.support.telemetry import TRACE_ID
from tracestitch_collector.deadletter.replay import replay_items
from tracestitch_collector.process.dead_letters import FOLDER, read_letters
from tracestitch_collector.status import STORE_AWAY
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore

__all__ = ["elasticsearch_url", "own_elasticsearch"]

pytestmark = [pytest.mark.server, pytest.mark.timeout(1800 if LONG else 300)]

FROZEN_S = 300.0
KILLS = 20 if LONG else 1
RESTARTS = 3 if LONG else 0
REQUESTS_PER_S = 50.0
"""Of twenty spans each."""


@pytest.fixture
def settings(elasticsearch_url: str, tmp_path: Path) -> ElasticsearchSettings:
    return fresh_settings(elasticsearch_url, tmp_path)


@pytest.fixture
def client(settings: ElasticsearchSettings) -> Iterator[Elasticsearch]:
    client = connect(settings)
    yield client
    client.close()


def tell(text: str, collecting: Collecting) -> None:
    sys.stdout.write(
        f"\n{text}: {len(collecting.ledger.acknowledged)} requests acknowledged, 0 lost, 0 doubled\n"
    )


@pytest.mark.skipif(not LONG, reason="its short form is the second store that is away")
def test_while_elasticsearch_is_frozen_everything_waits_in_the_log(
    own_elasticsearch: RealElasticsearch, settings: ElasticsearchSettings, tmp_path: Path
) -> None:
    with Collecting(tmp_path, settings) as collecting:
        collecting.send(5)
        assert collecting.faults() == []
        own_elasticsearch.signal(signal.SIGSTOP)
        try:
            collecting.send_for(FROZEN_S, REQUESTS_PER_S)
            assert "did not answer" in collecting.await_problem("store")
            assert STORE_AWAY in collecting.tally.report().alarms
        finally:
            own_elasticsearch.signal(signal.SIGCONT)
        assert collecting.faults() == []
        collecting.await_none()
        tell(f"frozen for {FROZEN_S:g} s", collecting)


def test_elasticsearch_that_is_killed_in_mid_bulk_has_everything_once(
    own_elasticsearch: RealElasticsearch, settings: ElasticsearchSettings, tmp_path: Path
) -> None:
    source = random.Random(3)
    with Collecting(tmp_path, settings) as collecting:
        for number in range(KILLS + RESTARTS):
            collecting.send_for(source.uniform(0.3, 1.0), 1000.0)
            if number < KILLS:
                own_elasticsearch.kill()
            else:
                own_elasticsearch.signal(signal.SIGTERM)
                own_elasticsearch.process.wait(timeout=120)
            collecting.send(20)
            own_elasticsearch.restart()
        assert collecting.faults() == []
        collecting.await_none()
        tell(f"killed {KILLS} times, restarted {RESTARTS} times", collecting)


def conflicting(number: int, *, clashes: bool) -> bytes:
    """One span whose resource has `owner` as text where a map was before."""
    owner = "a team" if clashes else {"team": "a"}
    span = otlp_span(trace_id=TRACE_ID, span_id=f"{number + 1:016x}", start_ns=time.time_ns())
    return trace_request(span, resource={"service.name": "clash", "owner": owner}).SerializeToString()


def test_conflicting_documents_are_set_aside_alone_and_stored_when_the_mapping_is_mended(
    settings: ElasticsearchSettings, client: Elasticsearch, tmp_path: Path
) -> None:
    with Collecting(tmp_path, settings) as collecting:
        for number in range(200):
            collecting.append(conflicting(number, clashes=number % 100 == 50))
        collecting.send(5)
        assert collecting.faults() == []
        letters = eventually(lambda: found if len(found := read_letters(tmp_path / FOLDER)) == 2 else None)
        assert all("resource.attributes.owner" in letter.reason for letter in letters)
        counters = collecting.tally.report().counters
        assert sum(count for name, count in counters.items() if "dead_letter" in name) == 2
        collecting.await_none()
    store = ElasticsearchStore.open(settings, write=True)
    refused = Counter[str]()
    assert replay_items(tmp_path / FOLDER, letters, store.resend, refused) == 0
    assert len(read_letters(tmp_path / FOLDER)) == 2
    # What mends it: a new backing index, whose mapping begins anew.
    client.indices.rollover(alias=f"traces-generic.otel-{settings.namespace}")
    assert replay_items(tmp_path / FOLDER, letters, store.resend, Counter()) == 2
    assert replay_items(tmp_path / FOLDER, letters, store.resend, Counter()) == 2  # given twice, stored once
    assert read_letters(tmp_path / FOLDER) == []
    spans = eventually(lambda: found if (found := spans_of(store)) and len(found) == 200 else None)
    assert set(spans.values()) == {1}
    store.close()


def spans_of(store: ElasticsearchStore) -> dict[str, int]:
    trace = store.trace(TRACE_ID)
    return {span.span_id: span.copies for span in trace.spans} if trace else {}


def test_a_read_only_index_holds_the_log_and_nothing_is_lost(
    settings: ElasticsearchSettings, client: Elasticsearch, tmp_path: Path
) -> None:
    """As Elasticsearch does when its disk is above the flood-stage watermark."""
    stream = f"traces-generic.otel-{settings.namespace}"
    with Collecting(tmp_path, settings) as collecting:
        collecting.send(3)
        assert collecting.faults() == []
        client.indices.put_settings(index=stream, settings={"index.blocks.read_only_allow_delete": True})
        collecting.send(20)
        collecting.await_problem("store")
        client.indices.put_settings(index=stream, settings={"index.blocks.read_only_allow_delete": None})
        assert collecting.faults() == []
        collecting.await_none()
    assert read_letters(tmp_path / FOLDER) == []


def test_a_wrong_key_stops_writing_and_is_said_and_the_right_one_goes_on(
    settings: ElasticsearchSettings, elasticsearch_url: str, tmp_path: Path
) -> None:
    parts = urlsplit(elasticsearch_url)
    wrong = urlunsplit(parts._replace(netloc=f"{WRITER}:wrong@{parts.netloc.rpartition('@')[2]}"))
    with Collecting(tmp_path, replace(settings, url=wrong)) as collecting:
        collecting.send(5)
        said = collecting.await_problem("401")
        assert "wrong@" not in json.dumps(said)
        ledger = collecting.ledger
    with Collecting(tmp_path, settings) as collecting:
        collecting.ledger = ledger
        assert collecting.faults() == []

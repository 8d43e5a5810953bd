"""What the contract does not say and a real Elasticsearch must be seen to do: templates, credentials, refused
documents, freshness, traces of any size, and the next major version.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from elasticsearch import Elasticsearch

from tests.support.elasticsearch import (
    ADMINISTRATOR,
    NEXT,
    READER,
    SETUP,
    WRITER,
    RealElasticsearch,
    elasticsearch_url,
    fresh_settings,
    make_visible,
    start_or_skip,
)
from tests.support.telemetry import ALWAYS, BASE_NS, TRACE_ID, batch, finding, log, resource, span
from tracestitch_collector.errors import TracestitchError, Unavailable
from tracestitch_collector.model import SpanEvent
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.setup import install, probe, templates
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore
from tracestitch_collector.store.store import AttributeFilter, LogQuery, TraceQuery

__all__ = ["elasticsearch_url"]

pytestmark = pytest.mark.server


@pytest.fixture
def settings(elasticsearch_url: str, tmp_path: Path) -> ElasticsearchSettings:
    return fresh_settings(elasticsearch_url, tmp_path)


@pytest.fixture
def store(settings: ElasticsearchSettings) -> Iterator[ElasticsearchStore]:
    store = ElasticsearchStore.open(settings, write=True)
    yield store
    store.close()


@pytest.fixture
def client(settings: ElasticsearchSettings) -> Iterator[Elasticsearch]:
    client = connect(settings)
    yield client
    client.close()


# Documents


def test_one_bad_document_in_a_hundred_is_rejected_alone(
    store: ElasticsearchStore, settings: ElasticsearchSettings
) -> None:
    # Once a key of the resource is a map, an index takes no text under it any more.
    first = span(span_id="00000000000000aa", resource=resource(owner={"team": "a"}))
    assert store.write(batch([first], request="first")) == ()
    spans = [
        span(span_id=f"{n:016x}", resource=resource(owner="text") if n % 100 == 7 else resource())
        for n in range(1, 201)
    ]
    rejected = store.write(batch(spans, request="second"))
    make_visible(settings)
    trace = store.trace(TRACE_ID)
    assert trace is not None
    assert len(trace.spans) == 1 + 200 - 2
    assert [each.signal for each in rejected] == ["traces", "traces"]
    assert all("resource.attributes.owner" in each.reason for each in rejected)
    assert [json.loads(each.document)["span_id"] for each in rejected] == [f"{7:016x}", f"{107:016x}"]


def test_a_key_that_is_a_map_once_and_text_later_loses_nothing(
    store: ElasticsearchStore, settings: ElasticsearchSettings
) -> None:
    records = [
        log(time_ns=BASE_NS + n, attributes={"user": user, "attempt": n})
        for n, user in enumerate(({"name": "ann"}, "bob", 7))
    ]
    for n, record in enumerate(records):
        assert store.write(batch(logs=[record], request=str(n))) == ()
    make_visible(settings)
    assert store.search_logs(LogQuery(window=ALWAYS)).records == tuple(reversed(records))
    has_user = (AttributeFilter(key="user", operator="exists"),)
    assert len(store.search_logs(LogQuery(window=ALWAYS, attributes=has_user)).records) == 3


def test_hostile_keys_and_values_are_stored_and_read_as_they_were_sent(
    store: ElasticsearchStore, settings: ElasticsearchSettings
) -> None:
    deep: Any = 1
    for _ in range(60):
        deep = {"k": deep}
    attributes: dict[str, Any] = {
        "": 1,
        " ": 1,
        ".": 1,
        "a..b": 1,
        ".leading": 1,
        "trailing.": 1,
        "a": 1,
        "a.b": "both a value and a folder",
        "*": "wild",
        "nul\0": "x",
        "_id": "x",
        "_source": 1,
        "@timestamp": "never",
        "name": 5,
        "trace_id": "x",
        "duration": "long",
        "trace.id": "x",
        "event.name": "x",
        "tracestitch.time_ns": "x",
        "timestamp.us": "x",
        "k" * 5000: 1,
        ".".join("abcdefghijklmnopqrstuvwxyz" * 2): 1,
        "deep": deep,
        "nul key": {"a\0b": 1, "": 2},
        "mixed": (1, "a", {"b": (1, {"c": 2})}),
        "nested": ((1,), ("a",)),
        "huge": {"k": "x" * 100_000},
        "empty map": {},
        "empty list": (),
        "<script>alert(1)</script>": "<script>alert(1)</script>",
    }
    event = SpanEvent(time_ns=BASE_NS, name="", attributes=attributes)
    written = span(
        name="n" * 40_000, status_message="m" * 40_000, attributes=attributes, events=(event,),
        resource=resource(**{"": 1, "deep": deep}),
    )  # fmt: skip
    record = log(attributes=attributes, body=deep, trace_id=TRACE_ID)
    assert store.write(batch([written], [record])) == ()
    make_visible(settings)
    trace = store.trace(TRACE_ID)
    assert trace is not None
    assert trace.spans == (written,)
    assert trace.logs == (record,)


def test_writing_a_request_twice_stores_each_document_once(
    store: ElasticsearchStore, settings: ElasticsearchSettings, client: Elasticsearch
) -> None:
    once = batch([span(events=(SpanEvent(time_ns=BASE_NS, name="e"),))], [log()], [finding()])
    store.write(once)
    store.write(once)
    make_visible(settings)
    indices = f"{settings.span_streams},{settings.log_streams},{settings.findings_indices}"
    # A span, its event, a record, and a finding with its first sight.
    assert client.count(index=indices)["count"] == 5


def test_a_batch_is_seen_within_a_second_even_by_a_reader_who_asks_for_the_first_time(
    store: ElasticsearchStore, settings: ElasticsearchSettings, client: Elasticsearch
) -> None:
    store.write(batch([span()], [log()]))
    found = client.indices.get_settings(index=settings.span_streams, flat_settings=True)
    intervals = {each["settings"]["index.refresh_interval"] for each in found.body.values()}
    assert intervals == {"500ms"}
    # The machine may be busy: the interval is the promise, this only sees that it is kept at all.
    end = time.monotonic() + 30
    while store.trace(TRACE_ID) is None and time.monotonic() < end:
        time.sleep(0.1)
    assert store.trace(TRACE_ID) is not None


def test_a_trace_of_more_than_ten_thousand_documents_is_whole(
    store: ElasticsearchStore, settings: ElasticsearchSettings
) -> None:
    # All at one moment, so that only the page's own order keeps them apart.
    spans = [span(span_id=f"{n:016x}") for n in range(1, 10_502)]
    assert store.write(batch(spans)) == ()
    make_visible(settings)
    trace = store.trace(TRACE_ID)
    assert trace is not None
    assert [each.span_id for each in trace.spans] == [each.span_id for each in spans]
    assert trace.partial == ""
    (summary,) = store.search(TraceQuery(window=ALWAYS)).traces
    # Elasticsearch counts distinct ids by hashes, so a few in ten thousand may fall together.
    assert summary.span_count == pytest.approx(len(spans), rel=1e-3)


# Templates


def test_templates_are_installed_once_and_again_only_when_newer(
    elasticsearch_url: str, settings: ElasticsearchSettings, client: Elasticsearch
) -> None:
    install(settings)
    assert all("is there already" in line for line in install(settings))
    name = "tracestitch-logs@mappings"
    body = templates("components", probe(client))[name]
    client.cluster.put_component_template(
        name=name, template=body, version=0, meta={"managed_by": "tracestitch"}
    )
    changed = [line for line in install(settings) if "installed" in line]
    assert len(changed) == 1
    assert changed[0].startswith(f"{name}: installed version")


def test_a_template_that_somebody_else_made_is_left_alone(
    settings: ElasticsearchSettings, client: Elasticsearch
) -> None:
    name = "tracestitch-traces@mappings"
    install(settings)
    ours = client.cluster.get_component_template(name=name)["component_templates"][0]["component_template"]
    theirs = {**ours["template"], "settings": {"index.number_of_replicas": 0}}
    client.cluster.put_component_template(name=name, template=theirs, meta={"owner": "somebody"})
    try:
        assert f"{name}: left as it is, somebody else made it" in install(settings)
        found = client.cluster.get_component_template(name=name)["component_templates"][0]
        assert found["component_template"]["_meta"] == {"owner": "somebody"}
    finally:
        client.cluster.put_component_template(
            name=name, template=ours["template"], version=ours["version"], meta=ours["_meta"]
        )


def test_users_extend_our_templates_with_their_own_components(client: Elasticsearch) -> None:
    indices = templates("indices", "portable")
    assert {"traces@custom", "traces-otel@custom"} <= set(indices["tracestitch-traces-otel"]["composed_of"])
    assert {"logs@custom", "logs-otel@custom"} <= set(indices["tracestitch-logs-otel"]["composed_of"])


def test_the_portable_flavour_differs_from_the_native_in_types_only() -> None:
    native, portable = (json.dumps(templates("components", flavour)) for flavour in ("native", "portable"))
    for ours, core in (("constant_keyword", "keyword"), ("match_only_text", "text"), ("version", "keyword")):
        native = native.replace(f'"type": "{ours}"', f'"type": "{core}"')
    assert native == portable


def test_kibanas_names_find_our_documents(
    store: ElasticsearchStore, settings: ElasticsearchSettings, client: Elasticsearch
) -> None:
    store.write(batch([span(attributes={"http.route": "/stock"})], [log(trace_id=TRACE_ID)]))
    make_visible(settings)
    for condition in (
        {"trace.id": TRACE_ID},
        {"span.id": "b7ad6b7169203331"},
        {"span.name": "GET /stock/<sku>"},
        {"service.name": "inventory"},
        {"http.route": "/stock"},
        {"processor.event": "transaction"},
        {"transaction.type": "unknown"},
        {"event.outcome": "success"},
    ):
        assert client.count(index=settings.span_streams, query={"term": condition})["count"] == 1, condition
    assert client.count(index=settings.log_streams, query={"match": {"message": "CHECKED"}})["count"] == 1
    assert client.count(index=settings.log_streams, query={"term": {"log.level": "INFO"}})["count"] == 1


def test_what_searches_begin_with_is_indexed_and_the_rest_is_found_by_its_values(
    store: ElasticsearchStore, settings: ElasticsearchSettings, client: Elasticsearch
) -> None:
    store.write(batch([span(attributes={"order.id": "7", "n": 7, "ok": True, "ratio": 0.5})]))
    make_visible(settings)
    ((_, answer),) = client.indices.get_mapping(index=settings.span_streams).items()
    fields = answer["mappings"]["properties"]
    attributes = fields["attributes"]["properties"]
    for name in ("trace_id", "name", "kind", "duration"):
        assert fields[name].get("index", True), name
    for condition in (
        {"order.id": "7"},
        {"n": 7},
        {"ok": True},
        {"ratio": 0.5},
        {"span_id": "b7ad6b7169203331"},
    ):
        (name,) = condition
        assert (attributes.get(name) or fields[name])["index"] is False, name
        assert client.count(index=settings.span_streams, query={"term": condition})["count"] == 1, name


# Credentials


def as_user(settings: ElasticsearchSettings, user: str) -> ElasticsearchSettings:
    """The same server, with another user of the same password; nobody where the name is empty."""
    parts = urlsplit(settings.url)
    credentials = f"{user}:{parts.password}@" if user else ""
    netloc = credentials + parts.netloc.rpartition("@")[2]
    return replace(settings, url=urlunsplit(parts._replace(netloc=netloc)))


@pytest.fixture
def secured(settings: ElasticsearchSettings) -> ElasticsearchSettings:
    if urlsplit(settings.url).username != ADMINISTRATOR:
        pytest.skip("the server that TRACESTITCH_TEST_ELASTICSEARCH_URL names does not have our users")
    return settings


def test_without_credentials_it_says_so(secured: ElasticsearchSettings) -> None:
    stranger = ElasticsearchStore.open(as_user(secured, ""), write=True)
    for question in (lambda: stranger.write(batch([span()])), lambda: stranger.trace(TRACE_ID)):
        with pytest.raises(Unavailable, match=r"401.*credentials are wrong"):
            question()
    stranger.close()


def test_a_writer_writes_where_the_templates_are_and_cannot_read(
    secured: ElasticsearchSettings, store: ElasticsearchStore
) -> None:
    install(as_user(secured, SETUP))
    writer = ElasticsearchStore.open(as_user(secured, WRITER), write=True)
    assert writer.write(batch([span()], [log()], [finding()])) == ()
    with pytest.raises(Unavailable, match=r"403.*do not allow this"):
        writer.trace(TRACE_ID)
    writer.close()
    make_visible(secured)
    assert store.trace(TRACE_ID) is not None


def test_a_reader_reads_everything_and_cannot_write(
    secured: ElasticsearchSettings, store: ElasticsearchStore
) -> None:
    store.write(batch([span()], [log()], [finding()]))
    make_visible(secured)
    reader = ElasticsearchStore.open(as_user(secured, READER), write=False)
    assert reader.trace(TRACE_ID) is not None
    assert len(reader.search(TraceQuery(window=ALWAYS, text="stock")).traces) == 1
    assert reader.findings() == (finding(),)
    assert reader.stats().spans == 1
    with pytest.raises(TracestitchError, match="reading only"):
        reader.write(batch([span()]))
    reader.close()
    forced = ElasticsearchStore.open(as_user(secured, READER), write=True)
    with pytest.raises(Unavailable, match="403"):
        forced.write(batch([span()], request="other"))
    forced.close()


# The next major version


@pytest.fixture(scope="module")
def next_server() -> Iterator[RealElasticsearch]:
    """Only at the end of this module: two servers at once need much memory."""
    server = start_or_skip(NEXT)
    yield server
    server.stop()


def test_a_template_that_is_deleted_under_a_writer_comes_back_before_anything_is_indexed_without_it(
    next_server: RealElasticsearch, tmp_path: Path
) -> None:
    """While it is in use Elasticsearch protects it, so this server has no spans yet."""
    settings = fresh_settings(next_server.url, tmp_path)
    store, client = ElasticsearchStore.open(settings, write=True), connect(settings)
    assert store.write(batch(logs=[log()])) == ()
    client.indices.delete_index_template(name="tracestitch-traces-otel")
    with pytest.raises(Unavailable, match="tracestitch elasticsearch setup"):
        store.write(batch([span()], request="other"))
    assert store.write(batch([span()], request="other")) == ()
    make_visible(settings)
    trace = store.trace(TRACE_ID)
    assert trace is not None
    (mapping,) = client.indices.get_mapping(index=settings.span_streams).values()
    assert mapping["mappings"]["properties"]["trace_id"]["type"] == "keyword"
    store.close()
    client.close()


def test_the_next_major_version_is_written_and_read(next_server: RealElasticsearch, tmp_path: Path) -> None:
    settings = fresh_settings(next_server.url, tmp_path)
    store = ElasticsearchStore.open(settings, write=True)
    written = span(
        attributes={"http.route": "/stock", "n": 1}, events=(SpanEvent(time_ns=BASE_NS, name="e"),)
    )
    assert store.write(batch([written], [log(trace_id=TRACE_ID)], [finding()])) == ()
    make_visible(settings)
    trace, found = store.trace(TRACE_ID), store.search(TraceQuery(window=ALWAYS, text="STOCK")).traces
    records, services = (
        store.search_logs(LogQuery(window=ALWAYS, text="stock")).records,
        store.services(ALWAYS),
    )
    operations, findings, stats = store.operations(ALWAYS), store.findings(), store.stats()
    store.close()
    assert trace is not None
    assert trace.spans == (written,)
    assert [each.trace_id for each in found] == [TRACE_ID]
    assert (len(records), len(services), len(operations)) == (1, 1, 1)
    assert findings == (finding(),)
    assert stats.facts["Elasticsearch"] == NEXT

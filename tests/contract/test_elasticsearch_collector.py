"""A real collector writes to a real Elasticsearch: what it acknowledged is there once, whatever dies on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.support.elasticsearch import elasticsearch_url
from tests.support.ledger import SPANS_PER_REQUEST, Ledger
from tests.support.server import eventually, serving
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.model import Trace
from tracestitch_collector.store.elasticsearch.offsets import FILE
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore

__all__ = ["elasticsearch_url"]

pytestmark = [pytest.mark.server, pytest.mark.processes]

REQUESTS = 60
KILLS = 3


def pipeline_pid(data: Path) -> int:
    status = json.loads((data / "status" / "pipeline.json").read_text())
    pid: int = status["pid"]
    return pid


def stored(settings: ElasticsearchSettings, ledger: Ledger) -> tuple[Trace, ...]:
    store = ElasticsearchStore.open(settings, write=False)
    try:
        return store.traces(sorted(ledger.sent))
    except Unavailable:
        return ()  # in the moment in which the first stream is made
    finally:
        store.close()


def test_a_pipeline_that_is_killed_loses_nothing_and_doubles_nothing(
    elasticsearch_url: str, tmp_path: Path
) -> None:
    ledger, source = Ledger(), random.Random(3)
    arguments = ("--store", "elasticsearch", "--elasticsearch-url", elasticsearch_url)
    reading = ElasticsearchSettings(url=elasticsearch_url, data=tmp_path / "unused")
    with serving(tmp_path / "data", *arguments) as server:
        for number in range(REQUESTS):
            _, body = ledger.request(source)
            request = urllib.request.Request(
                server.otlp_http + "/v1/traces", body, {"Content-Type": "application/x-protobuf"}
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 200
            if number % (REQUESTS // KILLS) == REQUESTS // (2 * KILLS):
                killed = eventually(lambda: pipeline_pid(server.data))
                os.kill(killed, signal.SIGKILL)
                eventually(lambda killed=killed: pipeline_pid(server.data) != killed)  # type: ignore[misc]  # mypy cannot infer a lambda's default
        found = eventually(
            lambda: traces if len(traces := stored(reading, ledger)) == REQUESTS else None, seconds=120
        )
        eventually(lambda: (server.data / FILE).exists())
    assert {trace.trace_id: {span.span_id for span in trace.spans} for trace in found} == {
        trace_id: set(ids) for trace_id, ids in ledger.sent.items()
    }
    assert {span.copies for trace in found for span in trace.spans} == {1}
    assert sum(len(trace.spans) for trace in found) == REQUESTS * SPANS_PER_REQUEST

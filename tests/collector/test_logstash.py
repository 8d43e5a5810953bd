"""What goes to Logstash, held against a fake of its HTTP input: no Logstash can be had here, so it answers as the
plugin's source says (200 `ok`, 429 while its queue is full, 400 for a body it cannot take)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.telemetry import batch, log, span
from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.outputs.logstash import LogstashOutput
from tracestitch_collector.settings import build
from tracestitch_collector.store.elasticsearch.documents import actions_in, log_lines, span_lines
from tracestitch_collector.store.elasticsearch.origins import Origins
from tracestitch_collector.store.elasticsearch.routing import Router
from tracestitch_collector.store.open import covered_by
from tracestitch_collector.store.store import Batch

PIPELINE = Path(__file__).parents[2] / "stack" / "logstash" / "pipeline.conf"


class FakeHttpInput(ThreadingHTTPServer):
    """Keeps what it answers 200 to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: list[dict[str, Any]] = []
        self.busy = 0
        """Requests that are answered with 429 before the next is taken."""
        self.refuses = ""
        """A body with this text is answered with 400."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def status_for(self, body: bytes) -> int:
        if self.busy:
            self.busy -= 1
            return 429
        if self.refuses and self.refuses.encode() in body:
            return 400
        self.events += json.loads(body)
        return 200


class _Handler(BaseHTTPRequestHandler):
    server: FakeHttpInput

    def do_POST(self) -> None:
        status = self.server.status_for(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"ok" if status == 200 else b"cannot take this")

    def log_message(self, *_: object) -> None:
        """Not on the terminal."""


@pytest.fixture
def logstash() -> Iterator[FakeHttpInput]:
    server = FakeHttpInput()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def telemetry() -> Batch:
    return batch(
        spans=[span(span_id="00000000000000a1", name="one"), span(span_id="00000000000000a2", name="two")],
        logs=[log(body="hello")],
    )


def through_the_pipeline(event: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Index, id and document, as stack/logstash/pipeline.conf says."""
    stream = event["data_stream"]
    document = {name: value for name, value in event.items() if name != "event"}
    return f"{stream['type']}-{stream['dataset']}-{stream['namespace']}", event["event"]["id"], document


def test_logstash_is_given_the_documents_that_elasticsearch_would_be_under_the_same_ids(
    logstash: FakeHttpInput, tmp_path: Path
) -> None:
    sent = telemetry()
    assert LogstashOutput(logstash.url, tmp_path).write(sent) == ()
    router, origins = Router(namespace="default"), Origins()
    expected = []
    for array in (*span_lines(sent.spans, router, origins), *log_lines(sent.logs, router, origins)):
        for action in actions_in(b"".join(array.to_pylist())):
            header = json.loads(action.line)["create"]
            expected.append((header["_index"], header["_id"], json.loads(action.document)))
    assert [through_the_pipeline(event) for event in logstash.events] == expected
    assert len(expected) == 3


def test_a_full_queue_makes_the_pipeline_try_again(logstash: FakeHttpInput, tmp_path: Path) -> None:
    output = LogstashOutput(logstash.url, tmp_path)
    logstash.busy = 1
    with pytest.raises(Unavailable, match="answered 429: its queue is full"):
        output.write(telemetry())
    assert output.sync() == {}
    assert output.write(telemetry()) == ()
    assert len(logstash.events) == 3


def test_one_document_that_is_refused_keeps_no_other_out(logstash: FakeHttpInput, tmp_path: Path) -> None:
    logstash.refuses = '"two"'
    (letter,) = LogstashOutput(logstash.url, tmp_path).write(telemetry())
    assert "answered 400: cannot take this" in letter.reason
    assert json.loads(letter.document)["name"] == "two"
    assert len(logstash.events) == 2


def test_its_place_in_the_log_is_its_own_and_lasts(logstash: FakeHttpInput, tmp_path: Path) -> None:
    output = LogstashOutput(logstash.url, tmp_path)
    sent = telemetry()
    output.write(sent)
    assert covered_by("logstash", tmp_path) == {}
    output.sync()
    assert covered_by("logstash", tmp_path) == sent.end
    assert covered_by("elasticsearch", tmp_path) == {}


def test_nobody_there_is_told_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as told:
        LogstashOutput("http://user:hush@127.0.0.1:9", tmp_path).write(telemetry())
    assert "Logstash at http://127.0.0.1:9 cannot be reached" in str(told.value)
    assert "hush" not in str(told.value)


def test_logstash_needs_its_address_and_is_no_first_store() -> None:
    with pytest.raises(BadConfiguration, match="--also logstash needs --logstash-url"):
        build({"also": "logstash"}, {"HOME": "/nowhere"})
    with pytest.raises(BadConfiguration, match="'embedded' or 'elasticsearch'"):
        build({"store": "logstash"}, {"HOME": "/nowhere"})


def test_the_shipped_pipeline_is_six_lines_and_takes_the_id_and_the_stream_of_each_event() -> None:
    lines = [line for line in PIPELINE.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 6
    text = " ".join(lines)
    assert text.count("{") == text.count("}")
    for part in ('"[event][id]" => "[@metadata][id]"', 'action => "create"', "data_stream => false"):
        assert part in text

"""Log lines of existing senders become log records on the timeline. The lines of the first tests were written by
ecs-logging 2.2, python-logstash-async 4.1 and python-logstash 0.4."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
import urllib.error
import urllib.request
import zlib
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server, eventually, serving
from tracestitch_collector.receive import answers, lines, lumberjack
from tracestitch_collector.receive.answers import RefusedError
from tracestitch_collector.receive.committer import Committer
from tracestitch_collector.receive.counters import Counters
from tracestitch_collector.receive.intake import Intake, Prepared
from tracestitch_collector.receive.line_server import Lines, LineServer
from tracestitch_collector.sockets import bind

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
NOW_NS = 1_795_553_181_306_720_961
TOKEN = "a-token-for-this-test-only"

ECS = (
    b'{"@timestamp":"2026-11-24T20:53:42.688Z","log.level":"warning","message":"basket 7 is empty","ecs.version":"1.6.0",'
    b'"http":{"request":{"method":"GET"}},"labels":{"tenant":"a"},"log":{"logger":"shop.basket","origin":{"file":{"line":5,'
    b'"name":"ll.py"},"function":"<module>"},"original":"basket 7 is empty"},"process":{"name":"MainProcess","pid":18913,'
    b'"thread":{"id":139687457536896,"name":"MainThread"}},"span":{"id":"b7ad6b7169203331"},'
    b'"trace":{"id":"0af7651916cd43dd8448eb211c80319c"},"service.name":"shop","service.environment":"staging"}'
)
LOGSTASH_ASYNC = (
    b'{"@timestamp": "2026-11-24T20:53:42.918Z", "@version": "1", "host": "vm", "level": "ERROR", "logsource": "vm", '
    b'"message": "failed", "pid": 18913, "program": "/srv/shop/serve.py", "type": "python-logstash", "extra": {"trace_id": '
    b'"0af7651916cd43dd8448eb211c80319c", "tenant": "a", "func_name": "pay", "interpreter_version": "3.11.7", "line": 13, '
    b'"logger_name": "shop.basket", "path": "/srv/shop/pay.py", "thread_name": "MainThread", "error_type": '
    b'"ZeroDivisionError", "stack_trace": "Traceback (most recent call last):\\nZeroDivisionError: division by zero\\n"}}'
)
LOGSTASH_0 = (
    b'{"@timestamp": "2026-11-24T20:53:42.998Z", "@message": "basket 7", "@source": "logstash://vm/x.py", "@source_host": '
    b'"vm", "@source_path": "x.py", "@tags": ["a"], "@type": "logstash", "@fields": {"levelname": "WARNING", "logger": '
    b'"shop.basket"}}'
)


def record(line: bytes) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Resource, scope and record that a line becomes, attributes as plain values."""
    request = json.loads(lines.converted(lines.events([line]), NOW_NS).body)
    (resource_logs,) = request["resourceLogs"]
    (scope_logs,) = resource_logs["scopeLogs"]
    (found,) = scope_logs["logRecords"]
    return (
        plain(resource_logs["resource"]["attributes"]),
        scope_logs["scope"]["name"],
        found | {"attributes": plain(found["attributes"])},
    )


def plain(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: next(iter(pair["value"].values())) for pair in pairs}


def test_an_ecs_line_has_its_trace_its_service_and_its_line_of_code() -> None:
    resource, scope, found = record(ECS)
    assert resource == {
        "service.name": "shop",
        "deployment.environment.name": "staging",
        "process.pid": "18913",
    }
    assert (scope, found["traceId"], found["spanId"]) == ("shop.basket", TRACE, SPAN)
    assert (found["body"], found["severityNumber"]) == ({"stringValue": "basket 7 is empty"}, 13)
    assert found["timeUnixNano"] == "1795553622688000000"
    assert found["attributes"] == {
        "http.request.method": "GET",
        "labels.tenant": "a",
        "code.line.number": "5",
        "code.file.path": "ll.py",
        "code.function.name": "<module>",
        "process.name": "MainProcess",
        "thread.id": "139687457536896",
        "thread.name": "MainThread",
    }


def test_a_logstash_event_of_python_has_them_too() -> None:
    resource, scope, found = record(LOGSTASH_ASYNC)
    assert (resource["service.name"], resource["host.name"]) == ("serve", "vm")
    assert (scope, found["traceId"], found["severityNumber"]) == ("shop.basket", TRACE, 17)
    assert found["attributes"]["exception.type"] == "ZeroDivisionError"
    assert found["attributes"]["code.file.path"] == "/srv/shop/pay.py"
    assert found["attributes"]["tenant"] == "a"


def test_an_event_of_the_oldest_form_is_read() -> None:
    resource, scope, found = record(LOGSTASH_0)
    assert (resource["host.name"], scope, found["severityNumber"]) == ("vm", "shop.basket", 13)
    assert found["body"] == {"stringValue": "basket 7"}


@pytest.mark.parametrize("line", [b"plain text", b'["a list"]', b"{broken", b"\xff\xfe bytes", b'{"a":NaN}'])
def test_what_is_no_json_object_is_kept_as_text_and_counted(line: bytes) -> None:
    converted = lines.converted(lines.events([line, b"", b"\r"]), NOW_NS)
    (record,) = json.loads(converted.body)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert record["body"]["stringValue"] == line.decode("utf-8", "replace")
    assert (converted.records, converted.unread) == (1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"2026-11-24T20:53:42"', 1_795_553_622_000_000_000),
        ('"2026-11-24T21:53:42.123456+01:00"', 1_795_553_622_123_456_000),
        ("1795553622.5", 1_795_553_622_500_000_000),
        ("1795553622500", 1_795_553_622_500_000_000),
        ('"yesterday"', NOW_NS),
        ("-1", NOW_NS),
        ("true", NOW_NS),
        ('"0001-01-01T00:00:00"', NOW_NS),
    ],
)
def test_times_are_read_in_every_usual_form_and_others_are_now(text: str, expected: int) -> None:
    found = record(b'{"message":"m","@timestamp":%s}' % text.encode())[2]
    assert found["timeUnixNano"] == str(expected)


def test_ids_that_are_none_stay_attributes() -> None:
    found = record(b'{"message":"m","trace.id":"order-17","span.id":"0000000000000000"}')[2]
    assert "traceId" not in found
    assert found["attributes"] == {"trace.id": "order-17", "span.id": "0000000000000000"}


def test_deep_and_odd_values_stay_readable() -> None:
    deep = (
        b'{"message":"m","a":'
        + b'{"b":' * 200
        + b"1"
        + b"}" * 200
        + b',"n":null,"big":18446744073709551615,"l":[1,[2]]}'
    )
    attributes = record(deep)[2]["attributes"]
    assert sorted(name[:5] for name in attributes) == ["a.b.b", "big", "l"]
    assert (attributes["big"], attributes["l"]) == ("18446744073709551615", "[1,[2]]")


def window(*events: bytes, number: int = 1) -> bytes:
    frames = b"".join(
        b"2J" + struct.pack(">II", number + index, len(event)) + event for index, event in enumerate(events)
    )
    packed = zlib.compress(frames)
    return b"2W" + struct.pack(">I", len(events)) + b"2C" + struct.pack(">I", len(packed)) + packed


def test_windows_are_found_however_the_bytes_arrive() -> None:
    sent = window(b"one", b"two") + window(b"three", number=3)
    windows = lumberjack.Windows()
    found = [each for byte in sent for each in windows.feed(bytes([byte]))]
    assert [(each.events, each.last) for each in found] == [((b"one", b"two"), 2), ((b"three",), 3)]
    assert found[0].acknowledgement() == b"2A\x00\x00\x00\x02"


@pytest.mark.parametrize(
    "sent",
    [
        b"1W\x00\x00\x00\x01",
        b"2X",
        b"2W\x00\x00\x00\x00",
        b"2W\xff\xff\xff\xff",
        b"2J" + struct.pack(">II", 1, 3) + b"abc",
        b"2C\xff\xff\xff\xff",
        b"2C" + struct.pack(">I", 4) + b"nope",
        b"2W\x00\x00\x00\x01"
        + b"2C"
        + struct.pack(">I", len(zlib.compress(b"0" * 40_000_000)))
        + zlib.compress(b"0" * 40_000_000),
    ],
)
def test_what_is_no_lumberjack_is_said_and_bounded(sent: bytes) -> None:
    with pytest.raises(lumberjack.BrokenFrameError):
        list(lumberjack.Windows().feed(sent))


def connected(server: Server) -> socket.socket:
    host, _, port = server.lines.removeprefix("tcp://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def bodies(server: Server, trace: str = TRACE) -> list[str]:
    found = server.get(f"/logs.json?trace={trace}&range=1h")
    return sorted(each["body"] for each in found["logs"])


def timeless(line: bytes, message: str, **more: str) -> bytes:
    """Of now, so that it is in the window that is searched."""
    document = json.loads(line)
    del document["@timestamp"]
    return json.dumps(document | {"message": message} | more).encode()


@pytest.mark.server
def test_lines_by_tcp_http_and_beats_are_on_the_timeline_by_their_trace(tmp_path: Path) -> None:
    with serving(tmp_path, "--lines-port", "0", environment={"TRACESTITCH_CHECKS": "off"}) as server:
        with connected(server) as tcp:
            tcp.sendall(timeless(ECS, "by tcp") + b"\n" + timeless(LOGSTASH_ASYNC, "by tcp, unended"))
        with connected(server) as beat:
            beat.sendall(window(timeless(ECS, "by beats, 1"), timeless(ECS, "by beats, 2")))
            assert beat.recv(6) == b"2A\x00\x00\x00\x02"
        body = b"[" + timeless(ECS, "by http, 1") + b"," + timeless(ECS, "by http, 2") + b"]"
        assert posted(server, gzip.compress(body)) == {"taken": 2}

        expected = ["by beats, 1", "by beats, 2", "by http, 1", "by http, 2", "by tcp", "by tcp, unended"]
        assert eventually(lambda: (found := bodies(server)) == expected and found)
        metrics = urllib.request.urlopen(server.otlp_http + "/metrics").read().decode()
        assert 'tracestitch_receiver_accepted_total{signal="logs",transport="beats"} 2.0' in metrics


def posted(server: Server, body: bytes) -> Any:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    request = urllib.request.Request(server.otlp_http + "/lines", data=body, headers=headers)
    return json.load(urllib.request.urlopen(request, timeout=30))


@pytest.mark.server
def test_a_server_with_a_token_takes_only_events_that_show_it_and_does_not_keep_it(tmp_path: Path) -> None:
    environment = {"TRACESTITCH_TOKEN": TOKEN, "TRACESTITCH_CHECKS": "off"}
    with serving(tmp_path, "--lines-port", "0", environment=environment) as server:
        with connected(server) as tcp:
            tcp.sendall(timeless(ECS, "without") + b"\n")
            assert tcp.recv(1) == b""  # hung up
        with connected(server) as beat:
            beat.sendall(window(timeless(ECS, "with", **{"tracestitch.token": TOKEN})))
            assert beat.recv(6) == b"2A\x00\x00\x00\x01"
        with pytest.raises(urllib.error.HTTPError) as refused:
            posted(server, gzip.compress(b"{}"))
        assert refused.value.code == 401

        authorised = {"authorization": f"Bearer {TOKEN}"}

        def found() -> Any:
            address = f"{server.dashboard}/logs.json?trace={TRACE}&range=1h"
            return json.load(urllib.request.urlopen(urllib.request.Request(address, headers=authorised)))[
                "logs"
            ]

        (kept,) = eventually(found)
        assert kept["body"] == "with"
        assert TOKEN not in json.dumps(kept)
        metrics = urllib.request.Request(server.otlp_http + "/metrics", headers=authorised)
        refusals = urllib.request.urlopen(metrics).read().decode()
        assert (
            'tracestitch_receiver_refused_total{reason="no token",signal="lines",transport="tcp"} 1.0'
            in refusals
        )


@pytest.mark.server
def test_an_endless_line_is_cut_and_bytes_of_nothing_known_are_no_harm(tmp_path: Path) -> None:
    with serving(tmp_path, "--lines-port", "0", environment={"TRACESTITCH_CHECKS": "off"}) as server:
        with connected(server) as tcp:
            tcp.sendall(b"x" * 3_000_000 + b"\n" + timeless(ECS, "after it") + b"\n")
        with connected(server) as beat:
            beat.sendall(b"2W\x00\x00\x00\x01" + b"2Z")
            assert beat.recv(6) == b""
        assert eventually(lambda: bodies(server)) == ["after it"]
        metrics = urllib.request.urlopen(server.otlp_http + "/metrics").read().decode()
        assert (
            'tracestitch_receiver_dropped_total{reason="line longer than 1 MiB cut",signal="logs"} 1.0'
            in metrics
        )
        assert 'reason="malformed",signal="lines",transport="tcp"' in metrics


class LogAwayOnce(Intake):
    """An intake whose log cannot be written the first time."""

    def __init__(self, counters: Counters) -> None:
        super().__init__(Committer(lambda records: None), counters, lambda: NOW_NS)
        self.asked = 0

    def commit(self, prepared: Prepared) -> Future[None] | None:
        self.asked += 1
        if self.asked == 1:
            raise RefusedError(answers.UNAVAILABLE, "the disk is full")
        return super().commit(prepared)


def test_while_the_log_is_away_a_beat_is_told_to_wait_and_nothing_is_lost() -> None:
    async def conversation() -> tuple[bytes, int]:
        counters = Counters(lambda: 0.0)
        intake = LogAwayOnce(counters)
        server = LineServer(Lines(intake, counters, "", lambda: NOW_NS), counters)
        await server.start(bind("127.0.0.1", 0))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(window(ECS))
        answer = await asyncio.wait_for(reader.readexactly(12), 30)
        writer.close()
        await server.close()
        return answer, intake.asked

    answer, asked = asyncio.run(conversation())

    assert answer == lumberjack.KEEP_WAITING + b"2A\x00\x00\x00\x01"
    assert asked == 2

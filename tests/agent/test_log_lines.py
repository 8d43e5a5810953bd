"""Log records that are written out when they are sent: as any other record, whatever the same line said before."""

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tests.support.agent import plain_map
from tracestitch import frames
from tracestitch.encode import Encoder
from tracestitch.log_lines import Line
from tracestitch.secret_paths import SERVED_PATHS, ServedPaths

PLACE = frames.file_location("/srv/shop/views.py", 12, "shop.views.checkout")
ENCODER = Encoder(lambda _file, _line: ())


def read(line: Line, template: str, arguments: tuple[object, ...] | None, trace_id: int = 5) -> LogRecord:
    return LogRecord.FromString(line.encoded(ENCODER, 1_700_000_000, template, arguments, trace_id, 6, 1))


def line() -> Line:
    return Line(PLACE, 30, "WARNING", "shop", "worker-1")


def test_a_record_says_its_level_place_thread_trace_and_times() -> None:
    record = read(line(), "sold %d of %s", (3, "tea"))

    assert (record.severity_number, record.severity_text) == (13, "WARNING")
    assert record.time_unix_nano == record.observed_time_unix_nano == 1_700_000_000
    assert (record.trace_id, record.span_id) == (bytes(15) + b"\x05", bytes(7) + b"\x06")
    assert record.flags == 1
    assert record.body.string_value == "sold 3 of tea"
    assert plain_map(record.attributes) == {
        "code.file.path": "/srv/shop/views.py",
        "code.line.number": 12,
        "code.function.name": "shop.views.checkout",
        "tracestitch.log.template": "sold %d of %s",
        "tracestitch.log.arguments": ["3", "tea"],
        "thread.name": "worker-1",
    }


def test_what_a_line_said_before_is_not_said_again() -> None:
    one = line()
    said = [
        ("first", None),
        ("second", None),
        ("got %s", ("tea",)),
        ("got %s", ()),
        ("got %s", ("milk",)),
        ("", None),
        ("first", None),
    ]

    records = [read(one, template, arguments) for template, arguments in said]

    bodies = [record.body.string_value for record in records]
    assert bodies == ["first", "second", "got tea", "got %s", "got milk", "", "first"]
    templates = [plain_map(record.attributes)["tracestitch.log.template"] for record in records]
    assert templates == [template for template, _ in said]
    arguments_of = [plain_map(record.attributes).get("tracestitch.log.arguments") for record in records]
    assert arguments_of == [None, None, ["tea"], None, ["milk"], None, None]


def test_outside_of_a_trace_there_are_no_ids() -> None:
    record = read(line(), "starting", None, trace_id=0)

    assert (record.trace_id, record.span_id, record.flags) == (b"", b"", 0)


def test_a_message_that_cannot_be_rendered_is_its_template() -> None:
    assert read(line(), "sold %d", ("tea",)).body.string_value == "sold %d"


def test_a_path_that_turns_out_to_be_secret_is_hidden_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ServedPaths()
    monkeypatch.setattr("tracestitch.log_lines.SERVED_PATHS", paths)
    one = line()
    assert read(one, "served /reset/abc", None).body.string_value == "served /reset/abc"

    paths.remember("/reset/abc", "/reset/REDACTED")

    assert read(one, "served /reset/abc", None).body.string_value == "served /reset/REDACTED"
    assert SERVED_PATHS is not paths

"""`--logs stdout-ecs`: log records as lines of ECS JSON on standard output, beside what the app itself prints."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.agent import TRACESTITCH, environment, fake_receiver, run_to_end
from tracestitch import command, ecs_lines, settings
from tracestitch.encode import LogEntry
from tracestitch.frames import CodeLocation

RUN = [*TRACESTITCH, "run", "--service", "shop", "--environment", "staging"]
PROGRAM = """
import logging, sys
from opentelemetry import trace
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
print("the app's own line", flush=True)
with trace.get_tracer("app").start_as_current_span("work"):
    logging.getLogger("shop.basket").warning("basket %s has password=hunter2secret", 7)
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("shop").exception("failed")
"""


def ecs(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


@pytest.mark.processes
@pytest.mark.parametrize(("way", "by_otlp"), [("stdout-ecs", 0), ("both", 2)])
def test_log_records_are_lines_with_the_ids_of_their_span(way: str, by_otlp: int) -> None:
    with fake_receiver() as receiver:
        done = run_to_end([*RUN, "--logs", way, "python", "-c", PROGRAM], environ=environment(receiver.url))
        (span,) = list(receiver.spans)
        sent = [record for record in receiver.logs if not record.event_name]

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the app's own line\n")
    first, second = ecs(done.stdout)
    assert (first["trace.id"], first["span.id"]) == (span.trace_id, span.span_id)
    assert (first["service.name"], first["service.environment"]) == ("shop", "staging")
    assert (first["log.level"], first["log.logger"]) == ("warning", "shop.basket")
    assert "hunter2secret" not in done.stdout
    assert (second["error.type"], second["message"]) == ("ZeroDivisionError", "failed")
    assert "ZeroDivisionError: division by zero" in second["error.stack_trace"]
    assert abs((datetime.fromisoformat(first["@timestamp"]) - datetime.now(UTC)).total_seconds()) < 600
    assert len(sent) == by_otlp


def test_a_line_is_one_line_whatever_it_says() -> None:
    entry = LogEntry(
        time_ns=1_795_553_622_000_000_001,
        severity_number=9,
        severity_text="INFO",
        scope="a\nb",
        body="two\nlines \ud800",
        attributes={},
    )
    said = ecs_lines.line(entry, CodeLocation(file="f.py", line=1, function="g"), {"service.name": "s"})
    assert said.count(b"\n") == 1
    found = json.loads(said)
    assert found["@timestamp"] == "2026-11-24T20:53:42.000000001Z"
    assert "trace.id" not in found


def test_a_way_that_is_none_is_told_and_records_go_by_otlp() -> None:
    told = settings.from_environment({"TRACESTITCH_LOGS": "syslog"}, "/srv/shop")
    assert told.logs_way == "otlp"
    assert any("TRACESTITCH_LOGS=syslog is not followed" in text for text in told.complaints)
    with pytest.raises(SystemExit):
        command.dispatch(["run", "--logs", "syslog", "true"])
    for way in settings.LOGS_WAYS:
        assert settings.from_environment({"TRACESTITCH_LOGS": way}, "/srv/shop").logs_way == way

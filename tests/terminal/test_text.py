"""Text for terminals: harmless, aligned, and true to the trace."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from tests.support import telemetry
from tests.support.traces import MS, TraceBuilder, code
from tracestitch_collector.checks.finding import Evidence, Finding, Location
from tracestitch_collector.model import SpanEvent, Trace
from tracestitch_dashboard import finding_text, trace_text
from tracestitch_dashboard.terminal import Paint, clean, columns, moment, paint_for

PLAIN = Paint(enabled=False)


def checkout() -> tuple[Trace, list[Finding]]:
    builder = TraceBuilder()
    builder.server("view", "/checkout", method="POST", status_code=500, ms=100)
    builder.log("cart has 3 items", span="view", at=1)
    for number in range(4):
        builder.query(
            f"q{number}", "SELECT * FROM stock WHERE id = ?", parent="view", at=10 + number * 5, ms=4,
            attributes=code("shop", "views.py", 31),
        )  # fmt: skip
    builder.call("call", "http://pricing/charge", method="POST", parent="view", at=60, ms=38, status_code=500)
    builder.server(
        "charge", "/charge", method="POST", service="pricing", status_code=500, parent="call", at=61, ms=30
    )
    builder.span(
        "risky", parent="charge", service="pricing", at=62, ms=5,
        events=(SpanEvent(time_ns=builder.base_ns + 65 * MS, name="exception",
                          attributes={"exception.type": "ValueError", "exception.message": "no card"}),),
    )  # fmt: skip
    builder.span("lost", parent="never sent", at=50, ms=1)
    builder.log("somewhere else", at=70)
    finding = telemetry.finding(
        location=Location(file="views.py", line=31),
        evidence=(Evidence(trace_id=builder.trace_id, span_ids=(builder.id("q0"), builder.id("q1"))),),
    )
    return builder.build(), [finding]


def drawn(*, folded: bool = True) -> list[str]:
    trace, findings = checkout()
    return list(trace_text.draw(trace, findings, PLAIN, folded=folded))


def test_the_head_tells_the_request_in_three_lines() -> None:
    lines = drawn()
    assert lines[0] == "POST /checkout  500  100 ms"
    assert lines[1].startswith("2 services · 9 spans · 2 logs · 1 finding · ")
    assert lines[2].startswith("critical path: shop 70 % · pricing 30 %")
    assert lines[3] == "⚑ 41 queries where 2 would do  views.py:31  (n-plus-one-db)"
    assert "never arrived" in lines[4]


def test_the_head_tells_how_long_the_caller_waited_and_what_ran_on() -> None:
    t = TraceBuilder("task")
    t.server("view", "/order", ms=50)
    t.span("task", name="send_receipt", parent="view", at=60, ms=440, kind="consumer")
    head = next(trace_text.draw(t.build(), [], PLAIN))
    assert head.endswith("50 ms (500 ms with what ran after it)")


def test_spans_logs_exceptions_repeats_gaps_and_orphans_stand_where_they_happened() -> None:
    body = [line[45:] for line in drawn()[6:]]
    assert body[0].startswith("POST /checkout [shop] 500 ✖")
    assert body[1].startswith("  ░ not instrumented, before SELECT")
    assert body[2] == "  ▤ INFO cart has 3 items"
    assert body[3].startswith("  4× SELECT [shop] 16 ms in all, one after another")
    assert body[3].endswith("⚑ n-plus-one-db")
    assert body[4].startswith("  ░ not instrumented, between SELECT (views.py:31) and POST")
    assert body[5].startswith("  POST [shop] 500 ✖")
    assert body[6].startswith("    POST /charge [pricing] 500 ✖")
    assert body[8] == "        ✖ ValueError: no card"
    assert any("(its parent" in line for line in body)
    assert body[-1] == "▤ INFO somewhere else"


def test_unfolded_every_span_has_its_row() -> None:
    rows = [line for line in drawn(folded=False) if "SELECT [shop]" in line]
    assert len(rows) == 4
    assert sum("⚑ n-plus-one-db" in row for row in rows) == 2


def test_bars_begin_and_end_where_the_span_does() -> None:
    (call,) = (line for line in drawn() if "] 500 ✖" in line and "  POST [shop]" in line)
    assert call[20:44] == "··············██████████"


def test_a_trace_ten_thousand_deep_is_drawn() -> None:
    builder = TraceBuilder()
    builder.span("s0", ms=1)
    for number in range(1, 10_000):
        builder.span(f"s{number}", parent=f"s{number - 1}", ms=1)
    assert "…9999 s9999" in list(trace_text.draw(builder.build(), [], PLAIN))[-1]


def test_hostile_names_cannot_command_the_terminal() -> None:
    builder = TraceBuilder()
    evil = "\x1b]0;owned\x07\x1b[2J\r\n\u202egnp.exe\x9b31m"
    builder.span("root", name=evil, service=evil, attributes={"code.file.path": evil, "code.line.number": 1})
    builder.log(evil, span="root", service=evil)
    finding = telemetry.finding(title=evil, service=evil, operation=evil, details=((evil, evil),))
    text = "\n".join(
        [*trace_text.draw(builder.build(), [finding], PLAIN), *finding_text.lines([finding], PLAIN)]
    )
    assert not set(text) & {"\x1b", "\x07", "\r", "\u202e", "\x9b"}
    assert "\\x1b]0;owned\\x07" in text


@given(st.text())
def test_cleaned_text_is_one_printable_line(text: str) -> None:
    assert clean(text).isprintable()
    assert len(clean(text, 10)) <= 100


def test_columns_are_aligned_and_moments_readable() -> None:
    assert columns([("a", "1", "x"), ("long", "22", "y")], right=frozenset({1})) == [
        "a      1  x",
        "long  22  y",
    ]
    assert columns([]) == []
    assert moment(1_790_000_000_123_000_000) == "2026-09-21 14:13:20.123"
    assert moment(2**63 - 1) == "2262-04-11 23:47:16.854"
    assert moment(10**30) == str(10**30)


def test_colour_is_only_for_people() -> None:
    assert not paint_for(io.StringIO(), {}).enabled
    assert Paint(enabled=True)("red", "x") == "\x1b[31mx\x1b[0m"

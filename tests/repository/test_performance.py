"""docs/performance.md has every bar in its one table, and its figures are the bench programs' own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bench import ingest_bars, store_bars
from tests.bench.bars import (
    BARS,
    BEGIN,
    END,
    HEAD,
    NOT_MEASURED,
    PAGE,
    Measured,
    record,
    rows_of,
    write_block,
)

ASKED = """
    durable and searchable, sustained, compiled ≥ 150,000 | interpreted ≥ 30,000
    CPU per million spans, all processes ≤ 12 | beside Jaeger on badger ≤ 0.1 | beside Jaeger in memory (stretch) ≤ 1
    JSON ingest ≥ 40,000
    logs ≥ 200,000
    on disk per span ≤ 38
    trace by id, p50, 2 million ≤ 4 | trace by id, p99, 2 million ≤ 12
    trace by id, p50, 10 million ≤ 8 | trace by id, p99, 10 million ≤ 20
    of a service, 2 million ≤ 15 | of an operation, 2 million ≤ 15 | failed, 2 million ≤ 15
    by duration, 2 million ≤ 15 | rare value, 2 million ≤ 15
    of a service, 10 million ≤ 40 | of an operation, 10 million ≤ 40 | failed, 10 million ≤ 40
    by duration, 10 million ≤ 40 | rare value, 10 million ≤ 40
    two-attribute filter over all time, 10 million ≤ 60
    rare log phrase, 10 million ≤ 120
    service page, last hour at 5,000 spans/s ≤ 80
    while ingesting at half capacity ≤ 3
    visible after the acknowledgement, p50 ≤ 200 | visible after the acknowledgement, p99 ≤ 1,000
    memory at 5,000 spans/s ≤ 400 | memory at full speed ≤ 1,000
    start with a 5 GB store ≤ 3
    cost of ingest per span, 50 million beside 1 million ≤ 1.10 | trace by id, p50, 50 million beside 1 million ≤ 2
"""
"""What was asked for, part of a row's name and its bar."""


def test_the_table_has_a_row_for_everything_that_was_asked_for() -> None:
    rows = rows_of(PAGE.read_text())
    missing = []
    for asked in re.split(r"[|\n]", ASKED.strip()):
        words, sign, limit = re.split(r"\s([≤≥])\s", asked.strip())
        if not any(words in name and row[1].startswith(f"{sign} {limit}") for name, row in rows.items()):
            missing.append(asked.strip())
    assert missing == []


def test_the_page_says_of_each_bar_what_is_asked_and_which_command_measures_it() -> None:
    text = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    for bar in BARS:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {bar.name} |")]
        assert bar.asked in row, "run a bench program with --write"
        assert bar.command in row, "run a bench program with --write"


def test_every_command_of_the_table_is_a_target_of_the_makefile() -> None:
    makefile = (PAGE.parents[1] / "Makefile").read_text()
    targets = {bar.command.split()[1].strip("`") for bar in BARS}
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


def test_the_verdicts_of_the_page_follow_from_its_figures() -> None:
    rows = rows_of(PAGE.read_text())
    for bar in BARS:
        measured, met = rows[bar.name][2:4]
        if measured == NOT_MEASURED:
            assert met == "–", bar.name
            continue
        value = float(measured.split()[0].strip("×").replace(",", ""))
        expected = {bar.is_met(value)}
        if f"{value:g}" == f"{bar.limit:g}":  # rounded to the bar
            expected = {True, False}
        assert (met == "yes") in expected, f"{bar.name}: {measured} beside {bar.asked} is marked {met}"


def test_the_page_names_no_date_and_no_path_of_a_machine() -> None:
    assert not re.search(r"\b20\d\d-\d\d|/(?:tmp|home|root|work)/", PAGE.read_text())


def test_a_program_fills_in_its_own_rows_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text())
    record({"logs": Measured(value=1.0)}, page=page)
    record({"JSON ingest": Measured(value=50_000, note="for 5 s")}, {"logs": ("12", "13")}, page)
    rows = rows_of(page.read_text())
    assert rows["logs"][2:6] == ["1 records/s", "**no**", "12", "13"]
    assert rows["JSON ingest"][2:4] == ["50,000 spans/s (for 5 s)", "yes"]
    assert page.read_text().count(HEAD) == 1


def test_a_name_that_is_no_bar_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(before := PAGE.read_text())
    with pytest.raises(KeyError, match="made up"):
        record({"logs": Measured(value=1.0), "made up": Measured(value=1.0)}, page=page)
    assert page.read_text() == before


def test_a_block_that_is_not_on_the_page_is_said_so(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("# nothing")
    with pytest.raises(ValueError, match="put both lines back"):
        write_block("peers", "| a | table |", page)


def store_answers(spans: int, ingesting: int = 0) -> store_bars.Answers:
    asked = {
        "trace by id",
        "a rare phrase",
        *store_bars.NEWEST,
        *store_bars.TWO_ATTRIBUTES,
        *store_bars.SERVICE_PAGE,
    }
    return store_bars.Answers(
        spans=spans,
        logs=spans,
        bytes_each=37.5,
        opened_s=0.5,
        bytes=spans * 60,
        waits=dict.fromkeys(asked, (5.0, 10.0, 15.0)),
        ingesting=ingesting,
    )


def ingest_figures(*, compiled: bool) -> ingest_bars.Figures:
    return ingest_bars.Figures(
        compiled=compiled,
        per_second=150_000,
        seconds=20,
        rate=20_000,
        visible_s=[0.1] * 10,
        steady_bytes=3 * 10**8,
        highest_bytes=5 * 10**8,
        others_per_second={"spans in JSON": 40_000, "log records": 200_000},
        cpu_s={"pipeline": 7.0},
        bytes_each=20.0,
    )


def test_every_bar_is_filled_in_by_a_program() -> None:
    small, large = store_answers(2_000_000), store_answers(10_000_000)
    filled = {
        *store_bars.bars(small),
        *store_bars.bars(large),
        *store_bars.bars(store_answers(10_000_000, ingesting=75_000)),
        *store_bars.growth(large, 4.0, 4.0, small),
        *ingest_bars.bars(ingest_figures(compiled=True)),
        *ingest_bars.bars(ingest_figures(compiled=False)),
        "CPU per million spans, all processes",  # these three by test_peers.py
        "the same beside Jaeger on badger",
        "the same beside Jaeger in memory (stretch)",
    }
    assert filled == {bar.name for bar in BARS}


def test_what_was_not_measured_as_the_bar_asks_says_so() -> None:
    ingested, stored = (
        ingest_bars.bars(ingest_figures(compiled=True)),
        store_bars.bars(store_answers(10_000_000)),
    )
    assert ingested["durable and searchable, sustained, compiled"].note == "for 20 s"
    assert ingested["memory at 5,000 spans/s, collector in all"].note == "at 20,000 spans/s"
    assert stored["start with a 5 GB store"].note == "of 0.6 GB"
    assert stored["service page, last hour at 5,000 spans/s"].note == "33 min of the hour"


def test_the_questions_of_the_bars_are_asked_by_the_store_program() -> None:
    program = (PAGE.parents[1] / "tests" / "bench" / "store.py").read_text()
    asked = (
        *store_bars.NEWEST,
        *store_bars.TWO_ATTRIBUTES,
        *store_bars.SERVICE_PAGE,
        "trace by id",
        "a rare phrase",
    )
    assert [question for question in asked if f'"{question}"' not in program] == []

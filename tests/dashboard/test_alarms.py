"""What is wrong now is said on every page, and no more once it is over."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support import example_shop
from tests.support.memory_store import MemoryStore
from tracestitch_collector.outputs.progress import PipelineMetrics
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.status import Report, StatusFile
from tracestitch_dashboard.alarms import read_alarms

NOW_NS = example_shop.NOW_NS
SECOND = 1_000_000_000
PAGES = (
    "/",
    "/traces",
    f"/traces/{example_shop.TRACE_ID}",
    "/findings",
    "/services",
    "/logs",
    "/status",
    "/nope",
)
FULL = Report(alarms={"The collector refuses data": "the disk is <full>"})


def said(folder: Path, process: str, report: Report, *, started_s: int = -60, said_s: int = 0) -> StatusFile:
    """As a process that started and spoke so many seconds from now."""
    times = iter([started_s, said_s, 0, 0])
    file = StatusFile(folder / "status", process, clock_ns=lambda: NOW_NS + next(times) * SECOND)
    file.write(report)
    return file


def headlines(folder: Path) -> list[str]:
    return [alarm.headline for alarm in read_alarms(folder / "status", NOW_NS)]


@pytest.mark.parametrize("path", PAGES)
def test_refused_data_is_said_on_every_page_until_it_is_over(
    client: TestClient, tmp_path: Path, path: str
) -> None:
    receiver = said(tmp_path, "receiver", FULL)
    page = client.get(path).text
    assert page.count('class="alarm"') == 1
    banner = page.partition('class="alarm"')[2].partition("</p>")[0]
    assert '<a href="/status"><b>The collector refuses data</b> since <time' in banner
    assert "the disk is &lt;full&gt;" in banner
    receiver.write(Report())
    assert 'class="alarm"' not in client.get(path).text


def test_the_banner_comes_and_goes_with_the_dot_of_the_bar(client: TestClient, tmp_path: Path) -> None:
    receiver = said(tmp_path, "receiver", FULL)
    assert (
        '<div id="alarms" role="status" hx-swap-oob="true"><p class="alarm">' in client.get("/arrival").text
    )
    receiver.write(Report())
    assert '<div id="alarms" role="status" hx-swap-oob="true"></div>' in client.get("/arrival").text


def test_a_store_that_is_away_is_said_beside_the_page_that_says_it_too(
    client: TestClient, store: MemoryStore, tmp_path: Path
) -> None:
    tally = Tally(PipelineMetrics())
    tally.problem("store", "the store does not take data now: Elasticsearch cannot be reached.")
    said(tmp_path, "pipeline", tally.report())
    store.away = "Elasticsearch cannot be reached."
    answer = client.get("/")
    assert answer.status_code == 503
    assert "<b>The store takes no data</b> since" in answer.text
    assert "Elasticsearch cannot be reached; what arrives is kept in the log" in answer.text
    tally.problem("store", "")
    assert tally.report().alarms == {}


def test_a_process_that_is_down_is_said_and_what_it_said_itself_no_more(tmp_path: Path) -> None:
    said(tmp_path, "receiver", FULL, said_s=-10)
    down = Report(alarms={"The receiver is down": "it ended by signal 9 and is started again"})
    said(tmp_path, "supervisor", down)
    assert headlines(tmp_path) == ["The receiver is down"]


def test_a_process_that_hangs_is_said_while_its_supervisor_lives(tmp_path: Path) -> None:
    said(tmp_path, "pipeline", Report(), said_s=-30)
    assert headlines(tmp_path) == []  # nobody says that it should be running
    supervisor = said(tmp_path, "supervisor", Report(facts={"pipeline": "running"}))
    assert headlines(tmp_path) == ["The pipeline says nothing any more"]
    supervisor.write(Report(facts={"pipeline": "stopped"}))
    assert headlines(tmp_path) == []


def test_what_an_earlier_run_left_behind_alarms_nobody(tmp_path: Path) -> None:
    said(tmp_path, "pipeline", FULL, started_s=-900, said_s=-600)
    said(tmp_path, "supervisor", Report(facts={"pipeline": "starting"}), started_s=-5)
    assert headlines(tmp_path) == []


def test_the_oldest_comes_first(tmp_path: Path) -> None:
    said(tmp_path, "pipeline", Report(alarms={"B": "later"}))
    said(tmp_path, "receiver", Report(alarms={"A": "sooner"}), said_s=-3)
    assert headlines(tmp_path) == ["A", "B"]

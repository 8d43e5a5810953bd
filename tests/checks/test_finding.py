"""A finding as JSON, now and as it was written before."""

from __future__ import annotations

from tests.support.telemetry import finding
from tracestitch_collector.checks.finding import Evidence, Location, from_json, to_json


def test_a_finding_survives_json_with_everything_it_has() -> None:
    whole = finding(
        location=Location(file="views.py", line=3, function="view"),
        evidence=(Evidence(trace_id="1" * 32, span_ids=("2" * 16,)),),
        suppressed_by="known",
        details=(("called", "GET /"),),
        state="quiet",
    )
    assert from_json(to_json(whole)) == whole


def test_a_finding_written_before_there_were_states_is_open() -> None:
    document = to_json(finding())
    del document["state"]
    assert from_json(document) == finding()


def test_only_what_is_there_and_not_put_up_with_is_open() -> None:
    assert finding().is_open
    assert not finding(state="quiet").is_open
    assert not finding(suppressed_by="known").is_open

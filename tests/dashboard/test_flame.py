"""The profile of a slow request on its span, and what variables held at an exception."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from tests.support.memory_store import MemoryStore
from tests.support.traces import TraceBuilder
from tracestitch_collector.model import SpanEvent
from tracestitch_dashboard.timeline import building, flame
from tracestitch_dashboard.timeline.panel import Panel, panel_of

FRAMES = [
    ["/srv/shop/views.py", 12, "checkout", 1],
    ["/srv/shop/prices.py", 3, "total", 1],
    ["/x/site-packages/lib/core.py", 9, "parse", 0],
    ["/srv/shop/prices.py", 5, "total", 1],
]
PROFILE = {
    "interval_ms": 20,
    "samples": 10,
    "frames": FRAMES,
    "stacks": [[6, [0, 1, 2]], [3, [0, 3]], [1, [0]]],
}


def _panel(profile: str) -> Panel:
    trace = TraceBuilder()
    trace.server("root", "/cart", ms=600, attributes={"tracestitch.profile": profile})
    timeline = building.build(trace.build(), (), {})
    return panel_of(timeline, timeline.rows[0])


def test_boxes_are_as_wide_as_their_share_and_lines_of_one_function_are_one_box() -> None:
    drawn = _panel(json.dumps(PROFILE)).flame

    assert drawn is not None
    assert [(box.text, box.x, box.width, box.y, box.in_app) for box in drawn.boxes] == [
        ("checkout", 0, 100, 0, True),
        ("total", 0, 90, flame.ROW, True),
        ("parse", 0, 60, 2 * flame.ROW, False),
    ]
    assert drawn.boxes[2].title == "parse (lib/core.py): 60 % of the samples"
    assert drawn.summary == "10 samples, one each 20 ms"
    assert ("profile", "Profile", 0) in _panel(json.dumps(PROFILE)).tabs


@pytest.mark.parametrize(
    "profile",
    [
        "",
        "no json",
        "[1]",
        "{}",
        '{"frames": 1, "stacks": 2}',
        '{"frames": [1], "stacks": [[0, [0]], [-1, [0]], [true, []], 7, [1]]}',
        "[" * 5_000,
    ],
)
def test_what_is_no_profile_is_not_drawn(profile: str) -> None:
    assert _panel(profile).flame is None
    assert "Profile" not in [title for _, title, _ in _panel(profile).tabs]


@pytest.mark.parametrize(
    "stacks", [[[1, [0, 99, -1, "x"]]], [[1, list(range(4)) * 500]], [[1, [n % 4]] for n in range(5_000)]]
)
def test_a_hostile_profile_is_drawn_within_bounds(stacks: list[object]) -> None:
    drawn = _panel(json.dumps({**PROFILE, "stacks": stacks, "interval_ms": "x"})).flame

    assert drawn is not None
    assert len(drawn.boxes) <= flame.MOST_BOXES
    assert drawn.height <= flame.MOST_ROWS * flame.ROW
    assert all(0 <= box.x <= 100 and box.x + box.width <= 100.1 for box in drawn.boxes)


LOCALS = [{"file": "/srv/shop/views.py", "line": 12, "function": "checkout", "values": {"sku": "'A-1 <b>'"}}]


def _address(store: MemoryStore, word: str, *, profile: str = "", values: str = "") -> str:
    """Of the panel of a request that was slow and failed."""
    trace = TraceBuilder(word)
    told = {"exception.type": "ValueError", "exception.message": "no", "tracestitch.exception.locals": values}
    failure = SpanEvent(time_ns=trace.base_ns, name="exception", attributes=told)
    attributes = {"tracestitch.profile": profile}
    span = trace.span("root", kind="server", ms=600, attributes=attributes, events=(failure,))
    store.add(trace.build())
    return f"/traces/{trace.trace_id}/panel?span={span.span_id}"


def test_the_page_draws_the_profile(client: TestClient, store: MemoryStore) -> None:
    drawn = client.get(_address(store, "slow", profile=json.dumps(PROFILE)) + "&tab=profile")

    assert drawn.status_code == 200
    assert drawn.text.count('class="in-app"') == 2
    assert "parse (lib/core.py): 60 % of the samples" in drawn.text
    assert "style=" not in drawn.text  # the content security policy forbids it


def test_the_page_shows_what_variables_held(client: TestClient, store: MemoryStore) -> None:
    stack = client.get(_address(store, "failed", values=json.dumps(LOCALS)) + "&tab=stack").text

    assert ">sku<" in stack
    assert "&#39;A-1 &lt;b&gt;&#39;" in stack


@pytest.mark.parametrize(
    "values", ["", "no json", "7", '[{"values": 3}]', '[{"file": 1, "line": [], "values": {"a": {"b": 1}}}]']
)
def test_variables_of_any_shape_break_no_page(client: TestClient, store: MemoryStore, values: str) -> None:
    assert client.get(_address(store, "odd", values=values) + "&tab=stack").status_code == 200

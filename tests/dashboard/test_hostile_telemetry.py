"""Whatever a span says, no page gains an element, an attribute or an address from it."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from tests.support import hostile
from tests.support.memory_store import MemoryStore
from tests.support.traces import EPOCH_NS
from tracestitch_collector.settings import Settings
from tracestitch_dashboard.app import create_app

TRACE = f"/traces/{'ab' * 16}"
TABS = ("summary", "attributes", "call", "logs", "stack", "raw")
HARMLESS = "harmless words"


class Skeleton(HTMLParser):
    """The elements of a page with the names of their attributes, and its addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = sorted({name for name, _ in attrs})
        self.elements[f"{tag} {' '.join(names)}"] += 1
        self.addresses += [
            value or ""
            for name, value in attrs
            if name in ("href", "src", "action", "hx-get", "formaction", "srcdoc")
        ]


def skeleton(text: str) -> Skeleton:
    parser = Skeleton()
    parser.feed(text)
    return parser


def client_of(payload: str, folder: Path) -> TestClient:
    store = MemoryStore(
        known_findings=[hostile.finding(payload)], known_inventories=[hostile.inventory(payload)]
    )
    store.add(hostile.trace(payload))
    app = create_app(store, Settings(data=folder), lambda: EPOCH_NS + 10**10)
    return TestClient(app, base_url="http://localhost")


def pages_of(client: TestClient, payload: str) -> dict[str, str]:
    """Every page and fragment that shows something of the trace."""
    rows = client.get(f"{TRACE}/rows.json").json()["rows"]
    panels = {
        f"{row['id']} {tab}": client.get(f"{TRACE}/panel", params={"span": row["id"], "tab": tab})
        for row in rows
        for tab in TABS
    }
    paths = {
        "overview": "/",
        "traces": "/traces",
        "timeline": f"{TRACE}?span=0000000000000001",
        "table": f"{TRACE}?view=table",
        "findings": "/findings",
        "finding": "/findings/00000000000000f1",
        "services": "/services",
        "service": f"/services/-?{urlencode({'name': payload})}",
        "logs": "/logs",
        "status": "/status",
    }
    answers = {**panels, **{name: client.get(path) for name, path in paths.items()}}
    echoes = {
        "search": client.get("/traces", params={"q": payload, "operation": payload, "service": payload}),
        "filter": client.get(TRACE, params={"filter": payload, "span": payload}),
        "log search": client.get("/logs", params={"text": payload}),
    }
    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 200} == {}
    assert all(answer.status_code == 200 for answer in echoes.values())
    return {name: answer.text for name, answer in (answers | echoes).items()}


@pytest.mark.parametrize("payload", hostile.PAYLOADS)
def test_a_hostile_trace_makes_the_same_pages_as_a_harmless_one(tmp_path: Path, payload: str) -> None:
    expected = pages_of(client_of(HARMLESS, tmp_path), HARMLESS)
    found = pages_of(client_of(payload, tmp_path), payload)
    assert found.keys() == expected.keys()
    for name, text in found.items():
        if name in ("search", "filter", "log search"):  # what is found may differ
            known = set(skeleton(expected[name]).elements) | set(skeleton(found["traces"]).elements)
            known |= set(skeleton(found["timeline"]).elements) | set(skeleton(found["logs"]).elements)
            assert set(skeleton(text).elements) <= known | EMPTY_STATES, name
        else:
            assert skeleton(text).elements == skeleton(expected[name]).elements, name
        strange = [a for a in skeleton(text).addresses if not a.startswith(("/", "#i-", "#main"))]
        assert strange == [], name


EMPTY_STATES = {"h2 ", "b class", "a href", "a class href", "p ", "p class", "div class"}


def test_the_builder_fills_every_text_field() -> None:
    """A field that is added to the model is hostile from its first day on."""
    trace = hostile.trace("<x>")
    root = next(span for span in trace.spans if span.span_id.endswith("1"))
    assert (root.name, root.status_message, root.trace_state) == ("<x>",) * 3
    assert (root.scope.name, root.scope.version, root.scope.schema_url) == ("<x>",) * 3
    assert trace.logs[0].severity_text == "<x>"
    assert hostile.finding("<x>").fix.after == "<x>"


def test_no_script_writes_html() -> None:
    from tracestitch_dashboard.app import STATIC

    for path in (STATIC / "js").rglob("*.js"):
        text = path.read_text()
        for way in (
            "innerHTML =",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert way not in text, f"{way} in {path.name}"


def test_no_template_marks_anything_as_safe() -> None:
    from tracestitch_dashboard.rendering import FOLDER

    for path in FOLDER.glob("*.html"):
        assert "|safe" not in path.read_text().replace(" ", ""), path.name
        assert "autoescape" not in path.read_text(), path.name

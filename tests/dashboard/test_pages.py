"""Pages and their JSON twins over the example shop."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from tests.support import example_shop
from tests.support.memory_store import MemoryStore
from tests.support.traces import TraceBuilder
from tracestitch_collector.checks.finding import from_json
from tracestitch_collector.plain import log_from_json, span_from_json, summary_from_json
from tracestitch_collector.process.dead_letters import FOLDER, DeadLetters
from tracestitch_collector.security import HEADERS
from tracestitch_collector.status import Report, StatusFile
from tracestitch_collector.store.store import Rejected
from tracestitch_dashboard.app import STATIC
from tracestitch_dashboard.pages import PAGES

FINGERPRINT = example_shop.findings()[0].fingerprint
TRACE = f"/traces/{example_shop.TRACE_ID}"
PATHS = ("/", "/traces", TRACE, "/findings", f"/findings/{FINGERPRINT}", "/services", "/services/pricing", "/logs", "/status", "/runbooks")  # fmt: skip
TWINS = ("/index.json", *(f"{path}.json" for path in PATHS[1:]))


def test_the_table_of_pages_is_what_is_tested_here() -> None:
    assert len(PAGES) == len(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_names_its_twin_and_its_place_in_the_navigation(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.count('aria-current="page"') == 1
    twin = "/index.json" if path == "/" else f"{path}.json"
    assert f'<link rel="alternate" type="application/json" href="{twin}">' in answer.text
    assert client.get(twin).status_code == 200


@pytest.mark.parametrize("path", [*PATHS, *TWINS, "/nope", "/static/js/page.js", "/sign-in", "/api/services"])
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert {name.decode(): headers[name.decode()] for name, _ in HEADERS} == {
        name.decode(): value.decode() for name, value in HEADERS
    }


@pytest.mark.parametrize("path", PATHS)
def test_no_page_has_an_inline_script_or_style(client: TestClient, path: str) -> None:
    text = client.get(path).text
    assert " style=" not in text
    assert "<style" not in text
    assert text.count("<script") == text.count('<script src="/static/')


@pytest.mark.parametrize("path", PATHS)
def test_a_page_with_all_it_loads_is_below_150_kb(client: TestClient, path: str) -> None:
    page = client.get(path).text
    weight = len(gzip.compress(page.encode()))
    scripts = [file for file in STATIC.rglob("*") if file.suffix in (".js", ".css", ".svg")]
    weight += sum(len(gzip.compress(file.read_bytes())) for file in scripts)
    if path == TRACE:
        weight += len(gzip.compress(client.get(f"{TRACE}/rows.json").content))
    assert weight < 150_000


def test_the_twin_of_the_overview_says_what_hurts(client: TestClient) -> None:
    twin = client.get("/index.json").json()
    assert [service["service"] for service in twin["services"]] == [
        "inventory",
        "pricing",
        "storefront",
        "worker",
    ]
    assert [finding["severity"] for finding in twin["findings"]] == ["critical", "important", "normal", "low"]
    assert twin["open_findings"] == 4
    assert twin["services"][2]["framework"] == "Django 5.2.8"
    assert len(twin["services"][0]["buckets"]) == 30


def test_the_twin_of_a_trace_is_whole_and_raw(client: TestClient) -> None:
    twin = client.get(f"{TRACE}.json").json()
    trace = example_shop.checkout()
    by_id = {span.span_id: span for span in trace.spans}
    assert {span["span_id"]: span_from_json(span) for span in twin["spans"]} == by_id
    assert tuple(log_from_json(record) for record in twin["logs"]) == trace.logs
    assert [finding["check"] for finding in twin["findings"]] == [
        "missing-timeout",
        "n-plus-one-db",
        "n-plus-one-http",
    ]
    shares = {share["service"]: share["critical_path_ns"] for share in twin["services"]}
    assert sum(shares.values()) == sum(part["end_ns"] - part["start_ns"] for part in twin["critical_path"])
    assert shares["storefront"] > shares["pricing"] > shares["worker"]


def test_the_search_finds_by_service_operation_attribute_error_and_text(client: TestClient) -> None:
    def found(query: str) -> list[str]:
        twin = client.get(f"/traces.json?{query}").json()
        return [summary_from_json(summary).root_name for summary in twin["traces"]]

    assert found("service=worker") == ["POST /checkout"]
    assert found("service=storefront&operation=POST%20/checkout") == ["POST /checkout"]
    assert found("q=db.query.summary%3D%22SELECT+warehouse%22") == ["POST /checkout"]
    assert found("q=worker") == ["POST /checkout"]
    assert found("min=1s") == ["POST /checkout"]
    assert len(found("error=1")) == 4
    assert found("q=auth_user") == ["POST /checkout"]
    assert found("q=nothing+like+that") == []
    assert found("order=slowest&limit=1") == ["POST /checkout"]


def test_an_attribute_that_no_span_has_is_said_with_the_nearest_names(client: TestClient) -> None:
    text = client.get("/traces", params={"q": "http.rout=/stock"}).text
    assert "No recent span here has an attribute http.rout; there is http.route" in text
    hints = client.get("/traces.json", params={"q": "status_code=777"}).json()["hints"]
    assert hints == ["No recent span here has an attribute status_code; there is http.response.status_code."]
    assert client.get("/traces.json", params={"q": "http.route=/none"}).json()["hints"] == []


def test_pages_of_the_search_follow_each_other_without_repeats(client: TestClient) -> None:
    first = client.get("/traces.json?limit=20").json()
    second = client.get(f"/traces.json?limit=20&cursor={first['next_cursor']}").json()
    ids = [summary["trace_id"] for summary in first["traces"] + second["traces"]]
    assert len(ids) == len(set(ids)) == 25
    assert second["next_cursor"] == ""


def test_findings_come_worst_first_and_can_be_filtered(client: TestClient) -> None:
    def titles(query: str) -> list[str]:
        return [
            from_json(finding).title for finding in client.get(f"/findings.json?{query}").json()["findings"]
        ]

    assert titles("")[0] == "POST to api.payments.example without a timeout"
    assert titles("pitfall=P2") == ["Flask 3.1.2 in inventory, 3.0.3 in pricing"]
    assert titles("service=inventory&severity=important") == ["42 queries where 2 would do"]
    assert titles("state=suppressed") == []


def test_the_page_of_a_finding_has_the_sentence_the_place_the_fix_and_how_to_suppress(
    client: TestClient,
) -> None:
    text = client.get(f"/findings/{FINGERPRINT}").text
    for part in (
        "42 queries where 2 would do",
        "inventory/views.py:31",
        "320 ms of queries",
        '<span class="new">+     select(StockItem).options(joinedload(StockItem.warehouse))</span>',
        "# tracestitch: ignore[n-plus-one-db] reason",
        f'href="/traces/{example_shop.TRACE_ID}?span=',
    ):
        assert part in text


def test_logs_are_filtered_by_level_service_text_and_trace(client: TestClient) -> None:
    def bodies(query: str) -> list[str]:
        return [record["body"] for record in client.get(f"/logs.json?{query}").json()["logs"]]

    assert bodies("level=error&service=pricing")[0] == "payment gateway closed the connection"
    assert bodies("text=STOCK+lookup") == ["slow stock lookup for 41 items"]
    assert len(bodies(f"trace={example_shop.TRACE_ID}")) == 18


def test_status_shows_every_loss_and_problem(client: TestClient, tmp_path: Path) -> None:
    status = StatusFile(tmp_path / "status", "receiver", clock_ns=lambda: example_shop.NOW_NS)
    status.write(
        Report(
            counters={
                'tracestitch_receiver_refused_total{signal="traces",transport="http",reason="too large"}': 3,
                'tracestitch_receiver_dropped_total{signal="metrics",reason="not stored"}': 7,
                'tracestitch_receiver_accepted_total{signal="traces",transport="http"}': 100,
            },
            problems=("The disk is full: free some space.",),
        )
    )
    twin = client.get("/status.json").json()
    assert [(loss["why"], loss["count"], loss["fate"]) for loss in twin["lost"]] == [
        ("traces, http, too large", 3, "lost"),
        ("metrics, not stored", 7, "by design"),
    ]
    assert twin["problems"] == [{"process": "receiver", "text": "The disk is full: free some space."}]
    page = client.get("/status").text
    for part in ("too large", "not stored", "The disk is full", "tracestitch_receiver_accepted_total"):
        assert part in page
    assert client.get("/index.json").json()["lost"] == 3


def test_status_shows_what_was_set_aside_and_how_to_try_it_again(client: TestClient, tmp_path: Path) -> None:
    assert "Set aside" not in client.get("/status").text
    reason = "document_parsing_exception: <b>no</b> text under [attributes.user]"
    DeadLetters(tmp_path / FOLDER).put_rejected(
        [Rejected(signal="logs", reason=reason, document="{}", identity="here")], example_shop.NOW_NS
    )
    (letter,) = client.get("/status.json").json()["dead_letters"]
    assert (letter["signal"], letter["reason"], letter["whole_request"]) == ("logs", reason, False)
    page = client.get("/status").text
    assert letter["id"] in page
    assert "&lt;b&gt;no&lt;/b&gt; text under" in page
    assert "tracestitch deadletter replay" in page


def test_a_silent_process_is_a_problem(client: TestClient, tmp_path: Path) -> None:
    long_ago = example_shop.NOW_NS - 60 * 10**9
    StatusFile(tmp_path / "status", "pipeline", clock_ns=lambda: long_ago).write(Report())
    assert client.get("/status.json").json()["problems"] == [
        {"process": "pipeline", "text": "has said nothing since 1 min ago"}
    ]


def test_the_time_range_goes_along_with_every_link_of_the_bar(client: TestClient) -> None:
    text = client.get("/findings?range=24h").text
    assert 'href="/traces?range=24h"' in text
    assert '<option value="24h" selected>' in text


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nope", 404, "There is no page at /nope"),
        ("/map", 404, "There is no page"),
        (f"/traces/{'0' * 31}1", 404, "There is no trace"),
        ("/traces/zz", 400, "is not a trace id"),
        (f"/traces/{example_shop.TRACE_ID}?tab=nope", 400, "There is no tab"),
        (f"/traces/{example_shop.TRACE_ID}?zoom=9-3", 400, "The zoom is"),
        (f"/traces/{example_shop.TRACE_ID}/panel?span=nope", 404, "has no row"),
        ("/findings/00", 404, "There is no finding"),
        ("/findings?severity=worse", 400, "it is one of"),
        ("/services/nobody", 404, "Nothing arrived from a service"),
        ("/traces?range=3x", 400, "The range is"),
        ("/traces?min=soon", 400, "A duration is"),
        ("/traces?limit=0", 400, "whole number"),
        ("/traces?limit=99999999999999999999", 400, "whole number"),
        ("/logs?trace=zz", 400, "is not a trace id"),
        ("/logs?cursor=zz", 400, "“cursor” is “zz”"),
        ("/traces?cursor=7", 400, "“cursor” is “7”"),
        ("/traces?sevice=a&service=b&x=", 400, "This page knows no “sevice”, “x”"),
        (f"/traces/{example_shop.TRACE_ID}?spam=1", 400, "knows no “spam”"),
        ("/status?cursor=1", 400, "knows no “cursor”"),
    ],
)
def test_what_cannot_be_answered_is_said_on_a_page_of_its_own(
    client: TestClient, path: str, status: int, said: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert said in answer.text
    assert '<nav class="pages"' in answer.text


def test_a_twin_says_it_as_json(client: TestClient) -> None:
    answer = client.get("/traces/zz.json")
    assert answer.status_code == 400
    assert answer.json()["error"] == "That address does not make sense"
    assert client.get("/nope.json").json()["error"] == "Not found"
    for page in ("/traces", "/logs"):
        bad, unknown = client.get(f"{page}.json?cursor=x"), client.get(f"{page}.json?colour=red")
        assert (bad.status_code, unknown.status_code) == (400, 400)
        assert "knows no “colour”" in unknown.json()["detail"]


def test_a_store_that_is_away_is_said_with_503(client: TestClient, store: MemoryStore) -> None:
    store.away = "Elasticsearch does not answer at http://127.0.0.1:9200."
    for path in PATHS[:-2]:  # status and runbooks need no store
        answer = client.get(path)
        assert answer.status_code == 503
        assert "Elasticsearch does not answer" in answer.text
    assert client.get("/index.json").json()["error"] == "The store does not answer now"
    status = client.get("/status.json")
    assert status.status_code == 200
    assert status.json()["problems"][0]["text"].startswith("Elasticsearch does not answer")
    assert client.get("/status").status_code == 200


def test_an_empty_store_teaches_the_commands(client: TestClient, store: MemoryStore) -> None:
    store.spans.clear()
    store.logs.clear()
    store.known_inventories.clear()
    text = client.get("/").text
    for command in (
        "pip install tracestitch",
        "tracestitch run python manage.py runserver",
        "tracestitch run flask run --debug",
        "tracestitch run celery -A yourproject worker",
    ):
        assert f'data-copy="{command}"' in text
    assert "data-waiting" in text


def test_the_search_box_leads_to_what_was_named(client: TestClient) -> None:
    def leads(text: str) -> str:
        return client.get("/search", params={"q": text}).headers["location"]

    assert leads(example_shop.TRACE_ID.upper()) == TRACE
    assert leads(FINGERPRINT) == f"/findings/{FINGERPRINT}"
    assert leads("pricing") == "/services/pricing"
    assert leads("db.system.name=redis error") == "/traces?q=db.system.name%3Dredis+error"


@pytest.mark.parametrize(
    "name",
    ["a/b", "a b?c#d", "x.json", "..", ".", "-", "", "ü", "%2e%2e", "<b>", "a\nb", "\r\n", "a//b", "/"],
)
def test_a_service_of_any_name_has_a_page(client: TestClient, store: MemoryStore, name: str) -> None:
    from tests.support.telemetry import span
    from tracestitch_dashboard.addresses import service_path

    store.spans.append(span(service=name, start_ns=example_shop.NOW_NS - 10**9))
    answer = client.get(service_path(name))
    assert answer.status_code == 200
    if name not in ("", "-", ".", "..", "/", "%2e%2e", "x.json"):  # what a browser makes of a typed address
        assert client.get(f"/services/{quote(name, safe='')}").status_code == 200
    assert client.get("/services").status_code == 200


def test_the_json_is_utf_8_and_has_no_nan(client: TestClient, store: MemoryStore) -> None:
    from tests.support.telemetry import TRACE_ID, span

    store.spans.append(span(attributes={"x": float("nan"), "y": float("-inf"), "z": b"\xff", "ü": "ü"}))
    text = client.get(f"/traces/{TRACE_ID}.json").content.decode()
    attributes = json.loads(text, parse_constant=pytest.fail)["spans"][0]["attributes"]
    assert attributes == {"x": {"double": "nan"}, "y": {"double": "-inf"}, "z": {"bytes": "/w=="}, "ü": "ü"}
    assert client.get(f"/traces/{TRACE_ID}/panel?span=b7ad6b7169203331&tab=attributes").status_code == 200


def test_static_files_are_kept_by_version_and_never_without(client: TestClient) -> None:
    assert "immutable" in client.get("/static/css/page.css?v=1").headers["cache-control"]
    assert client.get("/static/css/page.css").headers["cache-control"] == "no-cache"
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/app.py").status_code == 404


def test_only_reading_is_possible(client: TestClient) -> None:
    for path in ("/", "/findings", "/api/traces"):
        assert client.post(path).status_code == 405


def test_what_doctor_sent_is_in_no_list_of_services_and_is_found_by_its_name(
    client: TestClient, store: MemoryStore
) -> None:
    doctor = TraceBuilder("doctor")
    doctor.server("echo", "/echo", service="tracestitch-doctor")
    store.add(doctor.build())

    for path in ("/", "/services", "/index.json", "/services.json"):
        assert "tracestitch-doctor" not in client.get(path).text
    for path in ("/traces", "/logs"):
        choices = re.findall(r"<option[^>]*>", client.get(path).text)
        assert any("storefront" in choice for choice in choices)
        assert not any("tracestitch-doctor" in choice for choice in choices)
    assert client.get("/services/tracestitch-doctor").status_code == 200
    assert client.get("/traces.json?service=tracestitch-doctor").json()["traces"]

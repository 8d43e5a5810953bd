"""What Kibana is given: shaped as it exports such objects, closed in itself, over fields that exist, and with queries that find
the shop's data in a real Elasticsearch. No Kibana can be had here; its APIs are a fake that records what it is asked.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from elasticsearch import Elasticsearch

from tests.support.dashboard import running
from tests.support.elasticsearch import elasticsearch_url, fresh_settings
from tests.support.example_shop import NOW_NS, TRACE_ID, store
from tests.support.telemetry import batch
from tracestitch_collector.kibana import command, objects, rules
from tracestitch_collector.settings import Settings
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore

__all__ = ["elasticsearch_url"]  # a fixture

NDJSON = Path(__file__).parents[2] / "stack" / "kibana" / "tracestitch.ndjson"
SAVED: dict[str, Any] = {
    "type": "object",
    "required": ["type", "id", "attributes", "references", "coreMigrationVersion", "typeMigrationVersion"],
    "properties": {
        "id": {"type": "string", "pattern": "^tracestitch-[a-z-]+$"},
        "references": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "name", "type"],
                "additionalProperties": {"type": "string"},
            },
        },
    },
}
ATTRIBUTES: Mapping[str, dict[str, Any]] = {
    "index-pattern": {
        "title": "string",
        "timeFieldName": "string",
        "fieldFormatMap": "json",
        "fields": "json",
    },
    "search": {"title": "string", "columns": "array", "sort": "array", "kibanaSavedObjectMeta": "object"},
    "visualization": {
        "title": "string",
        "visState": "json",
        "uiStateJSON": "json",
        "kibanaSavedObjectMeta": "object",
    },
    "dashboard": {
        "title": "string",
        "panelsJSON": "json",
        "optionsJSON": "json",
        "kibanaSavedObjectMeta": "object",
    },
}


def attributes(saved: dict[str, Any]) -> dict[str, Any]:
    """With what is JSON within JSON taken out of it."""
    return {
        name: json.loads(value) if ATTRIBUTES[saved["type"]].get(name) == "json" else value
        for name, value in saved["attributes"].items()
    }


def source(saved: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    return found


def test_the_file_for_kibanas_own_import_is_what_the_command_imports() -> None:
    assert NDJSON.read_text(encoding="utf-8") == objects.ndjson(), "run make docs"


def test_every_object_has_the_shape_of_its_kind() -> None:
    for saved in objects.objects():
        jsonschema.validate(saved, SAVED)
        wanted = ATTRIBUTES[saved["type"]]
        kinds = {name: kind if kind != "json" else "string" for name, kind in wanted.items()}
        schema = {
            "required": list(wanted),
            "properties": {name: {"type": kind} for name, kind in kinds.items()},
        }
        jsonschema.validate(saved["attributes"], schema)
        attributes(saved)


def test_every_reference_leads_to_an_object_and_every_panel_has_one() -> None:
    known = {(saved["type"], saved["id"]) for saved in objects.objects()}
    assert len(known) == len(objects.objects())
    for saved in objects.objects():
        names = {reference["name"] for reference in saved["references"]}
        assert {(reference["type"], reference["id"]) for reference in saved["references"]} <= known
        if saved["type"] == "dashboard":
            panels = attributes(saved)["panelsJSON"]
            assert {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels} == names
            assert all(panel["gridData"]["x"] + panel["gridData"]["w"] <= 48 for panel in panels)
        elif saved["type"] != "index-pattern":
            assert source(saved)["indexRefName"] in names


def test_links_lead_to_the_dashboard_that_the_import_names() -> None:
    (view,) = (
        saved
        for saved in objects.objects("https://traces.example.org/")
        if saved["id"] == "tracestitch-traces"
    )
    formats = attributes(view)["fieldFormatMap"]
    assert formats["trace_id"]["params"]["urlTemplate"] == "https://traces.example.org/traces/{{value}}"


@pytest.fixture(scope="module")
def written(
    elasticsearch_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Elasticsearch, str]]:
    """A server with the example shop in streams of this test; its client and their namespace."""
    settings = fresh_settings(elasticsearch_url, tmp_path_factory.mktemp("kibana"))
    target = ElasticsearchStore.open(settings, write=True)
    shop = store()
    target.write(batch(shop.spans, shop.logs, shop.known_findings))
    target.sync()
    client = connect(settings)
    client.indices.refresh(index=f"*-{settings.namespace}")
    yield client, settings.namespace
    client.close()
    target.close()


def within(indices: str, namespace: str) -> str:
    """The same indices, of this test's namespace only."""
    return indices.removesuffix("*") + namespace


@pytest.mark.server
def test_every_field_that_is_shown_counted_or_linked_exists_in_the_mapping(
    written: tuple[Elasticsearch, str],
) -> None:
    client, namespace = written
    views = {
        saved["id"]: attributes(saved) for saved in objects.objects() if saved["type"] == "index-pattern"
    }
    for saved in objects.objects():
        view = next((ref["id"] for ref in saved["references"] if ref["type"] == "index-pattern"), saved["id"])
        if saved["type"] == "dashboard":
            continue
        index = within(views[view]["title"], namespace)
        known = set(client.field_caps(index=index, fields="*")["fields"])
        assert fields(saved) <= known, saved["id"]


def fields(saved: dict[str, Any]) -> set[str]:
    found = attributes(saved)
    match saved["type"]:
        case "index-pattern":
            return {found["timeFieldName"], *found["fieldFormatMap"]}
        case "search":
            named = set(found["columns"])
        case _:
            named = {
                each["params"]["field"] for each in found["visState"]["aggs"] if "field" in each["params"]
            }
    return named | set(
        re.findall(r"([\w.@]+):(?!exception|\*)", source(saved)["query"]["query"].replace("_exists_:", ""))
    )


@pytest.mark.server
def test_every_query_and_chart_finds_the_shops_data(written: tuple[Elasticsearch, str]) -> None:
    client, namespace = written
    views = {
        saved["id"]: saved["attributes"]["title"]
        for saved in objects.objects()
        if saved["type"] == "index-pattern"
    }
    for saved in objects.objects():
        if saved["type"] in ("search", "visualization"):
            query = source(saved)["query"]
            assert query["language"] == "lucene"
            answer = client.search(
                index=within(views[saved["references"][0]["id"]], namespace),
                query={"query_string": {"query": query["query"]}},
                aggs=aggregations(attributes(saved)["visState"]["aggs"])
                if saved["type"] == "visualization"
                else None,
                size=1,
            )
            assert answer["hits"]["total"]["value"] > 0, saved["id"]
            for buckets in answer.get("aggregations", {}).values():
                assert buckets.get("buckets", True), saved["id"]


def aggregations(listed: list[dict[str, Any]]) -> dict[str, Any] | None:
    """As Kibana asks for a chart of aggregations: the buckets within one another, the metric within the last."""
    metric, buckets = listed[0], listed[1:]
    inner: dict[str, Any] = {"1": {metric["type"]: metric["params"]}} if metric["type"] != "count" else {}
    for bucket in reversed(buckets):
        inner = {bucket["id"]: _bucket(bucket, inner)}
    return inner or None


def _bucket(bucket: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    parameters = bucket["params"]
    if bucket["type"] == "date_histogram":
        body = {"field": parameters["field"], "fixed_interval": "1h"}
    else:
        body = {
            "field": parameters["field"],
            "size": parameters["size"],
            "order": {"_count": parameters["order"]},
        }
    return {bucket["type"]: body, **({"aggs": inner} if inner else {})}


@pytest.mark.server
def test_every_rules_query_finds_the_shops_data_and_its_group_is_a_keyword(
    written: tuple[Elasticsearch, str],
) -> None:
    client, namespace = written
    for rule in rules.RULES:
        index = within(rule.indices, namespace)
        answer = client.search(index=index, query=rules.query(rule), size=0)
        assert answer["hits"]["total"]["value"] > 0, rule.name
        if rule.by:
            caps = client.field_caps(index=index, fields=rule.by)["fields"][rule.by]
            assert all(kind["aggregatable"] for kind in caps.values()), rule.name


@contextmanager
def fake_kibana(refuses: str = "") -> Iterator[tuple[str, list[tuple[str, str, bytes]], dict[str, str]]]:
    """Answers as Kibana's documentation says; a fake, since none can be had. Yields its address and what it was asked."""
    asked: list[tuple[str, str, bytes]] = []
    made: set[str] = set()
    headers: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._take()

        def do_POST(self) -> None:
            self._take()

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked.append((self.command, self.path, body))
            headers.update({key.lower(): value for key, value in self.headers.items()})
            if "_import" in self.path:
                count = body.count(b'"coreMigrationVersion"')
                errors = [{"type": "search", "id": refuses, "error": {"type": "unknown"}}] if refuses else []
                self._answer(
                    200, {"success": not errors, "successCount": count - len(errors), "errors": errors}
                )
            elif self.command == "GET":
                self._answer(200 if self.path in made else 404, {})
            else:
                made.add(self.path)
                self._answer(200, {})

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked, headers
    finally:
        server.shutdown()
        server.server_close()


def test_one_command_imports_objects_and_makes_each_rule_once(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_kibana() as (url, asked, headers):
        environment = {
            "TRACESTITCH_KIBANA_API_KEY": "a2V5",
            "TRACESTITCH_PUBLIC_URL": "https://traces.example.org",
        }
        codes = [command.kibana(["import", "--url", url, "--space", "team a"], environment) for _ in range(2)]

    assert codes == [0, 0]
    imports = [
        body for _, path, body in asked if path == "/s/team%20a/api/saved_objects/_import?overwrite=true"
    ]
    assert len(imports) == 2
    assert b"https://traces.example.org/traces/{{value}}" in imports[0]
    posted = [
        json.loads(body) for method, path, body in asked if method == "POST" and "/api/alerting/rule/" in path
    ]
    assert [rule["name"] for rule in posted] == [rule.name for rule in rules.RULES]
    assert (headers["kbn-xsrf"], headers["authorization"]) == ("tracestitch", "ApiKey a2V5")
    assert "there already, left as it is" in capsys.readouterr().out


def test_an_object_that_kibana_refuses_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with fake_kibana(refuses="tracestitch-error-logs") as (url, _, _):
        assert command.kibana(["import", "--url", url], {}) == 1
    said = capsys.readouterr()
    assert "search tracestitch-error-logs: not taken" in said.out
    assert "did not take 1 objects" in said.err


def test_a_kibana_that_is_not_there_is_said_with_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.kibana(["import", "--url", "http://127.0.0.1:9"], {}) == 1
    assert "Kibana at http://127.0.0.1:9 does not answer" in capsys.readouterr().err
    assert command.kibana(["import", "--url", "127.0.0.1:5601"], {}) == 78


def test_a_timeline_links_to_its_trace_in_kibana_and_only_where_there_is_one(tmp_path: Path) -> None:
    linked = Settings(data=tmp_path, kibana_url="https://kibana.example.org")
    pages = []
    for settings in (linked, Settings(data=tmp_path)):
        with running(store(), settings, lambda: NOW_NS) as address:
            pages.append(urllib.request.urlopen(f"{address}/traces/{TRACE_ID}").read().decode())
    apm, discover = re.findall(r'href="(https://kibana[^"]+)"', pages[0])
    assert apm.startswith(f"https://kibana.example.org/app/apm/link-to/trace/{TRACE_ID}?rangeFrom=20")
    assert f"query:'trace_id:\"{TRACE_ID}\"'" in urllib.parse.unquote(discover).replace("&#39;", "'").replace(
        "&#34;", '"'
    )
    assert "kibana" not in pages[1].lower()

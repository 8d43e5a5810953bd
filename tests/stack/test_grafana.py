"""What Grafana is given: closed in itself, every expression finds data in a real Prometheus that scrapes a collector, and
the data sources on Elasticsearch find documents in a real one. No Grafana can be had here; test_jaeger_calls.py of the
dashboard replays what it asks for traces.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import grafana
from tests.support.elasticsearch import elasticsearch_url, fresh_settings
from tests.support.example_shop import TRACE_ID, store
from tests.support.grafana_boards import BOARDS
from tests.support.prometheus import free_port, promtool, tool
from tests.support.server import Server, eventually, serving
from tests.support.telemetry import batch
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore

__all__ = ["elasticsearch_url"]  # a fixture

SECOND = 10**9
STACK = Path(__file__).parents[2] / "stack"
SOURCES = yaml.safe_load(
    (STACK / "grafana/provisioning/datasources/tracestitch.yaml").read_text(encoding="utf-8")
)["datasources"]
DOCUMENTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in map(grafana.path, BOARDS)}
VARIABLES = {"$__rate_interval": "1m", "$service": ".*", "$client": ".*", "$server": ".*", "$instance": ".*"}


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in DOCUMENTS.items():
        for panel in document["panels"]:
            yield f"{name}: {panel['title']}", panel


def expressions() -> dict[str, str]:
    """As Prometheus gets them, by where they stand."""
    found = {}
    for name, panel in panels():
        for target in panel["targets"]:
            if "expr" in target:
                text = target["expr"]
                for variable, value in VARIABLES.items():
                    text = text.replace(variable, value)
                found[f"{name} {target['refId']}"] = text
    return found


def values(found: Any, key: str) -> Iterator[Any]:
    """Of every such key, however deep."""
    if isinstance(found, dict):
        if key in found:
            yield found[key]
        yield from itertools.chain.from_iterable(values(each, key) for each in found.values())
    elif isinstance(found, list):
        yield from itertools.chain.from_iterable(values(each, key) for each in found)


def test_the_dashboards_are_what_the_tables_say() -> None:
    for board in BOARDS:
        assert grafana.path(board).read_text(encoding="utf-8") == grafana.text(board), "run make docs"
    assert set(grafana.FOLDER.glob("dashboards/*")) == {grafana.path(board) for board in BOARDS}


def test_every_data_source_that_is_named_is_provisioned_with_that_type() -> None:
    known = {source["uid"]: source["type"] for source in SOURCES}
    assert len(known) == len(SOURCES)
    for source in values(list(DOCUMENTS.values()), "datasource"):
        assert known[source["uid"]] == source["type"]
    assert set(values(SOURCES, "datasourceUid")) <= set(known)


def test_every_variable_of_a_dashboard_is_defined_and_no_panel_lies_on_another() -> None:
    for name, document in DOCUMENTS.items():
        defined = {variable["name"] for variable in document["templating"]["list"]}
        used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(document)))
        assert used <= defined, name
        cells = [
            (place["x"] + x, place["y"] + y)
            for place in values(document["panels"], "gridPos")
            for x in range(place["w"])
            for y in range(place["h"])
        ]
        assert len(cells) == len(set(cells)), name
        assert max(x for x, _ in cells) < 24
        assert document["schemaVersion"] <= 39


def test_names_and_the_token_are_those_of_the_composed_stack() -> None:
    services = yaml.safe_load((STACK / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for source in SOURCES:
        assert urllib.parse.urlsplit(source["url"]).hostname in services
    (token,) = values(SOURCES, "httpHeaderValue1")
    assert token == "Bearer $TRACESTITCH_TOKEN"
    assert "TRACESTITCH_TOKEN" in services["grafana"]["environment"]
    providers = yaml.safe_load(
        (STACK / "grafana/provisioning/dashboards/tracestitch.yaml").read_text(encoding="utf-8")
    )["providers"]
    mounts = {mount.split(":")[1] for mount in services["grafana"]["volumes"]}
    assert {provider["options"]["path"] for provider in providers} <= mounts


def test_what_is_to_be_left_to_grafana_is_not_taken_for_the_environments() -> None:
    """Grafana expands `$NAME` in these files; `$$` stands for a dollar."""
    text = (STACK / "grafana/provisioning/datasources/tracestitch.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"(?<!\$)\$(?!\$)\{?(\w+)", text)) == {"TRACESTITCH_TOKEN"}


@pytest.mark.processes
def test_promtool_takes_every_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions().values())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    code, said = promtool("check", "rules", str(file))
    assert code == 0, said
    assert f"{len(rules)} rules found" in said


def attribute(key: str, value: str | bool | int) -> dict[str, Any]:
    kinds = {bool: "boolValue", int: "intValue", str: "stringValue"}
    return {"key": key, "value": {kinds[type(value)]: value}}


def span(number: int, name: str, kind: int, now_ns: int, parent: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "traceId": f"{now_ns:032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(now_ns - (10 - number) * 10_000_000),
        "endTimeUnixNano": str(now_ns),
        **more,
    }


def of(service: str, *spans: dict[str, Any]) -> dict[str, Any]:
    return {
        "resource": {"attributes": [attribute("service.name", service)]},
        "scopeSpans": [{"spans": list(spans)}],
    }


def checkout(now_ns: int) -> dict[str, Any]:
    """Storefront calls pricing without a timeout, pricing asks its database and fails."""
    without_timeout = [
        attribute("tracestitch.http.client", "requests"),
        attribute("tracestitch.timeout.missing", True),
        attribute("code.file.path", "/app/cart.py"),
        attribute("code.line.number", 25),
        attribute("url.full", "http://pricing/charges"),
        attribute("http.request.method", "POST"),
    ]
    query = [attribute("db.system.name", "postgresql"), attribute("db.namespace", "prices")]
    failed: dict[str, Any] = {"status": {"code": 2, "message": "declined"}}
    return {
        "resourceSpans": [
            of(
                "storefront",
                span(1, "POST /checkout", 2, now_ns, **failed),
                span(2, "POST", 3, now_ns, 1, attributes=without_timeout, **failed),
            ),
            of(
                "pricing",
                span(3, "POST /charges", 2, now_ns, 2, **failed),
                span(4, "SELECT prices", 3, now_ns, 3, attributes=query),
            ),
        ]
    }


def log_line(now_ns: int) -> dict[str, Any]:
    record = {"timeUnixNano": str(now_ns), "severityNumber": 17, "body": {"stringValue": "declined"}}
    resource = {"attributes": [attribute("service.name", "pricing")]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}


def post(url: str, document: Any) -> Any:
    body = json.dumps(document).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@contextmanager
def prometheus(folder: Path, server: Server) -> Iterator[str]:
    """The shipped scrape configuration, every second; yields its address."""
    document = yaml.safe_load((STACK / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    document["global"] = {"scrape_interval": "1s"}
    document["rule_files"] = []
    del document["alerting"]
    target = server.otlp_http.removeprefix("http://")
    document["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    config, port = folder / "prometheus.yml", free_port()
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    command = (
        tool("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def get(url: str, **query: str) -> Any:
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
        return json.load(answer)["data"]


@pytest.mark.server
@pytest.mark.processes
@pytest.mark.timeout(240)
def test_every_panel_and_every_choice_has_data_in_a_real_prometheus(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server, prometheus(tmp_path, server) as api:
        waiting = expressions()
        choices = {
            variable["query"]["query"]
            for document in DOCUMENTS.values()
            for variable in document["templating"]["list"]
        }

        def all_answered() -> bool:
            """Traffic goes on while there is something that has no data yet: a rate needs two samples that differ."""
            post(f"{server.otlp_http}/v1/traces", checkout(time.time_ns()))
            post(f"{server.otlp_http}/v1/logs", log_line(time.time_ns()))
            for name, text in list(waiting.items()):
                found = get(f"{api}/query", query=text)["result"]
                if any(float(series["value"][1]) >= 0 for series in found):
                    del waiting[name]
            for choice in list(choices):
                metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", choice).groups()  # type: ignore[union-attr]  # a test fails where it does not fit
                if get(f"{api}/label/{label}/values", **{"match[]": metric}):
                    choices.discard(choice)
            time.sleep(0.5)
            return not waiting and not choices

        try:
            eventually(all_answered, 120)
        except AssertionError:
            pytest.fail(f"no data for {waiting} {choices}")


@pytest.mark.server
def test_the_sources_on_elasticsearch_find_documents_by_the_fields_they_name(
    elasticsearch_url: str, tmp_path: Path
) -> None:
    """Asks as Grafana does for logs: the newest of a query, counted over time by a histogram."""
    settings = fresh_settings(elasticsearch_url, tmp_path)
    target = ElasticsearchStore.open(settings, write=True)
    shop = store()
    target.write(batch(shop.spans, shop.logs))
    target.sync()
    client = connect(settings)
    client.indices.refresh(index=f"*-{settings.namespace}")
    for source in (source for source in SOURCES if source["type"] == "elasticsearch"):
        named = source["jsonData"]
        index = named["index"].removesuffix("*") + settings.namespace
        fields = {named["timeField"], named["logMessageField"], named["logLevelField"]}
        links = {link["field"] for link in named["dataLinks"]}
        assert fields | links <= set(client.field_caps(index=index, fields="*")["fields"])
        answer = client.search(
            index=index,
            query={
                "bool": {
                    "filter": [
                        {"range": {named["timeField"]: {"gte": 0, "format": "epoch_millis"}}},
                        {"query_string": {"analyze_wildcard": True, "query": f'trace_id:"{TRACE_ID}"'}},
                    ]
                }
            },
            sort=[{named["timeField"]: {"order": "desc", "unmapped_type": "boolean"}}],
            aggs={"2": {"date_histogram": {"field": named["timeField"], "fixed_interval": "10s"}}},
            size=10,
        )
        document = answer["hits"]["hits"][0]["_source"]
        assert {document[field] for field in links} == {TRACE_ID}
        assert answer["aggregations"]["2"]["buckets"]
    client.close()
    target.close()

"""What operators get: rules and configuration as Prometheus' own tools see them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.prometheus import promtool, tool
from tracestitch_collector.outputs.prometheus import Aggregator, PipelineMetrics

STACK = Path(__file__).parents[2] / "stack"
RULES = sorted((STACK / "prometheus" / "rules").glob("*.yml"))
RULE_TESTS = sorted((STACK / "prometheus" / "tests").glob("*.yml"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in read(path)["groups"]:
            yield from group["rules"]


@pytest.mark.server
def test_prometheus_takes_its_configuration_and_all_rules() -> None:
    code, said = promtool("check", "config", "--lint=all", str(STACK / "prometheus" / "prometheus.yml"))
    assert code == 0, said
    assert f"{len(RULES)} rule files found" in said


@pytest.mark.server
def test_prometheus_takes_the_configuration_of_compose() -> None:
    # Its syntax only: the token's file is where compose puts it.
    path = str(STACK / "prometheus" / "prometheus-compose.yml")
    code, said = promtool("check", "config", "--syntax-only", path)
    assert code == 0, said


@pytest.mark.server
def test_alertmanager_takes_its_configuration() -> None:
    command = [tool("amtool"), "check-config", str(STACK / "alertmanager" / "alertmanager.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.server
def test_rules_fire_and_stay_silent_when_they_should() -> None:
    code, said = promtool("test", "rules", *map(str, RULE_TESTS))
    assert code == 0, said
    assert said.count("SUCCESS") == len(RULE_TESTS)


def test_every_alert_is_tested() -> None:
    tested = "\n".join(path.read_text(encoding="utf-8") for path in RULE_TESTS)
    untested = {rule["alert"] for rule in rules() if "alert" in rule and rule["alert"] not in tested}
    assert untested == set()


def test_every_alert_has_a_severity_a_summary_and_a_link() -> None:
    for rule in rules():
        if "alert" in rule and rule["alert"] != "Watchdog":
            assert rule["labels"]["severity"]
            assert {"summary", "dashboard_url"} <= rule["annotations"].keys(), rule["alert"]


def test_rules_use_only_metrics_that_are_exposed_or_recorded() -> None:
    exposed = {metric.name for each in (Aggregator(), PipelineMetrics()) for metric in each.collect()}
    for rule in rules():
        for name in re.findall(r"\b((?:traces|tracestitch)_\w+)", rule["expr"]):
            if name.startswith("tracestitch_receiver_") or f":{name}" in rule["expr"]:
                continue
            assert re.sub(r"_(total|bucket|count|sum)$", "", name) in exposed, name


def test_the_reference_page_names_every_metric() -> None:
    page = (STACK.parent / "docs" / "prometheus.md").read_text(encoding="utf-8")
    for each in (Aggregator(), PipelineMetrics()):
        for metric in each.collect():
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            assert f"`{name}`" in page, name

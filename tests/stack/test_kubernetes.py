"""The Kubernetes files as kustomize renders them: taken by the API server's published schemas, closed in themselves, and
their containers run here, as the user, with the settings and on the read-only root that they say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml

from tests.support import container as engine
from tests.support.container import Container
from tests.support.kubernetes import KUBERNETES, RULE_FILE, Document, operator_errors, prometheus_rule, render
from tests.support.parts import missing
from tracestitch_collector.settings import TABLE

OVERLAYS = ("overlays/embedded", "overlays/elasticsearch")
RENDERED = (*OVERLAYS, "instrument")
KUBERNETES_VERSION = "1.34"
SECRETS = {
    "tracestitch": {"token": "a-token-for-this-test-only"},
    "tracestitch-elasticsearch": {"writer": "d3JpdGVy", "reader": "cmVhZGVy", "checks": "Y2hlY2tz"},
}
"""That docs/kubernetes.md has people make."""

pytestmark = pytest.mark.server


def workloads(documents: Sequence[Document]) -> list[Document]:
    return [document for document in documents if document["kind"] in ("Deployment", "StatefulSet")]


def pods(documents: Sequence[Document]) -> Iterator[tuple[str, dict[str, str], Document]]:
    """Name, labels and spec of each."""
    for document in workloads(documents):
        template = document["spec"]["template"]
        yield document["metadata"]["name"], template["metadata"]["labels"], template["spec"]


def errors(document: Document) -> str:
    try:
        kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{document['kind']} {document['metadata']['name']}: {error}"
    return ""


@pytest.mark.parametrize("folder", RENDERED)
def test_every_object_is_what_the_api_server_publishes(folder: str) -> None:
    assert [error for document in render(KUBERNETES / folder) if (error := errors(document))] == []


def test_the_schemas_know_a_mistake_when_they_see_one() -> None:
    collector = workloads(render(KUBERNETES / "overlays/embedded"))[0]
    collector["spec"]["template"]["spec"]["containers"][0]["readinessprobe"] = {}
    assert "readinessprobe" in errors(collector)

    monitor = yaml.safe_load((KUBERNETES / "components/monitoring/service-monitor.yaml").read_text())
    monitor["spec"]["endpoints"][0]["portname"] = "otlp-http"
    assert any("portname" in error for error in operator_errors(monitor))


@pytest.mark.parametrize("name", ["service-monitor", "prometheus-rule"])
def test_the_operators_objects_are_what_the_operator_publishes(name: str) -> None:
    document = yaml.safe_load((KUBERNETES / "components/monitoring" / f"{name}.yaml").read_text())
    assert operator_errors(document) == []


def test_the_operators_rules_are_those_of_prometheus() -> None:
    assert RULE_FILE.read_text(encoding="utf-8") == prometheus_rule(), "run make docs"


@pytest.mark.parametrize("folder", OVERLAYS)
def test_monitoring_can_be_added_to_an_overlay(folder: str, tmp_path: Path) -> None:
    (tmp_path / "kubernetes").symlink_to(KUBERNETES)  # kustomize takes relative paths only
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: tracestitch\n"
        f"resources: [../kubernetes/{folder}]\ncomponents: [../kubernetes/components/monitoring]\n"
    )
    kinds = {document["kind"]: document for document in render(mine)}
    assert kinds["ServiceMonitor"]["metadata"]["namespace"] == "tracestitch"
    assert "PrometheusRule" in kinds


@pytest.mark.parametrize("folder", OVERLAYS)
def test_services_budgets_and_monitors_choose_pods_and_ports_that_exist(folder: str) -> None:
    documents = render(KUBERNETES / folder)
    running = {name: (labels, spec) for name, labels, spec in pods(documents)}

    def chosen(selector: dict[str, str]) -> list[Document]:
        return [spec for labels, spec in running.values() if selector.items() <= labels.items()]

    for document in documents:
        if document["kind"] == "Service":
            (spec,) = chosen(document["spec"]["selector"])
            ports = {port["name"] for each in spec["containers"] for port in each["ports"]}
            assert {port["targetPort"] for port in document["spec"]["ports"]} <= ports, document["metadata"]
        if document["kind"] == "PodDisruptionBudget":
            assert len(chosen(document["spec"]["selector"]["matchLabels"])) == 1, document["metadata"]
        if document["kind"] == "NetworkPolicy":
            assert len(chosen(document["spec"]["podSelector"]["matchLabels"])) == len(running)
        if document["kind"] == "StatefulSet":
            services = {each["metadata"]["name"] for each in documents if each["kind"] == "Service"}
            assert document["spec"]["serviceName"] in services


@pytest.mark.parametrize("folder", RENDERED)
def test_pods_are_confined_as_the_restricted_standard_asks(folder: str) -> None:
    for name, _, spec in pods(render(KUBERNETES / folder)):
        ours = spec.get("initContainers", []) if folder == "instrument" else spec["containers"]
        for container in ours:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"], name
            assert not security["allowPrivilegeEscalation"], name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name
        if folder != "instrument":
            assert spec["securityContext"]["runAsNonRoot"]
            assert spec["securityContext"]["runAsUser"] == 10001
            assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
            assert not spec["automountServiceAccountToken"]
            assert not spec["enableServiceLinks"]
            assert all(each["readinessProbe"] and each["livenessProbe"] for each in spec["containers"])


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_setting_is_one_of_the_server_and_every_secret_one_of_the_page(folder: str) -> None:
    page = (KUBERNETES.parents[1] / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    known = {setting.variable for setting in TABLE}
    documents = render(KUBERNETES / folder)
    for name, _, spec in pods(documents):
        for container in spec["containers"]:
            settings = environment(container, documents)
            assert {key for key in settings if key.startswith("TRACESTITCH_")} <= known, name
    for secret, keys in SECRETS.items():
        assert f"generic {secret} " in page
        assert all(f"--from-literal={key}=" in page for key in keys)


def environment(container: Document, documents: Sequence[Document]) -> dict[str, str]:
    """As the kubelet would make it."""
    maps = {each["metadata"]["name"]: each["data"] for each in documents if each["kind"] == "ConfigMap"}
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]
    for entry in container["env"]:
        found[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found.get(name[1], name[0]), _value(entry))
    return found


def _value(entry: dict[str, Any]) -> str:
    source = entry.get("valueFrom")
    if source is None:
        return str(entry["value"])
    if "secretKeyRef" in source:
        return SECRETS[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]
    return {"status.podIP": "127.0.0.1", "metadata.name": "pod-0"}[source["fieldRef"]["fieldPath"]]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (OVERLAYS[0], "collector"),
        (OVERLAYS[1], "collector"),
        (OVERLAYS[1], "checks"),
        (OVERLAYS[1], "dashboard"),
    ],
)
def test_each_container_runs_as_its_file_says_and_its_probes_answer(folder: str, name: str) -> None:
    if not engine.are_namespaces_allowed():
        missing("mount and network namespaces cannot be made here: run as root, or allow them")
    documents = render(KUBERNETES / folder)
    (spec,) = (spec for each, _, spec in pods(documents) if each == name)
    (container,) = spec["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = {
        f"http://127.0.0.1:{ports[probe['httpGet']['port']]}{probe['httpGet']['path']}"
        for kind in ("startupProbe", "readinessProbe", "livenessProbe")
        if (probe := container.get(kind))
    }

    seen = engine.run(
        Container(
            arguments=tuple(container["args"]),
            environment=environment(container, documents),
            user=spec["securityContext"]["runAsUser"],
            writable=tuple(mount["mountPath"] for mount in container["volumeMounts"]),
            probes=tuple(probes),
        )
    )

    assert seen.answers == dict.fromkeys(probes, 200), seen.output
    assert (seen.exit_code, seen.wrote_outside) == (0, False), seen.output


def test_a_patched_pod_has_the_agent_and_keeps_what_it_was() -> None:
    before = yaml.safe_load((KUBERNETES / "instrument/deployment.yaml").read_text(encoding="utf-8"))
    (after,) = render(KUBERNETES / "instrument")
    container = after["spec"]["template"]["spec"]["containers"][0]
    assert before["spec"]["template"]["spec"]["containers"][0].items() <= container.items()
    (init,) = after["spec"]["template"]["spec"]["initContainers"]
    assert init["volumeMounts"][0]["name"] == container["volumeMounts"][0]["name"]
    folder = container["volumeMounts"][0]["mountPath"]
    settings = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert settings["PYTHONPATH"] == f"{folder}/tracestitch/launch"

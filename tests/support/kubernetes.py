"""The Kubernetes files as kustomize renders them, and the schemas they are held against: the API server's own, from
PyPI's kubernetes-validate, and the Prometheus operator's, from its Go module.

`python -m tests.support.kubernetes` rewrites the PrometheusRule from Prometheus' own rule files.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from tests.support.parts import missing

ROOT = Path(__file__).parents[2]
STACK = ROOT / "stack"
KUBERNETES = STACK / "kubernetes"
RULE_FILE = KUBERNETES / "components" / "monitoring" / "prometheus-rule.yaml"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
COMPOSE = "github.com/compose-spec/compose-go/v2@v2.9.0"
TOOLS = ROOT / ".tools" / "kustomize"

Document = dict[str, Any]


@functools.cache
def kustomize() -> str:
    """The real one: on the path, or built once from its Go module."""
    found = shutil.which("kustomize") or shutil.which("kustomize", path=str(TOOLS))
    if found:
        return found
    go = _go()
    done = subprocess.run(
        [go, "install", KUSTOMIZE],
        env={**os.environ, "GOBIN": str(TOOLS), "GOFLAGS": "-mod=mod"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        missing(f"kustomize could not be built from {KUSTOMIZE}: {done.stderr.strip()[-300:]}")
    return str(TOOLS / "kustomize")


def _go() -> str:
    return shutil.which("go") or missing(
        "no go on PATH, to build kustomize and read schemas: install Go 1.24 or newer"
    )


@functools.cache
def module(name: str) -> Path:
    """The folder of a Go module."""
    done = subprocess.run(
        [_go(), "mod", "download", "-json", name],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd="/",
    )
    if done.returncode:
        missing(f"the Go module {name} cannot be had: {done.stdout.strip()[-300:]}")
    return Path(json.loads(done.stdout)["Dir"])


def render(folder: Path) -> list[Document]:
    done = subprocess.run(
        [kustomize(), "build", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # deprecations too
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@functools.cache
def operator_schema(kind: str) -> Document:
    folder = module(OPERATOR) / "example" / "prometheus-operator-crd"
    path = folder / f"monitoring.coreos.com_{kind.lower()}s.yaml"
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    schema: Document = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    closed: Document = _closed(schema)
    return closed


def _closed(schema: Any) -> Any:
    """As the API server takes it with strict field validation: fields that the schema does not know are errors."""
    if isinstance(schema, dict):
        closed = {key: _closed(value) for key, value in schema.items()}
        if "properties" in closed and not schema.get("x-kubernetes-preserve-unknown-fields"):
            closed.setdefault("additionalProperties", False)
        return closed
    return [_closed(each) for each in schema] if isinstance(schema, list) else schema


def operator_errors(document: Document) -> list[str]:
    schema = operator_schema(document["kind"])
    schema["properties"]["metadata"] = {"type": "object"}
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(document)]


def compose_schema() -> Document:
    text = (module(COMPOSE) / "schema" / "compose-spec.json").read_text(encoding="utf-8")
    found: Document = json.loads(text)
    return found


def prometheus_rule() -> str:
    """The rule files of Prometheus as one object of the operator's."""
    files = sorted((STACK / "prometheus" / "rules").glob("*.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "tracestitch"},
        "spec": {"groups": groups},
    }
    head = "# Made by `make docs` from stack/prometheus/rules; change those.\n"
    return head + yaml.safe_dump(document, sort_keys=False, width=4096, allow_unicode=True)


if __name__ == "__main__":
    RULE_FILE.write_text(prometheus_rule(), encoding="utf-8")
    sys.stdout.write(f"wrote {RULE_FILE.relative_to(ROOT)}\n")

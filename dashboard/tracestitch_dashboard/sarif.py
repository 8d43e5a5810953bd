"""Findings as SARIF 2.1.0, which code hosts show beside the line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from tracestitch_collector.checks.catalogue import CHECKS
from tracestitch_collector.checks.finding import PITFALLS, Finding, Severity

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: dict[Severity, str] = {"critical": "error", "important": "error", "normal": "warning", "low": "note"}


def document(findings: Sequence[Finding], version: str) -> dict[str, Any]:
    rules = [_rule(check.ID, check.TITLE, PITFALLS[check.PITFALL]) for check in CHECKS]
    places = {rule["id"]: index for index, rule in enumerate(rules)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "Tracestitch", "version": version, "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, places) for finding in findings],
            }
        ],
    }


def _rule(check: str, title: str, pitfall: str) -> dict[str, Any]:
    return {
        "id": check,
        "name": "".join(word.capitalize() for word in check.split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": f"{title}. Pitfall: {pitfall}."},
        "properties": {"tags": [pitfall]},
    }


def _result(finding: Finding, places: dict[str, int]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.check,
        "level": LEVELS[finding.severity],
        "message": {
            "text": f"{finding.title} ({finding.service} {finding.operation}). "
            f"{finding.impact.text} {finding.fix.text}"
        },
        "partialFingerprints": {"tracestitch/v1": finding.fingerprint},
        "locations": _locations(finding),
        "properties": {
            "service": finding.service,
            "operation": finding.operation,
            "severity": finding.severity,
            "traces": [shown.trace_id for shown in finding.evidence],
        },
    }
    if finding.check in places:
        result["ruleIndex"] = places[finding.check]
    if finding.suppressed_by is not None:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.suppressed_by}]
    return result


def _locations(finding: Finding) -> list[dict[str, Any]]:
    """Nothing where the check has no line: a made-up one would be shown beside innocent code."""
    location = finding.location
    if location is None:
        return []
    artifact: dict[str, Any] = {"uri": quote(location.file.replace("\\", "/"))}
    if PurePath(location.file).is_absolute():
        artifact["uri"] = "file://" + artifact["uri"]
    else:
        artifact["uriBaseId"] = "%SRCROOT%"
    physical = {"artifactLocation": artifact, "region": {"startLine": max(location.line, 1)}}
    if not location.function:
        return [{"physicalLocation": physical}]
    return [
        {
            "physicalLocation": physical,
            "logicalLocations": [{"fullyQualifiedName": location.function, "kind": "function"}],
        }
    ]

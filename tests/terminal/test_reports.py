"""Reports for machines: SARIF, JUnit, baselines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import jsonschema
import pytest

from tests.support.telemetry import finding
from tracestitch_collector.checks.catalogue import CHECKS
from tracestitch_collector.checks.finding import Evidence, Location
from tracestitch_dashboard import baseline, junit, sarif
from tracestitch_dashboard.baseline import BaselineError

HERE = Location(file="shop/views é.py", line=31, function="OrderList.get")
ONE = finding(location=HERE, evidence=(Evidence(trace_id="1" * 32, span_ids=("2" * 16,)),))

# What SARIF 2.1.0 demands of the parts we write (sections 3.13, 3.14, 3.19, 3.27, 3.28, 3.29, 3.35, 3.49).
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
RULES = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string", "format": "uri"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "properties": {
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message", "ruleId"],
                            "properties": {
                                "message": TEXT,
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "partialFingerprints": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                                "suppressions": {
                                    "items": {
                                        "required": ["kind"],
                                        "properties": {"kind": {"enum": ["inSource", "external"]}},
                                    }
                                },
                                "locations": {
                                    "items": {
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "properties": {"uri": {"pattern": "^[!-~]+$"}}
                                                    },
                                                    "region": {
                                                        "properties": {
                                                            "startLine": {"type": "integer", "minimum": 1}
                                                        }
                                                    },
                                                },
                                            }
                                        }
                                    }
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_sarif_keeps_to_the_standards_rules() -> None:
    odd = [
        ONE,
        finding(check="unknown-check"),
        finding(check="debug-exposed", suppressed_by="VPN", location=Location(file="/abs/x.py", line=0)),
    ]
    document = sarif.document(odd, "0.1.0")
    jsonschema.validate(document, RULES)
    first, second, third = document["runs"][0]["results"]
    physical = first["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "shop/views%20%C3%A9.py", "uriBaseId": "%SRCROOT%"}
    assert physical["region"] == {"startLine": 31}
    assert first["level"] == "error"
    assert document["runs"][0]["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == "n-plus-one-db"
    assert first["partialFingerprints"] == {"tracestitch/v1": ONE.fingerprint}
    assert (second["locations"], "ruleIndex" in second) == ([], False)
    assert third["suppressions"] == [{"kind": "inSource", "justification": "VPN"}]
    assert third["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///abs/x.py"}


def test_a_baselined_finding_is_suppressed_from_outside_in_sarif() -> None:
    document = sarif.document(baseline.apply([ONE], {ONE.fingerprint: "later"}), "1")
    assert document["runs"][0]["results"][0]["suppressions"][0]["justification"] == "later"


def test_junit_has_a_case_for_each_finding_and_each_quiet_check() -> None:
    text = junit.document([ONE, finding(fingerprint="b", title="a\x00<b>")], frozenset({"b"}))
    suite = Xml.fromstring(text).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (
        str(len(CHECKS) + 1),
        "1",
        "1",
    )
    cases = [case for case in suite if case.get("classname") == "n-plus-one-db"]
    assert (cases[0].get("file"), cases[0].get("line")) == ("shop/views é.py", "31")
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "a�<b>"


def test_a_baseline_that_is_written_suppresses_what_is_in_it_and_keeps_reasons(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    baseline.write(path, [ONE], {ONE.fingerprint: "until March"})
    known = baseline.read(path)
    other = finding(fingerprint="b")
    first, second = baseline.apply([ONE, other], known)
    assert (first.suppressed_by, second.suppressed_by) == ("until March", None)
    baseline.write(path, [replace(ONE, title="another title"), other], known)
    assert baseline.read(path) == {ONE.fingerprint: "until March", "b": "in the baseline"}


def test_what_is_suppressed_in_the_code_needs_no_baseline(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    baseline.write(path, [replace(ONE, suppressed_by="in code")], {})
    assert baseline.read(path) == {}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 9, "findings": []}', '{"version": 1, "findings": [1]}']
)
def test_a_file_that_is_no_baseline_is_refused_with_a_clear_text(text: str, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(BaselineError, match=r"the baseline .*baseline\.json"):
        baseline.read(path)
    with pytest.raises(BaselineError, match="cannot be read"):
        baseline.read(tmp_path / "missing.json")

"""Findings as JUnit XML, which every CI server shows: one case per finding, one that passes for each check
that found nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from tracestitch_collector.checks.catalogue import CHECKS
from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.traces.code import place

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(findings: Sequence[Finding], failing: frozenset[str]) -> str:
    """`failing` are the fingerprints that fail the gate; the others are reported as skipped."""
    quiet = [check.ID for check in CHECKS if not any(finding.check == check.ID for finding in findings)]
    failed = sum(finding.fingerprint in failing for finding in findings)
    suite = Xml.Element(
        "testsuite",
        name="tracestitch",
        tests=str(len(findings) + len(quiet)),
        failures=str(failed),
        errors="0",
        skipped=str(len(findings) - failed),
    )
    for check in quiet:
        Xml.SubElement(suite, "testcase", classname=check, name="nothing found")
    for finding in findings:
        _case(suite, finding, finding.fingerprint in failing)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _case(suite: Xml.Element, finding: Finding, fails: bool) -> None:
    name = _xml(f"{finding.service} {finding.operation}: {finding.title}")
    case = Xml.SubElement(suite, "testcase", classname=finding.check, name=name)
    if finding.location is not None:
        case.set("file", _xml(finding.location.file))
        case.set("line", str(finding.location.line))
    if fails:
        failure = Xml.SubElement(case, "failure", type=finding.severity, message=_xml(finding.title))
        failure.text = _xml(f"{place(finding.location)}\n{finding.impact.text}\n{finding.fix.text}".strip())
    else:
        reason = finding.suppressed_by or f"{finding.severity}, below the gate"
        Xml.SubElement(case, "skipped", message=_xml(reason))


def _xml(text: str) -> str:
    """XML has no way to write control characters, not even escaped."""
    return _NOT_XML.sub("�", text)

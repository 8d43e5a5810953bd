"""The baseline: a file of findings that were there before and are put up with, kept beside the code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.errors import TracestitchError

VERSION = 1
WITHOUT_REASON = "in the baseline"


class BaselineError(TracestitchError):
    """The file is not what `--write-baseline` writes."""


def read(path: Path) -> Mapping[str, str]:
    """Fingerprint → reason."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BaselineError(f"the baseline {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BaselineError(f"the baseline {path} is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise BaselineError(f"the baseline {path} is not of version {VERSION}; write it anew")
    try:
        return {one["fingerprint"]: one.get("reason") or WITHOUT_REASON for one in document["findings"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise BaselineError(f"the baseline {path} has an entry without a fingerprint") from error


def apply(findings: Iterable[Finding], known: Mapping[str, str]) -> tuple[Finding, ...]:
    """A reason at the line of code goes before the baseline's."""
    return tuple(
        replace(finding, suppressed_by=known[finding.fingerprint])
        if finding.suppressed_by is None and finding.fingerprint in known
        else finding
        for finding in findings
    )


def write(path: Path, findings: Sequence[Finding], known: Mapping[str, str]) -> None:
    """Everything found now; reasons that were given before are kept. In an order that makes small diffs."""
    entries: list[dict[str, Any]] = [
        {
            "fingerprint": finding.fingerprint,
            "check": finding.check,
            "service": finding.service,
            "title": finding.title,
            "reason": known.get(finding.fingerprint, ""),
        }
        for finding in sorted(findings, key=lambda one: (one.check, one.service, one.fingerprint))
        if finding.suppressed_by is None or finding.fingerprint in known
    ]
    text = json.dumps({"version": VERSION, "findings": entries}, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")

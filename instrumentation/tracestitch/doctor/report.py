"""What was found, as text for people and as JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tracestitch.doctor.condition import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    steps: Sequence[str]
    findings: Sequence[Finding]

    @property
    def problems(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.condition.is_note]

    @property
    def exit_code(self) -> int:
        return 1 if self.problems else 0


def as_text(report: Report) -> str:
    """What works, then problems, then notes; each with its one remedy."""
    lines = [f"ok    {step}" for step in report.steps]
    notes = [finding for finding in report.findings if finding.condition.is_note]
    for kind, findings in (("wrong", report.problems), ("note ", notes)):
        for finding in findings:
            lines += [f"{kind} {finding.text}", f"      → {finding.remedy}  [{finding.name}]"]
    count = len(report.problems)
    well = "Nothing wrong was found; see the notes." if notes else "All is well."
    lines += ["", f"{count} thing{'s' if count > 1 else ''} to put right." if count else well]
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> str:
    document = {
        "well": not report.problems,
        "ok": list(report.steps),
        "findings": [
            {
                "condition": finding.name,
                "kind": "note" if finding.condition.is_note else "problem",
                "text": finding.text,
                "remedy": finding.remedy,
            }
            for finding in report.findings
        ],
    }
    return json.dumps(document, indent=2) + "\n"

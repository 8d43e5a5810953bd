"""Findings as text, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tracestitch_collector.checks import wording
from tracestitch_collector.checks.finding import SEVERITIES, Finding, Severity
from tracestitch_collector.traces.code import place
from tracestitch_dashboard.terminal import Paint, clean, clean_lines, moment

_STYLES: dict[Severity, str] = {"critical": "red", "important": "yellow", "normal": "cyan", "low": "dim"}


def by_weight(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(
        findings,
        key=lambda one: (SEVERITIES.index(one.severity), -one.impact.ms_per_day, one.check, one.fingerprint),
    )


def lines(findings: Sequence[Finding], paint: Paint) -> Iterator[str]:
    for finding in by_weight(findings):
        if finding.is_open:
            yield from _one(finding, paint)
            yield ""
    for finding in by_weight(findings):
        if finding.suppressed_by is None and not finding.is_open:
            seen = moment(finding.last_seen_ns)
            since = f"; {without(finding)}" if finding.clean else ""
            yield paint(
                "dim", f"quiet  {finding.check}  {clean(finding.title)}  (last seen {seen} UTC{since})"
            )
    for finding in by_weight(findings):
        if finding.suppressed_by is not None:
            reason = clean(finding.suppressed_by, 200)
            yield paint("dim", f"suppressed  {finding.check}  {clean(finding.title)}  ({reason})")


def _one(finding: Finding, paint: Paint) -> Iterator[str]:
    yield f"{paint(_STYLES[finding.severity], finding.severity)}  {paint('bold', clean(finding.title))}"
    where = [f"{finding.service} {finding.operation}".strip(), place(finding.location)]
    if finding.location is not None and finding.location.function:
        where[1] += f" in {finding.location.function}"
    yield f"  {finding.check} ({finding.pitfall}) · {' · '.join(clean(part, 300) for part in where if part)}"
    yield f"  {clean(finding.impact.text, 600)}"
    if finding.clean:
        yield f"  Seen last at {moment(finding.last_seen_ns)} UTC; {without(finding)}."
    for label, text in finding.details:
        yield paint("dim", f"  {clean(label, 60)}: {clean(text, 300)}")
    yield f"  Fix: {clean(finding.fix.text, 600)}"
    yield from (paint("red", f"    - {line}") for line in clean_lines(finding.fix.before))
    yield from (paint("cyan", f"    + {line}") for line in clean_lines(finding.fix.after))
    traces = ", ".join(clean(shown.trace_id, 40) for shown in finding.evidence)
    yield paint("dim", f"  {finding.fingerprint}{f' · traces {traces}' if traces else ''}")


def without(finding: Finding) -> str:
    return f"not in the last {wording.counted(finding.clean, 'request')} of {clean(finding.operation, 120)}"


def summary(findings: Sequence[Finding], failing: Sequence[Finding] = (), gate: str = "") -> str:
    """`gate` is empty where nothing is judged."""
    open_ones = [finding for finding in findings if finding.is_open]
    suppressed = sum(finding.suppressed_by is not None for finding in findings)
    quiet = len(findings) - len(open_ones) - suppressed
    others = [f"{count} {word}" for count, word in ((suppressed, "suppressed"), (quiet, "quiet")) if count]
    if not open_ones:
        return f"No findings{f' ({wording.listed(others)})' if others else ''}."
    counts = Counter(finding.severity for finding in open_ones)
    parts = ", ".join(f"{counts[severity]} {severity}" for severity in SEVERITIES if counts[severity])
    hidden = "".join(f", {other}" for other in others)
    if not gate:
        return f"{wording.counted(len(open_ones), 'finding')}: {parts}{hidden}."
    gated = "new" if gate == "new" else f"{gate} or worse"
    return f"{wording.counted(len(open_ones), 'finding')}: {parts}{hidden}. {len(failing)} {gated}."

"""broken-trace-context: a call whose other end began a trace of its own, spans whose parent never arrives, work
of a request that a thread does without knowing of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from tracestitch_collector.checks import broken_edges, lost_spans, lost_threads
from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.checks.finding import Finding, Pitfall

ID = "broken-trace-context"
PITFALL: Pitfall = "P5"
TITLE = "A trace that ends at a border"


def find(evidence: Evidence) -> Iterable[Finding]:
    yield from broken_edges.find(ID, evidence)
    yield from lost_spans.find(ID, evidence)
    yield from lost_threads.find(ID, evidence)

"""`/search`: where the search box leads: straight to the trace, finding or service that was named, else to the
list of traces."""

from __future__ import annotations

from collections.abc import Mapping

from tracestitch_dashboard import addresses, words
from tracestitch_dashboard.ask import Ask


def destination(ask: Ask) -> str:
    typed = ask.text("q")[: words.LONGEST]
    kept: Mapping[str, str] = ask.period.parameters
    trace_id = words.trace_id_in(typed)
    if trace_id:
        return f"/traces/{trace_id}"
    lowered = typed.lower()
    if len(lowered) == 16 and any(finding.fingerprint == lowered for finding in ask.store.findings()):
        return f"/findings/{lowered}"
    if typed in ask.colours:
        return addresses.with_query(addresses.service_path(typed), kept)
    return addresses.with_query("/traces", {"q": typed, **kept})

"""From a timeline to the same trace in Kibana: its APM page, and its documents in Discover. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

AROUND = timedelta(minutes=5)
VIEW = "tracestitch-logs"
"""The data view that `tracestitch kibana import` makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KibanaLinks:
    apm: str
    discover: str


def links(kibana: str, trace_id: str, start_ns: int, end_ns: int) -> KibanaLinks | None:
    """None where there is no Kibana. The trace id is hexadecimal, so it needs no quoting of Kibana's own."""
    if not kibana:
        return None
    begin, end = _iso(start_ns, -AROUND), _iso(end_ns, AROUND)
    span = urlencode({"rangeFrom": begin, "rangeTo": end})
    time = f"(time:(from:'{begin}',to:'{end}'))"
    state = f"(index:'{VIEW}',query:(language:kuery,query:'trace_id:\"{trace_id}\"'))"
    return KibanaLinks(
        apm=f"{kibana}/app/apm/link-to/trace/{trace_id}?{span}",
        discover=f"{kibana}/app/discover#/?_g={quote(time, safe=_PLAIN)}&_a={quote(state, safe=_PLAIN)}",
    )


_PLAIN = "():,'!"
"""What Kibana's addresses have as it is."""


def _iso(moment_ns: int, shift: timedelta) -> str:
    moment = datetime.fromtimestamp(moment_ns // 1_000_000_000, UTC) + shift
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")

"""What a request asks of a page: where to look, when, and for what."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tracestitch_collector.alerts import Alert
from tracestitch_collector.settings import Settings
from tracestitch_collector.store.store import Store
from tracestitch_dashboard.errors import BadQuery
from tracestitch_dashboard.period import Period
from tracestitch_dashboard.reading import Timelines

SHARED = ("range", "from", "to")
"""The time range, which every page takes."""
_CURSOR = re.compile(r"-?[0-9]{1,19}(-[0-9a-f]{1,64}){1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    store: Store
    settings: Settings
    timelines: Timelines
    now_ns: int
    period: Period
    colours: Mapping[str, int]
    """Of every service that is known."""
    alerts: Callable[[], tuple[Alert, ...]] = tuple
    """Those of the last days; a question to the store, for the pages that show some."""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.query.get(name, "").strip()

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 to the most; BadQuery for anything else."""
        text = self.text(name)
        if not text:
            return default
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:12]) <= most:
            raise BadQuery(f"“{name}” is “{text[:40]}”; it is a whole number from 1 to {most}.")
        return int(text)

    def cursor(self) -> str:
        """Where a list goes on; BadQuery for what no page of ours ever said."""
        text = self.text("cursor")
        if text and not _CURSOR.fullmatch(text):
            raise BadQuery(
                f"“cursor” is “{text[:40]}”; it comes from the link to the next page. Leave it out to begin anew."
            )
        return text

    def refuse_unknown(self, parameters: Sequence[str]) -> None:
        """BadQuery where the address says something that the page does not know."""
        unknown = [name for name in self.query if name not in parameters and name not in SHARED]
        if unknown:
            named = ", ".join(f"“{name[:40]}”" for name in unknown[:5])
            known = ", ".join((*parameters, *SHARED))
            raise BadQuery(f"This page knows no {named}; an address here may say {known}.")

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of the choices, the first by default."""
        text = self.text(name) or choices[0]
        if text not in choices:
            named = ", ".join(choice or "(empty)" for choice in choices)
            raise BadQuery(f"“{name}” is “{text[:40]}”; it is one of {named}.")
        return text

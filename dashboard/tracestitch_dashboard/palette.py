"""Which colour a service has: one of twelve that colour-blind readers can tell apart, chosen by a stable hash.

The colours themselves are in static/css/tokens.css, as the classes `service-0` to `service-11`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

COLOURS = (
    "#459bff", "#579170", "#f28904", "#a77abd", "#6362d4", "#49bd7c",
    "#c5690f", "#a9acd1", "#736291", "#585c1a", "#554099", "#524d5d",
)  # fmt: skip
"""Any two differ by at least 0.1 in OKLab for normal, red-blind and green-blind sight; none looks like an error."""


def preferred(service: str) -> int:
    digest = hashlib.blake2b(service.encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest) % len(COLOURS)


def assign(services: Iterable[str]) -> dict[str, int]:
    """A colour for each, by name: its preferred one, or the next that is free. From the thirteenth on they
    share."""
    assigned: dict[str, int] = {}
    taken: set[int] = set()
    for service in sorted(set(services)):
        colour = preferred(service)
        if len(taken) < len(COLOURS):
            while colour in taken:
                colour = (colour + 1) % len(COLOURS)
        assigned[service] = colour
        taken.add(colour)
    return assigned


def within(shown: Iterable[str], everywhere: Mapping[str, int]) -> dict[str, int]:
    """The colours of a few services that are shown together: as everywhere, moved only where two would clash."""
    names = sorted(set(shown))
    colours: dict[str, int] = {}
    for name in names:
        colour = everywhere.get(name, preferred(name))
        if len(names) <= len(COLOURS):
            while colour in colours.values():
                colour = (colour + 1) % len(COLOURS)
        colours[name] = colour
    return colours

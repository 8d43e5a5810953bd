"""Which colour a service has: one of twelve that colour-blind readers can tell apart, chosen by a stable hash.

The colours themselves are in static/css/tokens.css, as the classes `service-0` to `service-11`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

COLOURS = (
    "#459bff", "#579170", "#f28904", "#a77abd", "#6362d4", "#49bd7c", "#585c1a", "#554099",
    "#a9acd1", "#736291", "#c5690f", "#524d5d",
)  # fmt: skip
"""Any two differ by at least 0.1 in OKLab for normal, red-blind and green-blind sight; none looks like an error."""
STRONG = 8
"""The first ones are told apart at a glance, no two of one hue but the greens, which differ in lightness; the others,
close to grey or to one of these, serve when those are taken."""


def preferred(service: str) -> int:
    digest = hashlib.blake2b(service.encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest) % STRONG


def assign(services: Iterable[str], known: Mapping[str, int] | None = None) -> dict[str, int]:
    """A colour for each: the one it has among the known, else its preferred one, or the next that is free, by name.
    From the thirteenth on they share."""
    assigned = dict(known or {})
    taken = set(assigned.values())
    for service in sorted(set(services) - assigned.keys()):
        colour = _free(preferred(service), taken)
        assigned[service] = colour
        taken.add(colour)
    return assigned


def within(shown: Iterable[str], everywhere: Mapping[str, int]) -> dict[str, int]:
    """The colours of a few services that are shown together: as everywhere, moved only where two would clash."""
    names = sorted(set(shown))
    colours: dict[str, int] = {}
    for name in names:
        colours[name] = _free(everywhere.get(name, preferred(name)), set(colours.values()))
    return colours


def _free(wanted: int, taken: Collection[int]) -> int:
    """The colour, or the next that is free: among the strong ones first. The wanted one where none is."""
    if wanted not in taken:
        return wanted
    strong = [(wanted + step) % STRONG for step in range(1, STRONG)]
    return next((colour for colour in (*strong, *range(STRONG, len(COLOURS))) if colour not in taken), wanted)

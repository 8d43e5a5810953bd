"""What the time of a request went to inside the framework: one compact attribute of the server span instead of a
span for each middleware, hook, form and serializer. Pure."""

from typing import Any

from tracestitch.scrub import Scrubbed

LEAST_NS = 100_000
MOST_TOLD, MOST_KNOWN = 40, 500


class Stages:
    """Of one request."""

    __slots__ = ("_spent", "hits", "misses", "rendering")

    def __init__(self) -> None:
        self._spent: dict[tuple[str, str], tuple[int, int]] = {}
        # Of caches.
        self.hits = self.misses = 0
        # A template is being rendered.
        self.rendering = False

    def add(self, kind: str, name: str, ns: int) -> None:
        """So much time went to this `middleware`, `signal`, …; more than once is added up."""
        spent, key = self._spent, (kind, name)
        known = spent.get(key)
        if known is not None:
            spent[key] = (known[0] + ns, known[1] + 1)
        elif len(spent) < MOST_KNOWN:
            spent[key] = (ns, 1)

    def attributes(self) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if self._spent and (slow := self.told()):
            told["tracestitch.stages"] = slow
        if self.hits or self.misses:
            told["tracestitch.cache.hits"] = self.hits
            told["tracestitch.cache.misses"] = self.misses
        return told

    def told(self) -> Scrubbed:
        """`<kind> <ms> <times> <name>` of what took 0.1 ms or more in all, longest first."""
        slow = [
            (-ns, kind, times, name) for (kind, name), (ns, times) in self._spent.items() if ns >= LEAST_NS
        ]
        if len(slow) > 1:
            slow.sort()
        # Names of code: no value of the user's is in them.
        return Scrubbed(
            [f"{kind} {-ns / 1_000_000:.2f} {times} {name}" for ns, kind, times, name in slow[:MOST_TOLD]]
        )

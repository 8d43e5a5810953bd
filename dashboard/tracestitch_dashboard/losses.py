"""What did not make it into the store, and why: read from the counters that the processes keep."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tracestitch_collector import status
from tracestitch_collector.status import ProcessStatus

_LOST = re.compile(r"(refused|dropped|truncated|rejected|dead_letter|failed|damaged|lost|overflow|skipped)")
_LABELS = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
BY_DESIGN = "not stored"
"""Metrics are accepted and not kept; that is said, and is no loss to worry about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    process: str
    name: str
    """The counter, without its labels."""
    why: str
    """Its labels, in words."""
    count: float

    @property
    def is_data(self) -> bool:
        """Items that someone may miss: not what was refused and will be sent again, nor what is dropped by design."""
        return "refused" not in self.name and BY_DESIGN not in self.why and "failures" not in self.name


def read_losses(folder: Path) -> tuple[Loss, ...]:
    return losses_of(status.read_all(folder))


def losses_of(processes: Iterable[ProcessStatus]) -> tuple[Loss, ...]:
    """Counters that are not 0, largest first."""
    found = []
    for each in processes:
        for key, count in each.report.counters.items():
            name, _, labels = key.partition("{")
            if count > 0 and _LOST.search(name):
                why = ", ".join(f"{value}" for _, value in _LABELS.findall(labels))
                found.append(Loss(process=each.process, name=name, why=why, count=count))
    return tuple(sorted(found, key=lambda loss: (-loss.count, loss.name, loss.why)))

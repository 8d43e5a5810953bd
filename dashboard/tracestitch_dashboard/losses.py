"""What did not make it into the store, and why: read from the counters that the processes keep."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from tracestitch_collector import status
from tracestitch_collector.status import ProcessStatus

Fate: TypeAlias = Literal["lost", "cut", "tried again", "by design", "no loss"]

_NOTED = re.compile(
    r"(refused|dropped|truncated|rejected|dead_letter|failed|damaged|lost|overflow|skipped|_odd_)"
)
_LABELS = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
BY_DESIGN = "not stored"
"""Metrics are accepted and not kept; that is said, and is no loss to worry about."""
TRIED_AGAIN = frozenset({"log unavailable", "busy", "sender hung up"})
"""Why a request was refused that its sender will send again."""
NOT_TELEMETRY = frozenset({"not found", "wrong method"})

FATES: Mapping[str, Fate] = {
    "tracestitch_receiver_dropped_total": "lost",
    "tracestitch_receiver_refused_total": "lost",  # unless the reason passes: see fate
    "tracestitch_pipeline_dropped_total": "lost",
    "tracestitch_output_dead_letter_total": "lost",
    "tracestitch_pipeline_truncated_total": "cut",
    "tracestitch_output_failed_total": "tried again",
}
"""Each of these counts an item (or a request) once, but for those that are tried again, which count attempts.
What is not named here is noted and no loss: series of the metrics that are over their number, for example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    process: str
    name: str
    """The counter, without its labels."""
    labels: Mapping[str, str]
    count: float

    @property
    def why(self) -> str:
        """Its labels, in words."""
        return ", ".join(self.labels.values())

    @property
    def fate(self) -> Fate:
        """What became of it."""
        reason = self.labels.get("reason", "")
        if reason == BY_DESIGN:
            return "by design"
        if "refused" in self.name and reason in TRIED_AGAIN:
            return "tried again"
        if "refused" in self.name and (reason in NOT_TELEMETRY or self.labels.get("signal") == "none"):
            return "no loss"
        return FATES.get(self.name, "no loss")

    @property
    def is_data(self) -> bool:
        """Something that someone may miss."""
        return self.fate in ("lost", "cut")


def read_losses(folder: Path) -> tuple[Loss, ...]:
    return losses_of(status.read_all(folder))


def losses_of(processes: Iterable[ProcessStatus]) -> tuple[Loss, ...]:
    """Counters that are not 0, largest first; what was lost before what was not."""
    found = []
    for each in processes:
        for key, count in each.report.counters.items():
            name, _, labels = key.partition("{")
            if count > 0 and _NOTED.search(name):
                found.append(
                    Loss(process=each.process, name=name, labels=dict(_LABELS.findall(labels)), count=count)
                )
    return tuple(sorted(found, key=lambda loss: (not loss.is_data, -loss.count, loss.name, loss.why)))

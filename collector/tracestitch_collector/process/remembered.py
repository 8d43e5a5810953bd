"""What the metrics remember over a restart, so that no counter makes a leap: how far the logs were counted, and
what apps' counters had come to. Best effort: without it counters begin at 0, which Prometheus takes for what it is.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tracestitch_collector.outputs import app_state
from tracestitch_collector.outputs.app_metrics import AppMetrics
from tracestitch_collector.store.store import Offsets

logger = logging.getLogger(__name__)

COUNTED, APPS = "counted.json", "apps.json"


class Remembered:
    """The pipeline's thread calls `note` and `checkpoint`; what that returns may be called from another."""

    def __init__(self, folder: Path, apps: AppMetrics) -> None:
        self._folder = folder
        self._apps = apps
        self._is_writable = True
        self.counted: Offsets = _offsets(_read(folder / COUNTED))
        """Where in each log an earlier process stopped counting."""
        apps.restore(app_state.families(_read(folder / APPS)), is_shown=not self.counted)

    def note(self, end: Offsets) -> None:
        self._write(COUNTED, dict(end))

    def checkpoint(self) -> Callable[[], None]:
        """Before the store's own: what is then kept twice is little, what was missing would make a counter fall."""
        changed = self._apps.take_changes()
        if changed is None:
            return lambda: None
        document = app_state.document(changed)
        return lambda: self._write(APPS, document)

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
            draft = self._folder / f"{name}.tmp"
            draft.write_text(json.dumps(document), encoding="utf-8", errors="replace")
            os.replace(draft, self._folder / name)
        except OSError as error:
            if self._is_writable:
                logger.warning("metrics will begin anew with the next start: %s", error)
            self._is_writable = False
        else:
            self._is_writable = True


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _offsets(document: Any) -> Offsets:
    if not isinstance(document, dict):
        return {}
    return {name: position for name, position in document.items() if isinstance(position, int)}

"""Whether a store on another machine is there, asked also while there is nothing to write: else nobody would know
before the first data."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.store.store import Store

logger = logging.getLogger(__name__)

EVERY_S = 5.0
ABOUT = "presence"


def watch(
    store: Store,
    tally: Tally,
    stop: threading.Event,
    *,
    every_s: float = EVERY_S,
    clock: Callable[[], int] = time.time_ns,
) -> None:
    """Asks until told to stop; each change is logged once, and a problem while it lasts."""
    is_away = False
    while not stop.is_set():
        try:
            store.arrival(clock())
        except Unavailable as error:
            tally.problem(ABOUT, f"the store is not there: {error}")
            if not is_away:
                logger.warning(
                    "the store is not there; what arrives is kept in the log until it is: %s", error
                )
            is_away = True
        else:
            tally.problem(ABOUT, "")
            if is_away:
                logger.warning("the store is there now")
            is_away = False
        stop.wait(every_s)


def begin(store: Store, tally: Tally, stop: threading.Event) -> None:
    """In a thread that keeps no process from ending."""
    threading.Thread(target=watch, args=(store, tally, stop), name="presence", daemon=True).start()

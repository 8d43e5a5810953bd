"""Giving dead letters to where they belong once more, so that whatever ends it nothing is there twice and nothing gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, cast

from tracestitch_collector.log import Kind, LogWriter, PendingRecord, identity
from tracestitch_collector.process.dead_letters import FOLDER, Letter, take_out
from tracestitch_collector.process.intake import SEEN_NS
from tracestitch_collector.store.store import Rejected

LOG = "replayed"
"""Of requests that are decoded once more: a log like a receiver's, which the pipeline takes up."""
AT_ONCE = 500
"""Letters that are given to the store together."""

Resend = Callable[[Sequence[Rejected]], Sequence[Rejected]]


def replay_items(folder: Path, items: Sequence[Letter], resend: Resend, refused: Counter[str]) -> int:
    """How many were taken. Letters leave the folder as soon as they are stored, so that whatever ends this, the rest
    can be given again; one that is given twice has the same identity and is stored once."""
    count = 0
    for first in range(0, len(items), AT_ONCE):
        part = items[first : first + AT_ONCE]
        still = {letter.identity: letter.reason for letter in resend([_rejected(each) for each in part])}
        for reason in still.values():
            refused[reason] += 1
        stored = {letter.id for letter in part if letter.identity not in still}
        take_out(folder, stored)
        count += len(stored)
    return count


def _rejected(letter: Letter) -> Rejected:
    return Rejected(
        signal=cast("Literal['traces', 'logs', 'findings']", letter.signal),
        reason=letter.reason,
        document=letter.document,
        identity=letter.identity,
    )


def replay_requests(data: Path, requests: Sequence[Letter], now_ns: int, refused: Counter[str]) -> int:
    """Into a log of their own, from which the pipeline takes them, now or when it runs again."""
    log = LogWriter(data / "log" / LOG)
    count = 0
    try:
        for letter in requests:
            if now_ns - letter.time_ns < SEEN_NS:
                refused["received in the last quarter of an hour: it would be taken for a repeat"] += 1
                continue
            body = (data / FOLDER / letter.file).read_bytes()
            digest = identity(body)
            kind = Kind[letter.signal.upper()]
            log.append([PendingRecord(kind=kind, body=body, received_ns=letter.time_ns, digest=digest)])
            take_out(data / FOLDER, {letter.id})
            count += 1
    finally:
        log.close()
    return count

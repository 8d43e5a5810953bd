"""Is data arriving? The dot in the top bar, asked for again and again."""

from __future__ import annotations

from dataclasses import dataclass

from tracestitch_collector.store.store import Arrival
from tracestitch_dashboard import figures
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.page import Fragment

RECENT_NS = 30 * figures.SECOND_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    state: str
    """`live`, `quiet` or `never`."""
    text: str
    last_received_ns: int


def load(ask: Ask) -> Arriving:
    return arriving(ask.store.arrival(ask.now_ns), ask.now_ns)


def arriving(arrival: Arrival, now_ns: int) -> Arriving:
    last = arrival.last_received_ns
    if last == 0:
        return Arriving(state="never", text="waiting for the first span", last_received_ns=0)
    if now_ns - last > RECENT_NS:
        return Arriving(state="quiet", text=f"last span {figures.ago(last, now_ns)}", last_received_ns=last)
    speed = figures.significant(arrival.spans_per_second)
    return Arriving(
        state="live", text=f"{speed} spans/s · {figures.ago(last, now_ns)}", last_received_ns=last
    )


ARRIVAL = Fragment(path="/arrival", load=load, template="arrival_alone.html")

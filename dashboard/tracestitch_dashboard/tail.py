"""`tracestitch tail`: new requests and log records in the terminal as they arrive, by asking the twins again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tracestitch_collector import plain
from tracestitch_collector.checks.wording import duration
from tracestitch_dashboard.answers import AnswerError, Answers, Wanted
from tracestitch_dashboard.arguments import MOST, parser_for, run_command
from tracestitch_dashboard.terminal import Paint, clean, moment

INTERVAL_S = 1.0
LOOKBACK_S = 120
"""How long after its start a request may still come to light: slow ones are seen when they end."""
PATIENCE = 3
"""Polls that a trace may go on growing before it is shown as it is."""

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    service: str = ""
    errors_only: bool = False
    logs: bool = False


@dataclass(slots=True, kw_only=True)
class Seen:
    """What has been shown, and how large traces that are not shown yet were at the last poll."""

    shown: dict[Hashable, int] = field(default_factory=dict)
    """Key to the poll at which it was last met: what no poll brings any more is forgotten."""
    growing: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Trace id to its spans, and the polls it was seen in."""
    polls: int = 0


def tail(arguments: Sequence[str]) -> int:
    parser = parser_for("tail", "Shows requests and log records as they arrive, until Ctrl-C.")
    parser.add_argument("--service", default="", help="only what this service took part in")
    parser.add_argument("--errors", action="store_true", help="only traces and log records with an error")
    parser.add_argument("--logs", action="store_true", help="log records too")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return run_command(parser, arguments, _tail)


def _tail(options: argparse.Namespace, answers: Answers, paint: Paint) -> int:
    wanted = Following(service=options.service, errors_only=options.errors, logs=options.logs)
    try:
        for item in follow(answers, wanted, time.sleep, _tell):
            sys.stdout.write((json.dumps(item) if options.json else line(item, paint)) + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 0
    return 0


def _tell(text: str) -> None:
    sys.stderr.write(f"{clean(text, 2_000)}\n")


def follow(
    answers: Answers, wanted: Following, sleep: Callable[[float], None], tell: Callable[[str], None]
) -> Iterator[Document]:
    """Everything that is new after the first poll, each item once and by time within a poll. Never ends by itself.

    Raises AnswerError when nobody answers at first; later it says so once and goes on trying.
    """
    seen = Seen()
    list(_poll(answers, wanted, seen))
    tell("Waiting for new requests; Ctrl-C ends.")
    answering = True
    while True:
        sleep(INTERVAL_S)
        try:
            found = list(_poll(answers, wanted, seen))
        except AnswerError as error:
            if answering:
                tell(f"{error} Trying again.")
            answering = False
            continue
        if not answering:
            tell("It answers again.")
        answering = True
        yield from found


def _poll(answers: Answers, wanted: Following, seen: Seen) -> Iterator[Document]:
    seen.polls += 1
    found = [{"kind": "trace", **one} for one in _new_traces(answers, wanted, seen)]
    if wanted.logs:
        found += [{"kind": "log", **one} for one in _new_logs(answers, wanted, seen)]
    _forget(seen)
    return iter(sorted(found, key=_time_of))


def _new_traces(answers: Answers, wanted: Following, seen: Seen) -> Iterator[Document]:
    asked = Wanted(since_s=LOOKBACK_S, service=wanted.service, errors_only=wanted.errors_only, limit=MOST)
    for one in answers.traces(asked)["traces"]:
        trace_id = one["trace_id"]
        if trace_id in seen.shown:
            seen.shown[trace_id] = seen.polls
        elif seen.polls == 1 or _is_whole(one, seen):
            seen.shown[trace_id] = seen.polls
            seen.growing.pop(trace_id, None)
            yield one


def _is_whole(summary: Document, seen: Seen) -> bool:
    """Its root is there and nothing came since the poll before; or it has had long enough."""
    spans, polls = seen.growing.get(summary["trace_id"], (0, 0))
    seen.growing[summary["trace_id"]] = (summary["span_count"], polls + 1)
    return polls >= PATIENCE or (bool(summary["has_root"]) and spans == summary["span_count"])


def _new_logs(answers: Answers, wanted: Following, seen: Seen) -> Iterator[Document]:
    level = "error" if wanted.errors_only else ""
    asked = Wanted(since_s=LOOKBACK_S, service=wanted.service, level=level, limit=MOST)
    met: dict[Hashable, int] = {}
    for one in answers.logs(asked)["logs"]:
        alike = (one["time_ns"], one["service"], one["trace_id"], one["span_id"], json.dumps(one["body"]))
        met[alike] = met.get(alike, 0) + 1
        key = (*alike, met[alike])  # a program may say the same twice within its clock's resolution
        if key not in seen.shown:
            yield one
        seen.shown[key] = seen.polls


def _forget(seen: Seen) -> None:
    """What a poll does not bring any more has left the time that is asked for. Two polls' grace, since an answer
    that was cut off may bring less."""
    if seen.polls % 10 == 0:
        old = seen.polls - 2 * LOOKBACK_S
        seen.shown = {key: poll for key, poll in seen.shown.items() if poll >= old}
        seen.growing = {key: value for key, value in seen.growing.items() if value[1] <= PATIENCE}


def _time_of(item: Document) -> int:
    """A trace is news when it ends."""
    ended: int = item["time_ns"] if item["kind"] == "log" else item["start_ns"] + item["duration_ns"]
    return ended


def line(item: Document, paint: Paint) -> str:
    return _log_line(item, paint) if item["kind"] == "log" else _trace_line(item, paint)


def _trace_line(item: Document, paint: Paint) -> str:
    one = plain.summary_from_json(item)
    parts = [
        f"{one.span_count} spans",
        f"{one.error_count} errors" if one.error_count else "",
        f"{item['findings']} findings" if item.get("findings") else "",
        "" if one.has_root else "no root yet",
    ]
    text = f"{clean(one.root_service, 40)} {clean(one.root_name, 120)}"
    return (
        f"{moment(one.start_ns)} {duration(one.duration_ns):>8}  {paint('red' if one.error_count else 'bold', text)}"
        f"  {paint('dim', ' · '.join(part for part in parts if part))}  {clean(one.trace_id)}"
    )


def _log_line(item: Document, paint: Paint) -> str:
    record = plain.log_from_json(item)
    level = clean(record.severity_text or str(record.severity_number), 10)
    body = record.body if isinstance(record.body, str) else json.dumps(item["body"])
    style = "red" if record.severity_number >= 17 else "yellow" if record.severity_number >= 13 else "cyan"
    return (
        f"{moment(record.time_ns)} {paint(style, f'{level:>8}')}  {clean(record.service, 40)}: {clean(body)}"
        f"  {paint('dim', clean(record.trace_id))}"
    ).rstrip()

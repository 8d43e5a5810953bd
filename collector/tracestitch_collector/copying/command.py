"""`tracestitch copy` on the command line."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tracestitch_collector import setting_values as values
from tracestitch_collector.copying.run import Result
from tracestitch_collector.copying.run import copy as copy_range
from tracestitch_collector.copying.side import SIGNALS, Side
from tracestitch_collector.errors import BadConfiguration, TracestitchError
from tracestitch_collector.process.dead_letters import FOLDER, DeadLetters
from tracestitch_collector.process.second_store import gaps_file, moment, read_gaps, without, write_gaps
from tracestitch_collector.settings import Settings, add_flags, build
from tracestitch_collector.store.open import elasticsearch_settings, open_embedded
from tracestitch_collector.store.store import Window
from tracestitch_collector.supervisor import MISCONFIGURED

STORES = ("embedded", "elasticsearch")
LAG_S = 5
"""What arrives just now is not in every store yet; `serve --also` takes it to both."""

_WHAT = """\
Copies what was received in a range of time from one store to the other: spans, log records, and the newest state of
the findings. What is there already is recognised and stays as it is, so it may be run again, while collectors run too;
a run that was cut short goes on where it was. At the end both sides are counted.

    tracestitch copy --from embedded --to elasticsearch --since 7d

Copying into the embedded store needs the data folder for itself: stop a collector that writes that store.
"""
_EPILOG = "Exit codes: 0 all of it is there, 1 not all of it, 2 wrong usage, 78 bad configuration."


def copy(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    parser = argparse.ArgumentParser(
        prog="tracestitch copy",
        description=_WHAT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--from", dest="source", choices=STORES, required=True, help="the store to read")
    parser.add_argument("--to", dest="target", choices=STORES, required=True, help="the store to write")
    parser.add_argument(
        "--since", default="", metavar="TIME", help="7d, or 2027-01-31T08:00:00Z; default: all there is"
    )
    parser.add_argument(
        "--until", default="", metavar="TIME", help="in the same forms; default: a few seconds ago"
    )
    add_flags(
        parser,
        (
            "data",
            "elasticsearch_url",
            "elasticsearch_api_key",
            "elasticsearch_ca",
            "retention_s",
            "max_size_bytes",
        ),
    )
    given = vars(parser.parse_args(argv))
    source, target, since, until = (given.pop(name) for name in ("source", "target", "since", "until"))
    try:
        if source == target:
            raise BadConfiguration(f"--from and --to both name {source}")
        settings = build({**given, "store": "elasticsearch", "also": ""}, environment)
        now_ns = time.time_ns()
        window = Window(
            start_ns=_moment_ns(since, now_ns) if since else 0,
            end_ns=_moment_ns(until, now_ns) if until else now_ns - LAG_S * 1_000_000_000,
        )
        return _run(settings, source, target, window)
    except TracestitchError as error:
        print(f"tracestitch copy: {error}", file=sys.stderr)
        return MISCONFIGURED if isinstance(error, BadConfiguration) else 1


def _moment_ns(text: str, now_ns: int) -> int:
    try:
        if re.fullmatch(r"[0-9]+[smhdw]", text):
            return now_ns - values.duration(text) * 1_000_000_000
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadConfiguration(
            f"{text!r} is no time: give a duration such as 7d, or a moment such as 2027-01-31T08:00:00Z"
        ) from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000


def _run(settings: Settings, source: str, target: str, window: Window) -> int:
    if window.start_ns >= window.end_ns:
        raise BadConfiguration("the range is empty: --since must lie before --until")
    letters = DeadLetters(settings.data / FOLDER)
    reading = _opened(source, settings, writes=False)
    try:
        writing = _opened(target, settings, writes=True)
        try:
            result = copy_range(
                reading,
                writing,
                window,
                note=settings.data / "outputs" / f"copy-{source}-{target}.json",
                rejected=lambda rejected: letters.put_rejected(rejected, time.time_ns()),
                say=lambda line: print(line, flush=True),
            )
        finally:
            writing.close()
    finally:
        reading.close()
    _tell(result, source, target, settings)
    if result.is_complete:
        _close_gaps(settings, target, window)
    return 0 if result.is_complete else 1


def _opened(name: str, settings: Settings, *, writes: bool) -> Side:
    if name == "embedded":
        from tracestitch_collector.copying.embedded import EmbeddedSide

        return EmbeddedSide(settings.data, open_embedded(settings, write=writes), writes=writes)
    # Its client takes long to import.
    from tracestitch_collector.copying.elasticsearch import ElasticsearchSide

    return ElasticsearchSide.open(elasticsearch_settings(settings), writes=writes)


def _tell(result: Result, source: str, target: str, settings: Settings) -> None:
    if result.resumed_ns:
        print(f"What was received before {moment(result.resumed_ns)} had been copied by an earlier run.")
    names = {"spans": "spans", "logs": "log records"}
    for signal in SIGNALS:
        print(
            f"{result.copied[signal]:,} {names[signal]} copied; in this range {source} has "
            f"{result.source[signal]:,}, {target} has {result.target[signal]:,}"
        )
    print(f"{result.findings:,} findings copied")
    if result.rejected:
        print(
            f"{result.rejected:,} items were refused for good: see tracestitch deadletter list "
            f"--data {settings.data}"
        )
    elif not result.is_complete:
        print(
            f"{target} has less than {source}: what is older than --retention or beyond --max-size is not kept"
            if target == "embedded"
            else f"{target} has less than {source}: run it again with the whole range"
        )


def _close_gaps(settings: Settings, target: str, window: Window) -> None:
    """What a second store had to go without is there now."""
    file = gaps_file(settings.data, target)
    if gaps := read_gaps(file):
        write_gaps(file, without(gaps, window.start_ns, window.end_ns))

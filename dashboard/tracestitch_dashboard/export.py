"""`tracestitch export ID --html FILE`: one trace as one file to attach to a ticket. It is read without a server,
without JavaScript and without any request, and holds no secret that can be told by its name or shape.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tracestitch_collector import plain
from tracestitch_collector.checks.finding import from_json
from tracestitch_collector.errors import TracestitchError
from tracestitch_collector.model import Trace
from tracestitch_dashboard import figures, scrubbing
from tracestitch_dashboard.answers import Answers
from tracestitch_dashboard.arguments import complain, parser_for, run_command
from tracestitch_dashboard.snapshot import snapshot
from tracestitch_dashboard.terminal import Paint, clean
from tracestitch_dashboard.timeline import building


def export(arguments: Sequence[str]) -> int:
    parser = parser_for(
        "export",
        "Writes one request as a self-contained file: its timeline, logs, findings and details, scrubbed.",
    )
    parser.add_argument("id", help="the trace id, 32 hex digits")
    parser.add_argument("--html", metavar="FILE", type=Path, required=True,
                        help="where to write it; - for the standard output")  # fmt: skip
    return run_command(parser, arguments, _export)


def _export(options: argparse.Namespace, answers: Answers, _: Paint) -> int:
    raw = answers.trace(options.id.strip().lower())
    if raw is None:
        return complain(f"there is no trace {clean(options.id, 80)}; `tracestitch traces` lists the newest.")
    kept = {name: raw[name] for name in ("trace_id", "spans", "logs", "findings")}
    document = scrubbing.scrub(kept)
    trace = Trace(
        trace_id=document["trace_id"],
        spans=tuple(plain.span_from_json(one) for one in document["spans"]),
        logs=tuple(plain.log_from_json(one) for one in document["logs"]),
        partial=raw.get("partial", ""),
    )
    timeline = building.build(trace, [from_json(one) for one in document["findings"]], {})
    replaced = scrubbing.replaced(kept, document)
    text = snapshot(timeline, replaced, time.time_ns())
    if str(options.html) == "-":
        sys.stdout.write(text)
        return 0
    size = _write(options.html, text)
    sys.stdout.write(
        f"{options.html}: {figures.size(size)}, {figures.counted(len(trace.spans), 'span')}, "
        f"{figures.counted(len(trace.logs), 'log record')}, {figures.counted(len(timeline.marks), 'finding')}; "
        f"{figures.counted(replaced, 'value')} hidden. Look through it before you pass it on.\n"
    )
    return 0


def _write(path: Path, text: str) -> int:
    """Text that UTF-8 has no form for is replaced: telemetry may hold anything."""
    content = text.encode("utf-8", "replace")
    try:
        return path.write_bytes(content)
    except OSError as error:
        raise TracestitchError(
            f"{path} cannot be written ({error.strerror}); name another file with --html."
        ) from error

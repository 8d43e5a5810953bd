"""The terminal commands: check, findings, trace, traces, logs, services. Each takes its arguments and returns
its exit code: 0 done, 1 findings, 2 wrong usage or nobody to ask.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tracestitch_collector import plain
from tracestitch_collector.checks.finding import SEVERITIES, Finding, from_json, to_json
from tracestitch_collector.checks.wording import duration
from tracestitch_collector.errors import TracestitchError
from tracestitch_collector.model import LogRecord, Trace
from tracestitch_dashboard import baseline, finding_text, junit, sarif, trace_text
from tracestitch_dashboard.answers import LEVELS, Answers, Folder, Server, Wanted
from tracestitch_dashboard.terminal import Paint, clean, columns, moment, paint_for

MOST = 1000
"""Items in one answer."""
DEFAULT_SERVER = "http://127.0.0.1:4380"

_DURATION = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def check(arguments: Sequence[str]) -> int:
    parser = _parser(
        "check",
        "Evaluates the pitfall checks and exits 1 when there are findings at or above --fail-on.",
    )
    _since(parser)
    parser.add_argument("--service", default="", help="only findings of this service")
    parser.add_argument("--format", choices=("text", "json", "sarif", "junit"), default="text")
    parser.add_argument("--fail-on", choices=(*SEVERITIES, "new"), default="important", dest="gate",
                        help="the least severity that fails (default: important); 'new': anything that is "
                        "not in the baseline")  # fmt: skip
    parser.add_argument("--baseline", type=Path, help="findings that are put up with, as written before")
    parser.add_argument("--write-baseline", type=Path, metavar="FILE",
                        help="write what is found now to FILE, and exit 0")  # fmt: skip
    return _run(parser, arguments, _check)


def _check(options: argparse.Namespace, answers: Answers, paint: Paint) -> int:
    if options.gate == "new" and options.baseline is None:
        return _complain("--fail-on new needs --baseline FILE to tell what is new.")
    known = baseline.read(options.baseline) if options.baseline else {}
    found = [one for one in answers.checked(options.since) if options.service in ("", one.service)]
    if options.write_baseline:
        baseline.write(options.write_baseline, found, known)
        print(f"{len(found)} findings are in {options.write_baseline}; commit it beside the code.")
        return 0
    findings = finding_text.by_weight(baseline.apply(found, known))
    failing = [one for one in findings if one.is_open and _fails(one, options.gate)]
    _print_findings(findings, failing, options, paint)
    return 1 if failing else 0


def _fails(finding: Finding, gate: str) -> bool:
    """What is in the baseline is suppressed already, so with 'new' everything left counts."""
    return gate == "new" or SEVERITIES.index(finding.severity) <= SEVERITIES.index(gate)


def _print_findings(
    findings: Sequence[Finding], failing: Sequence[Finding], options: argparse.Namespace, paint: Paint
) -> None:
    if options.format == "json":
        _print_json({"findings": [to_json(finding) for finding in findings], "failing": len(failing)})
    elif options.format == "sarif":
        _print_json(sarif.document(findings, version("tracestitch")))
    elif options.format == "junit":
        print(junit.document(findings, frozenset(finding.fingerprint for finding in failing)), end="")
    else:
        for line in finding_text.lines(findings, paint):
            print(line)
        print(finding_text.summary(findings, failing, options.gate))


def findings(arguments: Sequence[str]) -> int:
    parser = _parser(
        "findings",
        "Lists every finding known, worst first: open ones, then those that went quiet or are suppressed.",
    )
    parser.add_argument("--service", default="", help="only findings of this service")
    _json_flag(parser)

    def run(options: argparse.Namespace, answers: Answers, paint: Paint) -> int:
        found = [one for one in answers.findings() if options.service in ("", one.service)]
        if options.json:
            _print_json({"findings": [to_json(finding) for finding in found]})
            return 0
        for line in finding_text.lines(found, paint):
            print(line)
        print(finding_text.summary(found))
        return 0

    return _run(parser, arguments, run)


def trace(arguments: Sequence[str]) -> int:
    parser = _parser("trace", "Draws one request: its spans across services, its logs, its findings.")
    parser.add_argument("id", help="the trace id, 32 hex digits")
    parser.add_argument("--all", action="store_true", help="show each of repeated spans, not one row for all")
    _json_flag(parser)
    return _run(parser, arguments, _trace)


def _trace(options: argparse.Namespace, answers: Answers, paint: Paint) -> int:
    document = answers.trace(options.id.strip().lower())
    if document is None:
        return _complain(f"there is no trace {clean(options.id, 80)}; `tracestitch traces` lists the newest.")
    if options.json:
        _print_json(document)
        return 0
    found = Trace(
        trace_id=document["trace_id"],
        spans=tuple(plain.span_from_json(one) for one in document["spans"]),
        logs=tuple(plain.log_from_json(one) for one in document["logs"]),
        partial=document.get("partial", ""),
    )
    marked = [from_json(one) for one in document["findings"]]
    for line in trace_text.draw(found, marked, paint, folded=not options.all):
        print(line)
    return 0


def traces(arguments: Sequence[str]) -> int:
    parser = _parser("traces", "Lists requests, newest first.")
    _since(parser)
    parser.add_argument("--service", default="")
    parser.add_argument("--operation", default="", help="a span's name or its route, exactly")
    parser.add_argument("--text", default="", help="somewhere in a span's name or attributes")
    parser.add_argument("--errors", action="store_true", help="only traces with an error")
    parser.add_argument("--slowest", action="store_true", help="slowest first")
    parser.add_argument("--limit", type=_count, default=20)
    _json_flag(parser)
    return _run(parser, arguments, _traces)


def _traces(options: argparse.Namespace, answers: Answers, _: Paint) -> int:
    document = answers.traces(
        Wanted(
            since_s=options.since,
            service=options.service,
            operation=options.operation,
            text=options.text,
            errors_only=options.errors,
            slowest=options.slowest,
            limit=options.limit,
        )
    )
    if options.json:
        _print_json(document)
        return 0
    found = [plain.summary_from_json(one) for one in document["traces"]]
    rows = [
        (
            moment(one.start_ns),
            duration(one.duration_ns),
            f"{one.span_count} spans",
            f"{one.error_count} errors" if one.error_count else "",
            clean(one.trace_id),
            clean(f"{one.root_service} {one.root_name}", 120) + ("" if one.has_root else " (no root yet)"),
        )
        for one in found
    ]
    for line in columns(rows, right=frozenset({1, 2, 3})):
        print(line)
    if not found:
        print("No traces in this time; widen it with --since.")
    return 0


def logs(arguments: Sequence[str]) -> int:
    parser = _parser("logs", "Lists log records, newest last.")
    _since(parser)
    parser.add_argument("--service", default="")
    parser.add_argument("--level", choices=tuple(LEVELS), default="", help="the least severity")
    parser.add_argument("--text", default="", help="a phrase in the message")
    parser.add_argument("--limit", type=_count, default=100)
    _json_flag(parser)
    return _run(parser, arguments, _logs)


def _logs(options: argparse.Namespace, answers: Answers, _: Paint) -> int:
    document = answers.logs(
        Wanted(
            since_s=options.since,
            service=options.service,
            text=options.text,
            level=options.level,
            limit=options.limit,
        )
    )
    if options.json:
        _print_json(document)
        return 0
    records = [plain.log_from_json(one) for one in document["logs"]]
    for line in columns([_log_row(record) for record in reversed(records)]):
        print(line)
    if not records:
        print("No log records in this time; widen it with --since.")
    return 0


def _log_row(record: LogRecord) -> tuple[str, ...]:
    body = record.body if isinstance(record.body, str) else str(record.body)
    level = record.severity_text or str(record.severity_number)
    return (
        moment(record.time_ns),
        clean(level, 10),
        clean(record.service, 40),
        clean(record.trace_id) or "-",
        clean(body),
    )


def services(arguments: Sequence[str]) -> int:
    parser = _parser("services", "Lists services with their requests, errors and durations.")
    _since(parser)
    _json_flag(parser)

    def run(options: argparse.Namespace, answers: Answers, _: Paint) -> int:
        document = answers.services(Wanted(since_s=options.since))
        if options.json:
            _print_json(document)
            return 0
        head = ("service", "requests", "errors", "p50", "p95", "p99", "last seen (UTC)")
        rows = [
            (
                clean(one.service, 60),
                f"{one.requests:,}",
                f"{one.errors:,}",
                duration(one.p50_ns),
                duration(one.p95_ns),
                duration(one.p99_ns),
                moment(one.last_seen_ns),
            )
            for one in map(plain.service_from_json, document["services"])
        ]
        for line in columns([head, *rows], right=frozenset({1, 2, 3, 4, 5})):
            print(line)
        return 0

    return _run(parser, arguments, run)


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"tracestitch {name}", description=description)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--server", metavar="URL", help=f"the dashboard (TRACESTITCH_SERVER; {DEFAULT_SERVER})"
    )
    where.add_argument(
        "--data", metavar="DIR", type=Path, help="read this data folder instead of asking a server"
    )
    parser.add_argument("--token", default=None, help="the server's token (TRACESTITCH_TOKEN)")
    return parser


def _since(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", type=_seconds, default=3600, metavar="TIME",
                        help="how far back: 90s, 15m, 1h, 7d (default: 1h)")  # fmt: skip


def _json_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def _seconds(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 15m, 1h or 7d")
    return int(match[1]) * _SECONDS[match[2]]


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no count from 1 to {MOST}")
    return int(text)


def _run(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str],
    command: Callable[[argparse.Namespace, Answers, Paint], int],
    environment: Mapping[str, str] = os.environ,
) -> int:
    try:
        options = parser.parse_args(arguments)
    except SystemExit as ended:  # argparse has said why
        return ended.code if isinstance(ended.code, int) else 2
    try:
        return command(options, _answers(options, environment), paint_for(sys.stdout, environment))
    except TracestitchError as error:
        return _complain(str(error))
    except (KeyError, TypeError) as error:
        return _complain(
            f"the answer is not what this version understands ({type(error).__name__}: {error})."
        )
    except BrokenPipeError:  # `tracestitch traces | head`
        sys.stderr.close()
        return 0


def _answers(options: argparse.Namespace, environment: Mapping[str, str]) -> Answers:
    if options.data is not None:
        return Folder(data=options.data.expanduser().absolute())
    url = options.server or environment.get("TRACESTITCH_SERVER") or DEFAULT_SERVER
    if not url.startswith(("http://", "https://")):
        raise TracestitchError(f"the server {url!r} is no address; write it like {DEFAULT_SERVER}")
    token = options.token if options.token is not None else environment.get("TRACESTITCH_TOKEN", "")
    return Server(url=url, token=token)


def _print_json(document: Mapping[str, Any]) -> None:
    print(json.dumps(document, ensure_ascii=True, indent=2))


def _complain(text: str) -> int:
    print(f"tracestitch: {clean(text, 2_000)}", file=sys.stderr)
    return 2

"""The terminal commands: check, findings, trace, traces, logs, services. Each takes its arguments and returns
its exit code: 0 done, 1 findings, 2 wrong usage or nobody to ask.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tracestitch_collector import plain
from tracestitch_collector.checks.finding import SEVERITIES, Finding, from_json, to_json
from tracestitch_collector.checks.wording import duration
from tracestitch_collector.model import LogRecord, Trace
from tracestitch_dashboard import baseline, finding_text, junit, sarif, trace_text, words
from tracestitch_dashboard.answers import LEVELS, Answers, Wanted
from tracestitch_dashboard.arguments import (
    complain,
    count,
    json_flag,
    parser_for,
    print_json,
    run_command,
    since,
)
from tracestitch_dashboard.terminal import Paint, clean, columns, moment


def check(arguments: Sequence[str]) -> int:
    parser = parser_for(
        "check",
        "Evaluates the pitfall checks and exits 1 when there are findings at or above --fail-on.",
    )
    since(parser)
    parser.add_argument("--service", default="", help="only findings of this service")
    parser.add_argument("--format", choices=("text", "json", "sarif", "junit"), default="text")
    parser.add_argument("--fail-on", choices=(*SEVERITIES, "new"), default="important", dest="gate",
                        help="the least severity that fails (default: important); 'new': anything that is "
                        "not in the baseline")  # fmt: skip
    parser.add_argument("--baseline", type=Path, help="findings that are put up with, as written before")
    parser.add_argument("--write-baseline", type=Path, metavar="FILE",
                        help="write what is found now to FILE, and exit 0")  # fmt: skip
    return run_command(parser, arguments, _check)


def _check(options: argparse.Namespace, answers: Answers, paint: Paint) -> int:
    if options.gate == "new" and options.baseline is None:
        return complain("--fail-on new needs --baseline FILE to tell what is new.")
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
        print_json({"findings": [to_json(finding) for finding in findings], "failing": len(failing)})
    elif options.format == "sarif":
        print_json(sarif.document(findings, version("tracestitch")))
    elif options.format == "junit":
        print(junit.document(findings, frozenset(finding.fingerprint for finding in failing)), end="")
    else:
        for line in finding_text.lines(findings, paint):
            print(line)
        print(finding_text.summary(findings, failing, options.gate))


def findings(arguments: Sequence[str]) -> int:
    parser = parser_for(
        "findings",
        "Lists every finding known, worst first: open ones, then those that went quiet or are suppressed.",
    )
    parser.add_argument("--service", default="", help="only findings of this service")
    json_flag(parser)

    def run(options: argparse.Namespace, answers: Answers, paint: Paint) -> int:
        found = [one for one in answers.findings() if options.service in ("", one.service)]
        if options.json:
            print_json({"findings": [to_json(finding) for finding in found]})
            return 0
        for line in finding_text.lines(found, paint):
            print(line)
        print(finding_text.summary(found))
        return 0

    return run_command(parser, arguments, run)


def trace(arguments: Sequence[str]) -> int:
    parser = parser_for("trace", "Draws one request: its spans across services, its logs, its findings.")
    parser.add_argument("id", help="the trace id, 32 hex digits")
    parser.add_argument("--all", action="store_true", help="show each of repeated spans, not one row for all")
    json_flag(parser)
    return run_command(parser, arguments, _trace)


def _trace(options: argparse.Namespace, answers: Answers, paint: Paint) -> int:
    trace_id = words.trace_id_in(options.id)
    if not trace_id:
        return complain(
            f"{clean(options.id, 80)} is no trace id: one has 32 hexadecimal digits, such as "
            "0af7651916cd43dd8448eb211c80319c; `tracestitch traces` lists the newest."
        )
    document = answers.trace(trace_id)
    if document is None:
        return complain(f"there is no trace {clean(options.id, 80)}; `tracestitch traces` lists the newest.")
    if options.json:
        print_json(document)
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
    parser = parser_for("traces", "Lists requests, newest first.")
    since(parser)
    parser.add_argument("--service", default="")
    parser.add_argument("--operation", default="", help="a span's name or its route, exactly")
    parser.add_argument("--text", default="", help="somewhere in a span's name or attributes")
    parser.add_argument("--errors", action="store_true", help="only traces with an error")
    parser.add_argument("--slowest", action="store_true", help="slowest first")
    parser.add_argument("--limit", type=count, default=20)
    json_flag(parser)
    return run_command(parser, arguments, _traces)


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
        print_json(document)
        return 0
    found = [plain.summary_from_json(one) for one in document["traces"]]
    rows = [
        (
            moment(one.start_ns),
            trace_text.took(one.answered_ns, one.duration_ns),
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
        for hint in document.get("hints", ()):
            print(clean(str(hint), 400))
    return 0


def logs(arguments: Sequence[str]) -> int:
    parser = parser_for("logs", "Lists log records, newest last.")
    since(parser)
    parser.add_argument("--service", default="")
    parser.add_argument("--level", choices=tuple(LEVELS), default="", help="the least severity")
    parser.add_argument("--text", default="", help="a phrase in the message")
    parser.add_argument("--limit", type=count, default=100)
    json_flag(parser)
    return run_command(parser, arguments, _logs)


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
        print_json(document)
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
    parser = parser_for("services", "Lists services with their requests, errors and durations.")
    since(parser)
    json_flag(parser)

    def run(options: argparse.Namespace, answers: Answers, _: Paint) -> int:
        document = answers.services(Wanted(since_s=options.since))
        if options.json:
            print_json(document)
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

    return run_command(parser, arguments, run)

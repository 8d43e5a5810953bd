"""Telemetry that tries to be code: payloads, and a trace that carries one in every text that a span, a log
record or a process has. Fields are found by their type, so that a new one is covered on the day it appears.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from tests.support.traces import EPOCH_NS, MS
from tracestitch_collector.checks.finding import Evidence, Finding, Fix, Impact, Location
from tracestitch_collector.model import (
    Attributes,
    LogRecord,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanLink,
    Trace,
)
from tracestitch_collector.store.store import Inventory

PAYLOADS = (
    '<script>window.pwned=1</script>',
    '"><img src=x onerror=window.pwned=1>',
    "'><svg onload=window.pwned=1>",
    "javascript:window.pwned=1",
    '" onmouseover="window.pwned=1" x="',
    "</title></textarea></script><script>window.pwned=1</script>",
    "{{ 7*7 }}{% raw %}",
    '<iframe srcdoc="<script>parent.pwned=1</script>">',
    '<a href="https://evil.example/" hx-get="https://evil.example/" hx-trigger="load">x</a>',
    "<!--", "]]>", "&lt;b&gt;", "\u202egnp.exe", "a\x00b\x1b[31m", "__proto__", "constructor",
)  # fmt: skip

IDS = ("trace_id", "span_id", "parent_span_id")
"""Checked by the receiver: always hexadecimal."""


def texts(model: type[Any], payload: str) -> dict[str, Any]:
    """The payload for every plain text field of the model that is no id."""
    return {item.name: payload for item in fields(model) if item.type == "str" and item.name not in IDS}


def attributes(payload: str, *known: str) -> Attributes:
    """The payload as key, as value, in a list and in a map, and under every known key."""
    return {
        payload: payload,
        "list": (payload, (payload,)),
        "map": {payload: {payload: payload}},
        "bytes": payload.encode(),
        **dict.fromkeys(known, payload),
    }


SPAN_KEYS = (
    "http.route", "http.request.method", "url.path", "url.query", "url.full", "server.address", "client.address",
    "user_agent.original", "db.namespace", "db.query.text", "db.query.summary", "db.operation.name",
    "db.collection.name", "messaging.system", "messaging.destination.name", "messaging.message.id", "error.type",
    "tracestitch.celery.task", "tracestitch.celery.state", "tracestitch.http.client", "code.function.name",
    "code.file.path", "tracestitch.response.content_type", "tracestitch.response.body_shape",
)  # fmt: skip
EVENT_KEYS = (
    "exception.type", "exception.message", "exception.stacktrace", "tracestitch.exception.frames",
)  # fmt: skip


def resource(payload: str) -> Resource:
    return Resource(
        attributes=attributes(
            payload, "service.name", "deployment.environment.name", "service.version", "tracestitch.app.root"
        ),
        **texts(Resource, payload),
    )


def trace(payload: str, trace_id: str = "ab" * 16) -> Trace:
    """A root with one child of each kind of row."""
    scope = Scope(attributes=attributes(payload), **texts(Scope, payload))
    frames = (
        f'[{{"file": {json.dumps(payload)}, "line": 3, "function": {json.dumps(payload)}, "in_app": true}}]'
    )
    failure = {
        **attributes(payload, *EVENT_KEYS),
        "tracestitch.exception.frames": frames,
    }
    common: dict[str, Any] = {"trace_id": trace_id, "resource": resource(payload), "scope": scope}
    link = SpanLink(
        trace_id=trace_id,
        span_id="00000000000000aa",
        attributes=attributes(payload),
        **texts(SpanLink, payload),
    )
    known = {**attributes(payload, *SPAN_KEYS), "code.line.number": 3}
    root = Span(
        **{**texts(Span, payload), **common},
        span_id="0000000000000001",
        kind="server",
        status_code="error",
        start_ns=EPOCH_NS,
        duration_ns=900 * MS,
        attributes={key: value for key, value in known.items() if not key.startswith("db.")},
        duplicate_attributes=((payload, payload),),
        events=(
            SpanEvent(time_ns=EPOCH_NS + MS, name="exception", attributes=failure),
            SpanEvent(time_ns=EPOCH_NS + MS, name=payload, attributes=attributes(payload)),
        ),
        links=(link,),
        received_ns=EPOCH_NS + 1000 * MS,
    )
    children = tuple(
        Span(
            **{**texts(Span, payload), **common},
            span_id=f"{number + 2:016x}",
            parent_span_id=parent,
            kind=kind,
            start_ns=EPOCH_NS + (number * 20 + 10) * MS,
            duration_ns=15 * MS,
            attributes=known,
            received_ns=EPOCH_NS + 1000 * MS,
        )
        for number, (kind, parent) in enumerate(_CHILDREN)
    )
    record = LogRecord(
        **{**texts(LogRecord, payload), **common},
        time_ns=EPOCH_NS + 5 * MS,
        span_id="0000000000000001",
        body=payload,
        attributes=attributes(payload, "tracestitch.log.template", "thread.name", *EVENT_KEYS),
    )
    odd = LogRecord(**{**texts(LogRecord, ""), **common}, time_ns=EPOCH_NS + 6 * MS, body={payload: payload})
    return Trace(trace_id=trace_id, spans=(root, *children), logs=(record, odd))


_ROOT = "0000000000000001"
_CHILDREN: tuple[tuple[Any, str], ...] = (
    *(("client", _ROOT) for _ in range(4)),
    ("producer", _ROOT),
    ("internal", _ROOT),
    ("consumer", "00000000000000ff"),
)
"""Kind and parent: a run to fold, one of each other kind, and one whose parent never arrived."""


def finding(payload: str, trace_id: str = "ab" * 16) -> Finding:
    return Finding(
        **{**texts(Finding, payload), "fingerprint": "00000000000000f1"},
        pitfall="P4",
        severity="important",
        tier="B",
        location=Location(line=3, **texts(Location, payload)),
        evidence=(Evidence(trace_id=trace_id, span_ids=("0000000000000002",)),),
        affected=1,
        eligible=2,
        impact=Impact(ms_per_day=1.0, requests_share=0.5, **texts(Impact, payload)),
        fix=Fix(**texts(Fix, payload)),
        first_seen_ns=EPOCH_NS,
        last_seen_ns=EPOCH_NS + MS,
        details=((payload, payload),),
    )


def inventory(payload: str) -> Inventory:
    return Inventory(
        **texts(Inventory, payload),
        time_ns=EPOCH_NS,
        resource=attributes(payload, "service.version"),
        body={
            "framework": {"name": payload, "version": payload},
            "python": {"version": payload},
            "packages": {payload: payload},
            "codebase": payload,
            "routes": ({"rule": payload, "methods": (payload,), "view": payload},),
            "deploy_checks": (payload,),
            "unapplied_migrations": (payload,),
            "clock": {"time_zone": payload},
        },
    )

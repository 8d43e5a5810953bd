"""Log records as lines of ECS JSON on standard output, for Filebeat and whoever else reads containers' output; asked for with
`--logs stdout-ecs` (instead of OTLP) or `--logs both`.
"""

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tracestitch.encode import LogEntry
from tracestitch.frames import CodeLocation
from tracestitch.settings import BOTH, STDOUT

ECS_VERSION = "8.11.0"
_STANDARD_OUTPUT = 1

_RESOURCE = {
    "service.name": "service.name",
    "service.version": "service.version",
    "service.namespace": "service.namespace",
    "service.instance.id": "service.node.name",
    "deployment.environment.name": "service.environment",
    "host.name": "host.name",
    "process.pid": "process.pid",
}
_ATTRIBUTES = {
    "thread.name": "process.thread.name",
    "exception.type": "error.type",
    "exception.message": "error.message",
    "exception.stacktrace": "error.stack_trace",
}


class Output:
    """Off until the agent is told otherwise. Lines are written whole, past the app's own `sys.stdout`: what captures or
    replaces that sees none of them."""

    def __init__(self) -> None:
        self.on = False
        self.alone = False
        """Nothing of them goes by OTLP then."""
        self._resource: Callable[[], Mapping[str, str | int]] = dict

    def enable(self, way: str, resource: Callable[[], Mapping[str, str | int]]) -> None:
        self.on, self.alone, self._resource = way in (STDOUT, BOTH), way == STDOUT, resource

    def write(self, entry: LogEntry, location: CodeLocation) -> None:
        rest = line(entry, location, self._resource())
        while rest:  # a pipe may take less than all
            rest = rest[os.write(_STANDARD_OUTPUT, rest) :]


OUTPUT = Output()


def line(entry: LogEntry, location: CodeLocation, resource: Mapping[str, str | int]) -> bytes:
    """One record, with its line end. What it says has been scrubbed already."""
    moment = datetime.fromtimestamp(entry.time_ns // 1_000_000_000, UTC)
    fields: dict[str, Any] = {
        "@timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}.{entry.time_ns % 1_000_000_000:09d}Z",
        "log.level": entry.severity_text.lower(),
        "message": entry.body,
        "ecs.version": ECS_VERSION,
        "log.logger": entry.scope,
        "log.origin.file.name": location.file,
        "log.origin.file.line": location.line,
        "log.origin.function": location.function,
    }
    fields |= {name: resource[key] for key, name in _RESOURCE.items() if key in resource}
    fields |= {name: entry.attributes[key] for key, name in _ATTRIBUTES.items() if key in entry.attributes}
    if entry.trace_id:
        fields |= {"trace.id": f"{entry.trace_id:032x}", "span.id": f"{entry.span_id:016x}"}
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

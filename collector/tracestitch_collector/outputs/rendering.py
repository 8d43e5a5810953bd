"""Metrics as the two text formats of Prometheus. prometheus-client's own encoders take several times as long, and
hold up the pipeline, which shares its interpreter with the scrape.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.samples import Exemplar

_SUFFIX = {"counter": "_total", "info": "_info"}


class _Escaped(dict[str, str]):
    """Label values as they are written; most come again and again."""

    def __missing__(self, value: str) -> str:
        escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        self[value] = escaped
        return escaped


def render(metrics: Iterable[Metric], *, openmetrics: bool) -> bytes:
    """OpenMetrics 1.0 with exemplars, or the plain text format, which knows none."""
    lines: list[str] = []
    escaped = _Escaped()
    for metric in metrics:
        name = metric.name if openmetrics else metric.name + _SUFFIX.get(metric.type, "")
        kind = metric.type if openmetrics else {"unknown": "untyped"}.get(metric.type, metric.type)
        about = metric.documentation.replace("\\", r"\\").replace("\n", r"\n")
        if openmetrics:
            about = about.replace('"', r"\"")
        lines.append(f"# HELP {name} {about}")
        lines.append(f"# TYPE {name} {kind}")
        for sample in metric.samples:
            labels = ",".join([f'{key}="{escaped[value]}"' for key, value in sample.labels.items()])
            line = f"{sample.name}{{{labels}}}" if labels else sample.name
            line = f"{line} {_number(sample.value)}"
            lines.append(f"{line}{_exemplar(sample.exemplar)}" if openmetrics and sample.exemplar else line)
    if openmetrics:
        lines.append("# EOF")
    return "\n".join([*lines, ""]).encode("utf-8", "replace")


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _exemplar(exemplar: Exemplar) -> str:
    """Of ids in hex, which need no escapes."""
    labels = ",".join(f'{key}="{value}"' for key, value in sorted(exemplar.labels.items()))
    return f" # {{{labels}}} {_number(exemplar.value)}"

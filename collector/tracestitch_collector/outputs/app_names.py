"""How OpenTelemetry's names become Prometheus' names: dots and units, labels, and the two labels that say who
sent a metric (`UnderscoreEscapingWithSuffixes` of OpenTelemetry's specification).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from tracestitch_collector.columns import to_plain
from tracestitch_collector.model import AttributeValue

MAX_NAME_LENGTH = 200
MAX_LABEL_LENGTH = 200
MAX_LABELS = 40
RESERVED = ("tracestitch_", "traces_span_metrics_", "traces_service_graph_", "scrape_", "up", "target_info")
"""Names that Tracestitch or Prometheus gives: what an app sends under one of them would pass for theirs."""

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
}
_PER = {"s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month"}
_ANNOTATION = re.compile(r"\{[^}]*\}")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_:]+")
_NOT_IN_LABELS = re.compile(r"[^a-zA-Z0-9_]")
_UNDERSCORES = re.compile(r"__+")


def metric_name(name: str, unit: str, *, is_counter: bool, is_gauge: bool) -> str:
    """Without the `_total` of a counter, which belongs to its sample; empty when nothing of the name is left."""
    plain = _UNDERSCORES.sub("_", _NOT_IN_NAMES.sub("_", name[:MAX_NAME_LENGTH])).strip("_")
    if not plain:
        return ""
    if plain[0].isdigit():
        plain = f"_{plain}"
    if is_counter:
        plain = plain.removesuffix("_total")
    for suffix in _unit_suffixes(unit, is_gauge=is_gauge):
        if suffix not in plain.split("_"):
            plain = f"{plain}_{suffix}"
    return plain


def is_reserved(name: str) -> bool:
    return any(name.startswith(prefix) if prefix.endswith("_") else name == prefix for prefix in RESERVED)


def labels(attributes: Iterable[tuple[str, AttributeValue]], *, taken: Iterable[str]) -> dict[str, str]:
    """Labels for attributes. Keys that become equal share a label, their values joined by `;`; a key that becomes
    one of the `taken` is written `exported_…`, as Prometheus itself does it."""
    found: dict[str, list[str]] = {}
    for key, value in sorted(attributes, key=lambda pair: pair[0])[:MAX_LABELS]:
        name = label_name(key)
        found.setdefault(f"exported_{name}" if name in taken else name, []).append(value_text(value))
    return {name: ";".join(values)[:MAX_LABEL_LENGTH] for name, values in found.items()}


def label_name(key: str) -> str:
    name = _UNDERSCORES.sub("_", _NOT_IN_LABELS.sub("_", key[:MAX_NAME_LENGTH])).lstrip("_")
    return f"key_{name}" if not name or name[0].isdigit() else name


def value_text(value: AttributeValue) -> str:
    if isinstance(value, str):
        return value[:MAX_LABEL_LENGTH]
    return json.dumps(to_plain(value), ensure_ascii=False)[:MAX_LABEL_LENGTH]


def sender(resource: Mapping[str, AttributeValue]) -> dict[str, str]:
    """`job` and `instance` of a resource."""
    service = value_text(resource.get("service.name") or "unknown_service")
    namespace = resource.get("service.namespace")
    job = f"{value_text(namespace)}/{service}" if namespace else service
    instance = resource.get("service.instance.id")
    return {"job": job, "instance": value_text(instance)} if instance else {"job": job}


def _unit_suffixes(unit: str, *, is_gauge: bool) -> list[str]:
    """`By/s` is `bytes` and `per_second`; `{request}` is nothing; `1` is the `ratio` of a gauge."""
    unit = _ANNOTATION.sub("", unit[:MAX_NAME_LENGTH]).strip()
    if unit == "1":
        return ["ratio"] if is_gauge else []
    above, _, below = unit.partition("/")
    suffixes = [_UNITS.get(above, _plain_unit(above))]
    if below:
        suffixes.append(f"per_{_PER.get(below, _plain_unit(below))}")
    return [suffix for suffix in suffixes if suffix and suffix != "per_"]


def _plain_unit(unit: str) -> str:
    return _UNDERSCORES.sub("_", _NOT_IN_LABELS.sub("_", unit)).strip("_")

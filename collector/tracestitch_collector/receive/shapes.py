"""The messages of OTLP as the receiver sees them: for each the length-delimited fields that matter, by tag
byte. What is not listed is skipped, as protobuf asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from tracestitch_collector.log import Kind


class Leaf(IntEnum):
    TEXT = 1
    """Must be UTF-8."""


Shape: TypeAlias = "dict[int, Leaf | Shape]"


def tag(number: int) -> int:
    """The tag byte of a length-delimited field; one byte is enough for fields 1 to 15."""
    return number << 3 | 2


def _shape(*, text: tuple[int, ...] = (), messages: Mapping[int, Shape] | None = None) -> Shape:
    return {
        **{tag(number): Leaf.TEXT for number in text},
        **{tag(number): shape for number, shape in (messages or {}).items()},
    }


ANY_VALUE: Shape = _shape(text=(1,))
SINGLE_VALUE: Shape = _shape(text=(1,))
"""The value of an attribute, or the body of a log record: counted together with it."""
KEY_VALUE = _shape(text=(1,), messages={2: SINGLE_VALUE})
ARRAY_VALUE = _shape(messages={1: ANY_VALUE})
KEY_VALUE_LIST = _shape(messages={1: KEY_VALUE})
for value in (ANY_VALUE, SINGLE_VALUE):
    value[tag(5)] = ARRAY_VALUE
    value[tag(6)] = KEY_VALUE_LIST

_ENTITY = _shape(text=(1, 2, 3, 4))
RESOURCE = _shape(messages={1: KEY_VALUE, 3: _ENTITY})
SCOPE = _shape(text=(1, 2), messages={3: KEY_VALUE})

_EVENT = _shape(text=(2,), messages={3: KEY_VALUE})
_LINK = _shape(text=(3,), messages={4: KEY_VALUE})
_STATUS = _shape(text=(2,))
SPAN = _shape(text=(3, 5), messages={9: KEY_VALUE, 11: _EVENT, 13: _LINK, 15: _STATUS})
LOG_RECORD = _shape(text=(3, 12), messages={5: SINGLE_VALUE, 6: KEY_VALUE})

_EXEMPLAR = _shape(messages={7: KEY_VALUE})
_NUMBER_POINT = _shape(messages={7: KEY_VALUE, 5: _EXEMPLAR})
_HISTOGRAM_POINT = _shape(messages={9: KEY_VALUE, 8: _EXEMPLAR})
_EXPONENTIAL_POINT = _shape(messages={1: KEY_VALUE, 8: _shape(), 9: _shape(), 11: _EXEMPLAR})
_SUMMARY_POINT = _shape(messages={7: KEY_VALUE, 6: _shape()})
METRIC_DATA = frozenset(map(tag, (5, 7, 9, 10, 11)))
"""The fields of a metric that hold data points, each as its field 1."""
METRIC = _shape(
    text=(1, 2, 3),
    messages={
        5: _shape(messages={1: _NUMBER_POINT}),
        7: _shape(messages={1: _NUMBER_POINT}),
        9: _shape(messages={1: _HISTOGRAM_POINT}),
        10: _shape(messages={1: _EXPONENTIAL_POINT}),
        11: _shape(messages={1: _SUMMARY_POINT}),
        12: KEY_VALUE,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One of OTLP's three signals; requests of all have the same three outer levels."""

    name: str
    kind: Kind
    item: Shape
    noun: str
    """What one item is called in messages to people, in the plural."""
    rejected_field: str
    """In the partial success of a JSON answer."""
    path: str
    grpc_method: str


TRACES = Signal(
    name="traces",
    kind=Kind.TRACES,
    item=SPAN,
    noun="spans",
    rejected_field="rejectedSpans",
    path="/v1/traces",
    grpc_method="/opentelemetry.proto.collector.trace.v1.TraceService/Export",
)
LOGS = Signal(
    name="logs",
    kind=Kind.LOGS,
    item=LOG_RECORD,
    noun="log records",
    rejected_field="rejectedLogRecords",
    path="/v1/logs",
    grpc_method="/opentelemetry.proto.collector.logs.v1.LogsService/Export",
)
METRICS = Signal(
    name="metrics",
    kind=Kind.METRICS,
    item=METRIC,
    noun="data points",
    rejected_field="rejectedDataPoints",
    path="/v1/metrics",
    grpc_method="/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
)
SIGNALS = (TRACES, LOGS, METRICS)

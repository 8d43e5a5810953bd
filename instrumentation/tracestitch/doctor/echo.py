"""The echo: one span and one log record in OTLP, written without the agent's encoder, which needs OpenTelemetry."""

import struct
from dataclasses import dataclass

SERVICE = "tracestitch-doctor"
_SCOPE = "tracestitch.doctor"
_INTERNAL = 1
_INFO = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    trace_id: str
    span_id: str
    time_ns: int
    host: str
    version: str

    def traces(self) -> bytes:
        """An ExportTraceServiceRequest."""
        span = (
            _bytes(1, bytes.fromhex(self.trace_id))
            + _bytes(2, bytes.fromhex(self.span_id))
            + _text(5, "echo of tracestitch doctor")
            + bytes((6 << 3, _INTERNAL))
            + _fixed64(7, self.time_ns)
            + _fixed64(8, self.time_ns + 1_000_000)
        )
        return self._request(span)

    def logs(self) -> bytes:
        """An ExportLogsServiceRequest."""
        record = (
            _fixed64(1, self.time_ns)
            + bytes((2 << 3, _INFO))
            + _text(3, "INFO")
            + _bytes(5, _text(1, "echo of tracestitch doctor"))
            + _bytes(9, bytes.fromhex(self.trace_id))
            + _bytes(10, bytes.fromhex(self.span_id))
            + _fixed64(11, self.time_ns)
        )
        return self._request(record)

    def _request(self, item: bytes) -> bytes:
        resource = b"".join(
            _bytes(1, _text(1, key) + _bytes(2, _text(1, value)))
            for key, value in (
                ("service.name", SERVICE),
                ("service.version", self.version),
                ("host.name", self.host),
            )
        )
        return _bytes(1, _bytes(1, resource) + _bytes(2, _bytes(1, _text(1, _SCOPE)) + _bytes(2, item)))


def _bytes(number: int, value: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode("utf-8", "replace"))


def _fixed64(number: int, value: int) -> bytes:
    return bytes((number << 3 | 1,)) + struct.pack("<Q", value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*encoded, value))

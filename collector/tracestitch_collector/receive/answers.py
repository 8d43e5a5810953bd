"""What the receiver answers, encoded by hand: success, partial success, and the `Status` that every refusal
carries, in protobuf or JSON and with the details that gRPC callers read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum

from tracestitch_collector.receive.shapes import Signal
from tracestitch_collector.receive.wire import Census, varint

RETRY_AFTER_S = 1
"""Clients drop the batch when the wait exceeds what is left of their own patience, so never more than 5."""


class Code(IntEnum):
    """The gRPC codes in use."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request is refused: one label, one HTTP status, one gRPC code."""

    label: str
    http: int
    code: Code

    @property
    def retryable(self) -> bool:
        return self.code is Code.UNAVAILABLE


MALFORMED = Reason("malformed", 400, Code.INVALID_ARGUMENT)
TOO_LARGE = Reason("too large", 413, Code.RESOURCE_EXHAUSTED)
NOT_RECEIVED = Reason("not received", 413, Code.RESOURCE_EXHAUSTED)
WRONG_TYPE = Reason("wrong content type", 415, Code.INVALID_ARGUMENT)
WRONG_METHOD = Reason("wrong method", 405, Code.UNIMPLEMENTED)
NOT_FOUND = Reason("not found", 404, Code.NOT_FOUND)
FOREIGN_HOST = Reason("foreign host", 421, Code.PERMISSION_DENIED)
NO_TOKEN = Reason("no token", 401, Code.UNAUTHENTICATED)
UNAVAILABLE = Reason("log unavailable", 503, Code.UNAVAILABLE)
BUSY = Reason("busy", 503, Code.UNAVAILABLE)
INTERNAL = Reason("internal error", 500, Code.INTERNAL)


class RefusedError(Exception):
    """The request is not taken. The message is for whoever sent it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The request is taken, perhaps without some of its items, perhaps with a remark."""

    rejected: int = 0
    remark: str = ""


def accepted_protobuf(accepted: Accepted) -> bytes:
    """Export…ServiceResponse; empty on full success."""
    partial = b""
    if accepted.rejected:
        partial += b"\x08" + varint(accepted.rejected)
    if accepted.remark:
        partial += _bytes_field(2, accepted.remark.encode())
    return _bytes_field(1, partial) if partial else b""


def accepted_json(accepted: Accepted, signal: Signal) -> bytes:
    if not accepted.rejected and not accepted.remark:
        return b"{}"
    partial: dict[str, str] = {}
    if accepted.rejected:
        partial[signal.rejected_field] = str(accepted.rejected)
    if accepted.remark:
        partial["errorMessage"] = accepted.remark
    return json.dumps({"partialSuccess": partial}).encode()


def status_protobuf(code: int, message: str, details: bytes = b"") -> bytes:
    """google.rpc.Status."""
    return b"\x08" + varint(code) + _bytes_field(2, message.encode()) + details


def status_json(code: int, message: str) -> bytes:
    return json.dumps({"code": code, "message": message}).encode()


def retry_info() -> bytes:
    """google.rpc.RetryInfo: come again after RETRY_AFTER_S."""
    return _bytes_field(1, b"\x08" + varint(RETRY_AFTER_S))


def grpc_trailers(reason: Reason, message: str) -> tuple[tuple[str, bytes], ...]:
    """The details of a refusal in the standard trailer, and in the one that opentelemetry-python reads."""
    if not reason.retryable:
        return (("grpc-status-details-bin", status_protobuf(reason.code, message)),)
    info = retry_info()
    packed = _bytes_field(1, b"type.googleapis.com/google.rpc.RetryInfo") + _bytes_field(2, info)
    details = _bytes_field(3, packed)
    return (
        ("grpc-status-details-bin", status_protobuf(reason.code, message, details)),
        ("google.rpc.retryinfo-bin", info),
    )


def remark(census: Census, signal: Signal, dropped_values: int = 0) -> str:
    """What was not taken, in words; empty when everything was."""
    parts = []
    if census.rejected:
        reasons = ", ".join(f"{count} with {reason}" for reason, count in census.reasons.most_common())
        parts.append(f"{len(census.rejected)} {signal.noun} rejected: {reasons}")
    if dropped_values:
        parts.append(f"{dropped_values} attribute values dropped: null or beyond the range of their type")
    return "; ".join(parts)


def _bytes_field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content

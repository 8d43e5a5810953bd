"""What a collector's reply means: delivered, try again later, or refused for good. Pure."""

import email.utils
from dataclasses import dataclass
from urllib.parse import urlsplit

from tracestitch.transport import Reply

LONGEST_RETRY_AFTER_S = 5.0
_RETRYABLE = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    delivered: bool = False
    retry: bool = False
    retry_after_s: float | None = None
    rejected: int = 0
    # Why, in words for the app's log; empty when all is well.
    reason: str = ""


def judge(reply: Reply, now_s: float) -> Verdict:
    if reply.status in _RETRYABLE:
        return Verdict(
            retry=True,
            retry_after_s=_retry_after(reply.headers.get("retry-after", ""), now_s),
            reason=f"it answered {reply.status}",
        )
    if reply.status != 200:
        return Verdict(reason=_refusal(reply))
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-protobuf" and reply.body:
        return Verdict(reason=f"it answered 200 with {kind or 'no content type'}, so it is no OTLP receiver")
    rejected, message = partial_success(reply.body)
    if rejected:
        return Verdict(
            delivered=True, rejected=rejected, reason=f"it rejected {rejected} items: {message[:300]}"
        )
    return Verdict(delivered=True)


def partial_success(body: bytes) -> tuple[int, str]:
    """(rejected items, message) of an Export…ServiceResponse; (0, "") of one that says nothing of the kind."""
    try:
        for number, value in _fields(body):
            if number == 1 and isinstance(value, bytes):
                inner = dict(_fields(value))
                rejected, message = inner.get(1, 0), inner.get(2, b"")
                return (
                    rejected if isinstance(rejected, int) else 0,
                    message.decode("utf-8", "replace") if isinstance(message, bytes) else "",
                )
    except (IndexError, ValueError):
        pass
    return 0, ""


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    fields: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
            fields.append((tag >> 3, value))
        elif tag & 7 == 2:
            length, at = _varint(data, at)
            fields.append((tag >> 3, data[at : at + length]))
            at += length
        else:
            raise ValueError(f"wire type {tag & 7} has no place in a reply")
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a varint longer than 64 bits")


def _retry_after(text: str, now_s: float) -> float | None:
    if not text:
        return None
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = email.utils.parsedate_to_datetime(text).timestamp() - now_s
        except ValueError:
            return None
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER_S) if wait == wait else None


def wrong_port(url: str) -> str:
    """A sentence about a port that is known to be another protocol's, else nothing."""
    try:
        port = urlsplit(url).port
    except ValueError:
        return ""
    others = {4317: "is OTLP's gRPC port", 4380: "is the dashboard's port"}
    return (
        f"Port {port} {others[port]}; the agent sends to OTLP/HTTP, usually 4318. " if port in others else ""
    )


def _refusal(reply: Reply) -> str:
    advice = {
        401: "set TRACESTITCH_TOKEN to the collector's token",
        403: "set TRACESTITCH_TOKEN to the collector's token",
        404: "is the endpoint the address of an OTLP/HTTP port (usually 4318)?",
        421: "start the collector with --allowed-host and the host name of the endpoint",
    }.get(reply.status)
    return f"it answered {reply.status}" + (f"; {advice}" if advice else "")

"""What requests, urllib3 and httpx have in common: the client span of one HTTP call, its trace headers, its
effective timeouts and its outcome. The modules named after the libraries only find the values."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from opentelemetry import context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from tracestitch import apart, calls, contexts, scrub, swallowed, tracebacks, transactions
from tracestitch.retries import ATTEMPTS
from tracestitch.safety import guard

_CALL = context.create_key("tracestitch-http-call")
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)
_CALLING = guard("http client")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """The limits in seconds that the socket really gets; None means waiting for ever."""

    connect_s: float | None
    read_s: float | None


class HttpCall:
    """One call while it runs. As a context manager it is current inside and ends its span; nothing in it raises."""

    def __init__(self, *, span: Span, client: str, timeouts: Timeouts | None) -> None:
        self.client = client
        self.timeouts = timeouts
        self._span = span
        self._failed_answer: object = None
        self._may_be_tried_again = False
        self._sent = 0
        self._token: Any = None

    def __enter__(self) -> Self:
        with _CALLING:
            self._token = contexts.attach(context.set_value(_CALL, self, contexts.with_span(self._span)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with _CALLING:
            # Detached first: the failure is noted on the span in which the call was made.
            if self._token is not None:
                contexts.detach(self._token)
            if error is not None or self._may_be_tried_again:
                ATTEMPTS.failed(self._span)
            if error is not None:
                calls.fail(self._span, error)
            elif self._failed_answer is not None:
                swallowed.mark(self._failed_answer)
        with _CALLING:
            self._note_limits()
            self._span.end()
            tracebacks.hide_own_frames(error)

    def inject(self, headers: MutableMapping[str, str]) -> None:
        with _CALLING:
            apart.inject(headers)

    def sent(self, timeouts: Timeouts) -> None:
        """A connection pool below takes the call (again, when it retries) with these limits."""
        self._sent += 1
        self.timeouts = timeouts

    def answered(self, status: int, answer: object) -> None:
        """`answer` is what a later exception may carry, as that of `raise_for_status()` does."""
        with _CALLING:
            self._span.set_attribute("http.response.status_code", status)
            self._may_be_tried_again = status >= 500 or status in (408, 409, 423, 425, 429)
            if status >= 400:
                self._span.set_attribute("error.type", str(status))
                self._span.set_status(Status(StatusCode.ERROR))
                self._failed_answer = answer

    def _note_limits(self) -> None:
        if self._sent > 1:
            self._span.set_attribute("http.request.resend_count", self._sent - 1)
        if self.timeouts is None:
            return
        if self.timeouts.connect_s is not None:
            self._span.set_attribute("tracestitch.timeout.connect_s", float(self.timeouts.connect_s))
        if self.timeouts.read_s is not None:
            self._span.set_attribute("tracestitch.timeout.read_s", float(self.timeouts.read_s))
        self._span.set_attribute("tracestitch.timeout.missing", self.timeouts.read_s is None)


def start(client: str, method: str, url: str, timeouts: Timeouts | None) -> HttpCall | None:
    """A call to enter, or None where it must not be observed."""
    with _CALLING:
        if calls.suppressed():
            return None
        name = method.upper() if method.upper() in _METHODS else "HTTP"
        attributes: dict[str, AttributeValue] = {
            "http.request.method": name if name != "HTTP" else "_OTHER",
            "url.full": scrub.scrub_url(url),
            "tracestitch.http.client": client,
            **server_attributes(url),
        }
        attributes.update(transactions.going_out())
        span = calls.start(name, SpanKind.CLIENT, attributes)
        ATTEMPTS.note(span)
        return HttpCall(span=span, client=client, timeouts=timeouts)
    return None


def current() -> HttpCall | None:
    call = contexts.current().get(_CALL)
    return call if isinstance(call, HttpCall) else None


def server_attributes(url: str) -> dict[str, AttributeValue]:
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        port = None
    attributes: dict[str, AttributeValue] = {}
    if parts.hostname:
        attributes["server.address"] = parts.hostname
    if port is not None:
        attributes["server.port"] = port
    return attributes

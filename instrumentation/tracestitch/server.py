"""One request being served, whatever the framework: its span from the first byte in to the last byte out.

The walk for a line of user code stops at this file: what lies beyond it is the server.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from opentelemetry import context, propagate
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from tracestitch import access_lines, contexts, disconnects, incoming, inventory, secret_paths
from tracestitch.attributes import Shared
from tracestitch.bodies import body_shape, content_type
from tracestitch.exceptions import record_exception
from tracestitch.frames import CodeLocation, location_attributes, type_name
from tracestitch.profiler import PROFILER
from tracestitch.safety import guard
from tracestitch.scrub import scrub_text
from tracestitch.spans import Span as OwnSpan
from tracestitch.stages import Stages
from tracestitch.tracing import tracer

Environ = MutableMapping[str, Any]
StartResponse = Callable[..., Any]

_CALL_KEY = context.create_key("tracestitch-server-call")
# Ids of the calls that have begun and not ended.
_IN_FLIGHT: set[int] = set()
_NO_ERRORS: list[BaseException] = []
_MOST_OUTCOMES = 1_000
_ENDING, _READING = guard("ending a server span"), guard("reading a status")
_FOLLOWING, _FAILING = guard("following a response body"), guard("recording an exception")
_STARTING, _DETACHING = guard("starting a server span"), guard("leaving a request's context")
_REMEMBERING = guard("remembering a request for its access line")


class ServerCall:
    """What is learnt about a request while it is served; `end` writes it on the span, once."""

    __slots__ = (
        "_app",
        "_disconnected",
        "_ended",
        "_error_shape",
        "_errors",
        "_method",
        "_route",
        "_status",
        "_view",
        "context",
        "followed",
        "marker",
        "response",
        "span",
        "stages",
    )

    def __init__(self, span: Span, base: Context, method: str, marker: object) -> None:
        self.span = span
        self.context = Context({**base, contexts.SPAN_KEY: span, _CALL_KEY: self})
        # What stays the same object when a request is handed from one app to another inside the process.
        self.marker = marker
        self._method = method
        self._route: str | None = None
        self._status: int | None = None
        self._view: CodeLocation | None = None
        self._error_shape: tuple[str, str | None] | None = None
        self._errors: list[tuple[BaseException, bool]] = []
        self._app: object = None
        self._ended = False
        self._disconnected = False
        # Somebody will end this call when the body ends.
        self.followed = False
        self.stages: Stages | None = None
        # What the framework answers, where its hook needs to know it again.
        self.response: object = None

    def describe(self, app: object, route: str | None, view: CodeLocation | None) -> None:
        self._app = app
        if route is not None:
            self._route = route
        if view is not None:
            self._view = view

    def hide(self, names: tuple[str, ...], values: Mapping[str, Any]) -> None:
        """These parameters of the path are secrets."""
        path = getattr(self.span, "own", {}).get("url.path")
        if isinstance(path, str):
            cleaned = secret_paths.without(path, names, values)
            self.span.set_attribute("url.path", cleaned)
            secret_paths.SERVED_PATHS.remember(path, cleaned)

    def started(self, status: int) -> None:
        self._status = status

    def failed(self, error: BaseException, *, handled: bool) -> None:
        """`handled`: the app answers by a handler of its own."""
        if disconnects.is_disconnect(error):
            self._disconnected = True
            return
        if not any(error is known for known, _ in self._errors):
            self._errors.append((error, handled))
            record_exception(self.span, error, handled=handled)

    def left(self) -> None:
        """The client went away before it had all of the answer."""
        if not self._ended:
            self._disconnected = True

    def error_body(self, status: int, content_type_header: str | None, body: bytes | None) -> None:
        """Of a 4xx or 5xx answer; no body where reading it would use up a stream."""
        media_type = content_type(content_type_header)
        if status < 400 or not media_type:
            return
        self._error_shape = (media_type, body_shape(media_type, body) if body is not None else None)

    def end(self) -> None:
        if self._ended:
            return
        self._ended = True
        _IN_FLIGHT.discard(id(self))
        try:
            self._finish()
            if PROFILER.on:
                PROFILER.ended(self.span)
        except Exception as error:
            _ENDING.caught(error)
        self.span.end()
        self._errors.clear()
        self.response = None
        inventory.schedule(self._app)

    def _finish(self) -> None:
        unhandled = [error for error, handled in self._errors if not handled] if self._errors else _NO_ERRORS
        if self._status is None and unhandled:
            self._status = 500  # the exception went to the server, which answers so
        status, route, span = self._status, self._route, self.span
        outcome = _OUTCOMES.shared(status, route, self._view)
        if type(span) is OwnSpan and span.end_time is None and span.tracer.provider.shares:
            if route is not None:
                span.name = f"{self._method} {route}"
            span.shared = (*span.shared, outcome)
        else:
            if route is not None:
                span.update_name(f"{self._method} {route}")
            span.set_attributes(outcome)
        if self._error_shape is not None:
            media_type, shape = self._error_shape
            span.set_attribute("tracestitch.response.content_type", media_type)
            if shape is not None:
                span.set_attribute("tracestitch.response.body_shape", shape)
        if self.stages is not None:
            span.set_attributes(self.stages.attributes())
        if self._disconnected:
            span.set_attribute(disconnects.ATTRIBUTE, True)
            if not unhandled:
                return  # whatever was answered, nobody has got it
        if unhandled or (status or 0) >= 500:
            self._tell_error(unhandled or [error for error, _ in self._errors])

    def _tell_error(self, errors: list[BaseException]) -> None:
        last = errors[-1] if errors else None
        kind = type_name(type(last)) if last is not None else str(self._status)
        self.span.set_attribute("error.type", kind)
        described = f"{type(last).__name__}: {last}"[:1_000] if last is not None else ""
        self.span.set_status(StatusCode.ERROR, scrub_text(described) if described else None)


class Outcomes:
    """What all requests with the same view and status say at their end."""

    def __init__(self) -> None:
        # Holds the view, so that no other gets its address.
        self._known: dict[tuple[int | None, str | None, int], tuple[Shared, CodeLocation | None]] = {}

    def shared(self, status: int | None, route: str | None, view: CodeLocation | None) -> Shared:
        key = (status, route, id(view))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_OUTCOMES:
                self._known.clear()
            known = self._known[key] = (_outcome(status, route, view), view)
        return known[0]


def _outcome(status: int | None, route: str | None, view: CodeLocation | None) -> Shared:
    attributes: dict[str, AttributeValue] = dict(location_attributes(view)) if view is not None else {}
    if status is not None:
        attributes["http.response.status_code"] = status
    if route is not None:
        attributes["http.route"] = route
    return Shared(attributes)


_OUTCOMES = Outcomes()


def current_call() -> ServerCall | None:
    call = contexts.current().get(_CALL_KEY)
    return call if isinstance(call, ServerCall) else None


def spent(kind: str, name: str, ns: int) -> None:
    """So much of the current request's time went to this stage of its framework."""
    stages = current_stages()
    if stages is not None:
        stages.add(kind, name, ns)


def current_stages() -> Stages | None:
    call = contexts.current().get(_CALL_KEY)
    if type(call) is not ServerCall:
        return None
    if call.stages is None:
        call.stages = Stages()
    return call.stages


def observed_wsgi(adopt: Callable[[ServerCall, Any], Any]) -> Callable[[Any], Callable[..., Any]]:
    """Wraps a method `(self, environ, start_response)`; `adopt` sees to it that the call ends with the body, and
    gives back what the server shall get."""

    def make(original: Any) -> Callable[..., Any]:
        def __call__(self: Any, environ: Environ, start_response: StartResponse) -> Any:  # noqa: N807
            call = None
            try:
                call = _begin_wsgi(environ)
                if call is not None:
                    noting, token = _noting_status(call, start_response), contexts.attach(call.context)
            except Exception as error:
                _STARTING.caught(error)
                call = None
            if call is None:
                return original(self, environ, start_response)
            try:
                result = original(self, environ, noting)
            except BaseException as error:
                with _FAILING:
                    _fail(call, error)
                raise
            finally:
                try:
                    contexts.detach(token)
                except Exception as error:
                    _DETACHING.caught(error)
            try:
                return adopt(call, result)
            except Exception as error:
                _FOLLOWING.caught(error)
            with _ENDING:
                call.end()
            return result

        return __call__

    return make


def observed_asgi(original: Any) -> Callable[..., Awaitable[None]]:
    """Wraps a method `(self, scope, receive, send)`; all of the body is sent within the call."""

    async def __call__(self: Any, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: N807
        call = token = None
        with _STARTING:
            call = _begin_asgi(scope) if scope.get("type") == "http" else None
            token = contexts.attach(call.context) if call is not None else None
        if call is None or token is None:
            await original(self, scope, receive, send)
            return

        answered = False

        async def noting_status(message: Mapping[str, Any]) -> None:
            nonlocal answered
            with _READING:
                if message.get("type") == "http.response.start":
                    call.started(message.get("status", 200))
                elif message.get("type") == "http.response.body":
                    answered = not message.get("more_body", False)
            try:
                await send(message)
            except OSError:
                with _READING:
                    call.left()
                raise

        async def noting_disconnect() -> Any:
            message = await receive()
            with _READING:
                if not answered and message.get("type") == "http.disconnect":
                    call.left()
            return message

        try:
            await original(self, scope, noting_disconnect, noting_status)
        except BaseException as error:
            with _FAILING:
                _fail(call, error)
            raise
        finally:
            with _DETACHING:
                contexts.detach(token)
            with _ENDING:
                call.end()

    return __call__


class Body:
    """A response body in whose steps the request's context is current, and whose end ends the call."""

    __slots__ = ("_call", "_iterator", "_source")

    def __init__(self, call: ServerCall, source: Iterable[bytes]) -> None:
        self._call = call
        self._source = source
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> "Body":
        return self

    def __next__(self) -> bytes:
        token = None
        with _FOLLOWING:
            token = contexts.attach(self._call.context)
        try:
            if self._iterator is None:
                self._iterator = iter(self._source)
            return next(self._iterator)
        except StopIteration:
            with _ENDING:
                self._call.end()  # not every server closes what it has used up
            raise
        except BaseException as error:
            with _FAILING:
                _fail(self._call, error)
            raise
        finally:
            with _DETACHING:
                if token is not None:
                    contexts.detach(token)

    def leave(self) -> None:
        """It is closed: if it was begun and not read to its end, the client has gone away."""
        if self._iterator is not None:
            self._call.left()

    def close(self) -> None:
        token = None
        with _FOLLOWING:
            self.leave()
            token = contexts.attach(self._call.context)
        try:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
        finally:
            with _DETACHING:
                if token is not None:
                    contexts.detach(token)
            with _ENDING:
                self._call.end()


def in_context(call: ServerCall, iterator: Iterator[Any]) -> Body:
    """The same items, each made with the request's context current; ending the call is up to others."""
    return Body(call, _Steps(iterator))


class _Steps:
    """Hides `close`, which the framework calls itself."""

    __slots__ = ("_iterator",)

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    def __iter__(self) -> Iterator[Any]:
        return self._iterator


def _fail(call: ServerCall, error: BaseException) -> None:
    with _FAILING:
        if isinstance(error, Exception):
            call.failed(error, handled=False)
    call.end()


def _noting_status(call: ServerCall, start_response: StartResponse) -> StartResponse:
    def noting(status: str, *rest: Any, **options: Any) -> Any:
        try:
            call._status = int(status[:3])
        except Exception as error:
            _READING.caught(error)
        return start_response(status, *rest, **options)

    return noting


def _begin_wsgi(environ: Environ) -> ServerCall | None:
    outer = contexts.current().get(_CALL_KEY)
    if isinstance(outer, ServerCall) and outer.marker is environ.get("wsgi.input"):
        return None  # another app of this process has begun this request
    facts = incoming.of_wsgi(environ)
    call = _begin(incoming.wsgi_parent(environ), environ.get("wsgi.input"), facts)
    with _REMEMBERING:
        access_lines.remember(call.span, facts.method, str(facts.own.get("url.path", "")))
    if PROFILER.on:
        PROFILER.began(call.span)
    return call


def _begin_asgi(scope: MutableMapping[str, Any]) -> ServerCall | None:
    outer = current_call()
    if outer is not None and outer.marker is scope:
        return None
    headers = incoming.asgi_headers(scope)
    return _begin(propagate.extract(headers), scope, incoming.of_asgi(scope, headers))


def _begin(base: Context, marker: object, facts: incoming.Facts) -> ServerCall:
    name = facts.method if facts.method != incoming.OTHER_METHOD else "HTTP"
    span = tracer().start_span(name, base, SpanKind.SERVER, facts.client)
    in_flight = len(_IN_FLIGHT) + 1
    if in_flight > 1:
        facts.own["tracestitch.requests.in_flight"] = in_flight
    if type(span) is OwnSpan and span.tracer.provider.shares:
        span.own = facts.own  # which are plain, and short enough
    else:
        span.set_attributes(facts.own)
    call = ServerCall(span, base, name, marker)
    _IN_FLIGHT.add(id(call))
    return call

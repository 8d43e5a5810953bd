"""Flask and Flask-RESTful: one server span per request, made around the class, so that apps which exist already
and apps wrapped in other WSGI middleware are seen alike.
"""

from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

from tracestitch import disconnects, frames, refusals, server, tracebacks
from tracestitch.agent import suggest_service_name
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.secret_paths import secret_parameters
from tracestitch.server import ServerCall, current_call
from tracestitch.views import Views

_VIEWS = Views()
_DESCRIBING, _NOTING = guard("describing a Flask request"), guard("recording an exception")


def patch_flask(module: ModuleType) -> None:
    # The outer one sees middleware around `app.wsgi_app` too; the inner one serves who calls that directly.
    replace(module.Flask, "__call__", server.observed_wsgi(_adopt))
    replace(module.Flask, "wsgi_app", server.observed_wsgi(_adopt))
    replace(module.Flask, "full_dispatch_request", _describing)
    replace(module.Flask, "handle_exception", _noting_unhandled)
    replace(module.Flask, "handle_user_exception", _noting_handled)


def patch_flask_restful(module: ModuleType) -> None:
    """Its Api answers exceptions itself and goes past Flask's handlers."""

    def noting(original: Any) -> Callable[..., Any]:
        def handle_error(self: Any, e: Exception) -> Any:
            with _NOTING:
                _note(e, handled=type(e).__name__ in getattr(self, "errors", {}))
            response = original(self, e)
            with _DESCRIBING:
                _describe_current(None, response)
            return response

        return handle_error

    replace(module.Api, "handle_error", noting)


def _describing(original: Any) -> Callable[..., Any]:
    def full_dispatch_request(self: Any, *context: Any) -> Any:
        try:
            response = original(self, *context)
        except BaseException:
            with _DESCRIBING:
                _describe_current(self, None)
            raise
        try:
            _describe_current(self, response)
        except Exception as error:
            _DESCRIBING.caught(error)
        return response

    return full_dispatch_request


def _noting_unhandled(original: Any) -> Callable[..., Any]:
    def handle_exception(self: Any, *arguments: Any) -> Any:
        with _NOTING:
            _note(arguments[-1], handled=False)
            tracebacks.hide_own_frames(arguments[-1])  # the app is about to log it
        response = original(self, *arguments)
        with _DESCRIBING:
            _describe_current(self, response)
        return response

    return handle_exception


def _noting_handled(original: Any) -> Callable[..., Any]:
    def handle_user_exception(self: Any, *arguments: Any) -> Any:
        with _NOTING:
            tracebacks.hide_own_frames(arguments[-1])
        answer = original(self, *arguments)  # raises again what nobody handles
        with _NOTING:
            _note(arguments[-1], handled=True)
        return answer

    return handle_user_exception


def _note(error: BaseException, *, handled: bool) -> None:
    call = current_call()
    # abort(404) and the like are ways to answer, and no errors.
    if call is not None and disconnects.is_disconnect(error):
        call.left()
    elif call is not None and _answers(error):
        refusals.note(error)
    elif call is not None:
        call.failed(error, handled=handled)


def _answers(error: BaseException) -> bool:
    from werkzeug.exceptions import HTTPException

    return isinstance(error, HTTPException) and (error.code or 500) < 500


def _describe_current(app: Any, response: Any) -> None:
    call = current_call()
    if call is None:
        return
    current_app, current_request = _proxies()
    request = current_request._get_current_object()  # a proxy finds it anew for each attribute
    app = app or current_app._get_current_object()
    _introduce(app.import_name, app.name)
    rule = request.url_rule
    view = app.view_functions.get(rule.endpoint) if rule is not None else None
    location = _VIEWS.location(view, request.method) if view is not None else None
    call.describe(app, rule.rule if rule is not None else None, location)
    hidden = secret_parameters(rule.rule) if rule is not None and request.view_args else ()
    if hidden:
        call.hide(hidden, request.view_args)
    call.response = response
    if response is not None and response.status_code >= 400:
        call.error_body(response.status_code, response.headers.get("Content-Type"), _whole_body(response))


def _whole_body(response: Any) -> bytes | None:
    """Only of a body that is in memory: a stream is for the client."""
    parts = response.response
    if not isinstance(parts, list | tuple) or response.headers.get("Content-Encoding"):
        return None
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(encoded) if sum(map(len, encoded)) <= 65_536 else None


def _adopt(call: ServerCall, result: Any) -> Any:
    """What lies in memory or is the server's own file wrapper goes on as it is; the rest is followed to its end."""
    if isinstance(result, list | tuple) or hasattr(result, "filelike") or _is_whole(call.response, result):
        call.end()
        return result
    return server.Body(call, result)


def _is_whole(response: Any, result: Any) -> bool:
    """Whether the result is this very response's (and no middleware's), with its body in memory and nothing to be
    done when it is closed."""
    if response is None or getattr(response, "_on_close", True) or not response.is_sequence:
        return False
    callbacks: Any = getattr(result, "_callbacks", ())
    return 0 < len(callbacks) <= 2 and getattr(callbacks[-1], "__self__", None) is response


@lru_cache(maxsize=1)
def _proxies() -> tuple[Any, Any]:
    from flask import current_app, request

    return current_app, request


@lru_cache(maxsize=64)
def _introduce(import_name: str, name: str) -> None:
    frames.add_app_package(import_name)
    suggest_service_name(import_name if import_name != "__main__" else name)

"""Django and REST framework: one server span per request, made around the handlers.

Never a middleware, which would come before the user's own, and never a look at the settings before the app
loads them itself.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

from tracestitch import frames, refusals, server, tracebacks
from tracestitch.agent import suggest_service_name
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.secret_paths import secret_parameters
from tracestitch.server import ServerCall, current_call
from tracestitch.views import Views

_VIEWS = Views()
_DESCRIBING, _NOTING = guard("describing a Django request"), guard("recording an exception")


def patch_wsgi(module: ModuleType) -> None:
    replace(module.WSGIHandler, "__call__", server.observed_wsgi(_adopt))


def patch_asgi(module: ModuleType) -> None:
    replace(module.ASGIHandler, "__call__", server.observed_asgi)


def patch_base(module: ModuleType) -> None:
    replace(module.BaseHandler, "get_response", _describing)
    replace(module.BaseHandler, "get_response_async", _describing_async)
    replace(module.BaseHandler, "process_exception_by_middleware", _noting_handled)


def patch_exception(module: ModuleType) -> None:
    answers = (
        module.Http404,
        module.PermissionDenied,
        module.MultiPartParserError,
        module.BadRequest,
        module.SuspiciousOperation,
    )

    def noting(original: Any) -> Callable[..., Any]:
        def response_for_exception(request: Any, exc: Exception) -> Any:
            with _NOTING:
                if not isinstance(exc, answers):  # those are ways to answer 4xx, and no errors
                    _note(exc, handled=False)
                else:
                    refusals.note(exc)
                tracebacks.hide_own_frames(exc)  # the app is about to log it
            return original(request, exc)

        return response_for_exception

    replace(module, "response_for_exception", noting)


def patch_rest_framework(module: ModuleType) -> None:
    answers = (module.exceptions.APIException, module.Http404, module.PermissionDenied)

    def noting(original: Any) -> Callable[..., Any]:
        def handle_exception(self: Any, exc: Exception) -> Any:
            response = original(self, exc)
            with _NOTING:
                if not isinstance(exc, answers) or getattr(response, "status_code", 0) >= 500:
                    _note(exc, handled=True)
                else:
                    refusals.note(exc)
            return response

        return handle_exception

    replace(module.APIView, "handle_exception", noting)


def _noting_handled(original: Any) -> Callable[..., Any]:
    def process_exception_by_middleware(self: Any, exception: Exception, request: Any) -> Any:
        response = original(self, exception, request)
        if response is not None:
            with _NOTING:
                _note(exception, handled=True)
        return response

    return process_exception_by_middleware


def _note(error: Exception, *, handled: bool) -> None:
    call = current_call()
    if call is not None:
        call.failed(error, handled=handled)


def _describing(original: Any) -> Callable[..., Any]:
    def get_response(self: Any, request: Any) -> Any:
        response = original(self, request)
        try:
            call = current_call()
            if call is not None:
                _describe(call, request, response)
        except Exception as error:
            _DESCRIBING.caught(error)
        return response

    return get_response


def _describing_async(original: Any) -> Callable[..., Any]:
    async def get_response_async(self: Any, request: Any) -> Any:
        response = await original(self, request)
        try:
            call = current_call()
            if call is not None:
                _describe(call, request, response)
        except Exception as error:
            _DESCRIBING.caught(error)
        return response

    return get_response_async


def _describe(call: ServerCall, request: Any, response: Any) -> None:
    introduce()
    match = getattr(request, "resolver_match", None)
    if match is not None:
        view = _VIEWS.location(match.func, request.method or "GET")
        call.describe(None, clean_route(match.route) if match.route is not None else None, view)
        hidden = secret_parameters(match.route) if match.kwargs and match.route else ()
        if hidden:
            call.hide(hidden, match.kwargs)
    call.started(response.status_code)
    if response.status_code >= 400:
        whole = not response.streaming and not response.headers.get("Content-Encoding")
        body = response.content if whole and len(response.content) <= 65_536 else None
        call.error_body(response.status_code, response.headers.get("Content-Type"), body)
    # Of an asynchronous body every step runs within the ASGI call, and so in its context.
    in_steps = response.streaming and getattr(response, "file_to_stream", None) is None
    if in_steps and not getattr(response, "is_async", False):
        response._iterator = body = server.in_context(call, response._iterator)
        response._resource_closers.append(body.leave)
    _end_with(call, response)


def _adopt(call: ServerCall, result: Any) -> Any:
    """The response itself goes back to the server, which may know its kind (wsgi.file_wrapper)."""
    if not call.followed and hasattr(result, "_resource_closers"):
        _end_with(call, result)
    if not call.followed:
        call.end()
    return result


def _end_with(call: ServerCall, response: Any) -> None:
    response._resource_closers.append(call.end)
    call.followed = True


@lru_cache(maxsize=1)
def introduce() -> None:
    """Learns from the settings, which the app has loaded by now, what its own packages are."""
    from django.conf import settings

    name = str(getattr(settings, "SETTINGS_MODULE", None) or "")
    for dotted in (name, str(getattr(settings, "ROOT_URLCONF", ""))):
        frames.add_app_package(dotted)
    suggest_service_name(name)


@lru_cache(maxsize=4096)
def clean_route(route: str) -> str:
    """`/items/<int:pk>/` of path() and `/items/(?P<pk>[0-9]+)/` of re_path(), whose anchors say nothing."""
    route = re.sub(r"(^|/)\^", r"\1", route)
    route = re.sub(r"(?<!\\)(?:\$|\\Z)$", "", route)
    return "/" + route.lstrip("/")

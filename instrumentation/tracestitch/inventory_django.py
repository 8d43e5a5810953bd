"""The inventory of a Django project. Settings are read only where the app has loaded them already."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tracestitch import databases, source
from tracestitch.django import clean_route
from tracestitch.route_guards import guards
from tracestitch.routes import MOST_ROUTES, route

_INSECURE_PREFIX = "django-insecure-"
_SHORTEST_KEY, _FEWEST_CHARACTERS = 50, 5
_HANDLERS = frozenset({"get", "post", "put", "patch", "delete", "head", "options"})


def framework() -> dict[str, str]:
    return {"name": "django", "version": str(sys.modules["django"].get_version())}


def codebase(settings: Any) -> str:
    return str(getattr(settings, "SETTINGS_MODULE", "") or "")


def explicit(settings: Any) -> Mapping[str, Any]:
    """What the project set itself: defaults belong to Django's version, which the packages tell."""
    holder = settings._wrapped
    names = getattr(holder, "_explicit_settings", None) or [name for name in vars(holder) if name.isupper()]
    values = vars(holder)
    return {name: values[name] for name in names if name in values}


def security(settings: Any) -> dict[str, bool]:
    key = str(getattr(settings, "SECRET_KEY", "") or "")
    switches = {
        "debug": bool(settings.DEBUG),
        "secret_key_weak": (
            len(key) < _SHORTEST_KEY or len(set(key)) < _FEWEST_CHARACTERS or key.startswith(_INSECURE_PREFIX)
        ),
        "allowed_hosts_any": "*" in settings.ALLOWED_HOSTS,
    }
    middleware = tuple(settings.MIDDLEWARE)
    if "django.contrib.sessions" in settings.INSTALLED_APPS:
        switches["session_cookie_secure"] = bool(settings.SESSION_COOKIE_SECURE)
    if "django.middleware.csrf.CsrfViewMiddleware" in middleware:
        switches["csrf_cookie_secure"] = bool(settings.CSRF_COOKIE_SECURE)
    if "werkzeug.debug" in sys.modules:
        switches["debugger_active"] = source.debugger_active()
    return switches


def debug_location(settings: Any) -> source.Place | None:
    module = sys.modules.get(codebase(settings))
    if not settings.DEBUG or module is None:
        return None
    return source.debug_setting(module)


def routes(settings: Any) -> list[dict[str, Any]]:
    from django.urls import get_resolver

    found: list[dict[str, Any]] = []
    for rule, callback in _patterns(get_resolver().url_patterns, ""):
        if len(found) == MOST_ROUTES:
            break
        entry = route(rule, _methods(callback), callback)
        guarded = guards(callback, tuple(settings.MIDDLEWARE))
        found.append({**entry, "guards": guarded} if guarded else entry)
    return found


def deploy_checks() -> list[str]:
    """The ids that `manage.py check --deploy --tag security` would warn of."""
    from django.core import checks

    found = checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
    return sorted({str(message.id) for message in found if message.id and not message.is_silenced()})


def _patterns(patterns: Any, prefix: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        rule = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            if depth < 10:
                yield from _patterns(pattern.url_patterns, rule, depth + 1)
        else:
            yield clean_route(rule), pattern.callback


def _methods(callback: Any) -> list[str]:
    """Only classes tell; a function decides when it is called."""
    actions = getattr(callback, "actions", None)  # a view set of Django REST framework
    if isinstance(actions, Mapping):
        return sorted(str(method).upper() for method in actions)
    kind = getattr(callback, "view_class", None) or getattr(callback, "cls", None)
    return sorted(name.upper() for name in _HANDLERS if hasattr(kind, name)) if kind is not None else []


def databases_of(settings: Any) -> list[dict[str, str]]:
    described = []
    for alias, values in settings.DATABASES.items():
        engine = str(values.get("ENGINE", "")).rpartition(".")[2]
        if engine and engine != "dummy":
            database = databases.database(
                engine,
                str(values.get("NAME", "") or ""),
                str(values.get("HOST", "") or ""),
                values.get("PORT"),
            )
            described.append(databases.described(str(alias), database))
    return described

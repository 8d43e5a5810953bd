"""The inventory of a Flask app."""

import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from tracestitch import source
from tracestitch.route_guards import guards, named_as_guards
from tracestitch.routes import MOST_ROUTES, route, telling_name

_SHORTEST_KEY = 16
_WELL_KNOWN_KEYS = frozenset(
    {"dev", "secret", "secret key", "changeme", "change-me", "key", "test", "development"}
)
_IMPLICIT_METHODS = frozenset({"HEAD", "OPTIONS"})


def framework() -> dict[str, str]:
    from importlib.metadata import version

    return {"name": "flask", "version": version("flask")}


def codebase(app: Any) -> str:
    """The import name; of a script run directly, the name its file would be imported by."""
    name = str(app.import_name)
    if name == "__main__":
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        name = str(spec.name if spec is not None else app.name)
    return telling_name(name)


def configuration(app: Any) -> Mapping[str, Any]:
    return {str(name): value for name, value in app.config.items()}


def security(app: Any) -> dict[str, bool]:
    switches = {
        "debug": bool(app.debug),
        "session_cookie_secure": bool(app.config.get("SESSION_COOKIE_SECURE")),
    }
    key = app.config.get("SECRET_KEY")
    if key is None:
        # Without a key there are no sessions whose cookie could be secure.
        del switches["session_cookie_secure"]
    else:
        text = key.decode("latin-1") if isinstance(key, bytes) else str(key)
        switches["secret_key_weak"] = len(text) < _SHORTEST_KEY or text.lower() in _WELL_KNOWN_KEYS
    if "werkzeug.debug" in sys.modules or not app.debug:
        switches["debugger_active"] = source.debugger_active()
    return switches


def debug_location(app: Any) -> source.Place | None:
    return source.debug_in_modules(_own_modules(app)) if app.debug else None


def _own_modules(app: Any) -> Iterator[ModuleType]:
    """The module that made the app, the script that was started, then the rest of the app's package."""
    first = [name for name in (str(app.import_name), "__main__") if name in sys.modules]
    package = codebase(app).partition(".")[0] + "."
    others = sorted(name for name in tuple(sys.modules) if name.startswith(package) and name not in first)
    for name in [*first, package.rstrip("."), *others]:
        module = sys.modules.get(name)
        if module is not None:
            yield module


def middleware(app: Any) -> list[str]:
    """What stands round the app and what runs before and after each request."""
    names = []
    wsgi = app.__dict__.get("wsgi_app")
    while wsgi is not None and not hasattr(wsgi, "__func__"):
        names.append(f"{type(wsgi).__module__}.{type(wsgi).__qualname__}")
        wsgi = getattr(wsgi, "app", None) or getattr(wsgi, "wsgi_app", None)
    for hooks in (app.before_request_funcs, app.after_request_funcs):
        for functions in hooks.values():
            names += [f"{function.__module__}.{function.__qualname__}" for function in functions]
    return names


def routes(app: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for rule in app.url_map.iter_rules():
        if len(found) == MOST_ROUTES:
            break
        view = app.view_functions.get(rule.endpoint)
        methods = sorted((rule.methods or set()) - _IMPLICIT_METHODS)
        entry = route(str(rule.rule), methods, view)
        guarded = [*guards(view), *_hooks(app, str(rule.endpoint))] if view is not None else []
        found.append({**entry, "guards": list(dict.fromkeys(guarded))} if guarded else entry)
    return found


def _hooks(app: Any, endpoint: str) -> list[str]:
    """What runs before each request of the app or of this blueprint, and is called as if it asked for a login."""
    blueprint = endpoint.rpartition(".")[0] or None
    functions = [
        *app.before_request_funcs.get(None, ()),
        *(app.before_request_funcs.get(blueprint, ()) if blueprint else ()),
    ]
    return named_as_guards([str(getattr(function, "__qualname__", "")) for function in functions])

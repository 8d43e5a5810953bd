"""What stands between a route and everybody: the login and permissions that a view asks for, read from its decorators,
its classes and REST framework's settings of it. What a view asks inside its own code is not seen."""

import re
from collections.abc import Sequence
from typing import Any

_OPEN = frozenset({"AllowAny"})
_MIXINS = frozenset({"LoginRequiredMixin", "PermissionRequiredMixin", "UserPassesTestMixin", "AccessMixin"})
_DECORATOR_FILES = (
    "django/contrib/auth/decorators.py",
    "flask_login/utils.py",
    "flask_jwt_extended/view_decorators.py",
)
# What users call theirs: `login_required`, `require_role`, `jwt_required`, `admin_only`.
_CALLED_SO = re.compile(
    r"(?:^|_)(?:login|logged|auth\w{0,12}|permissions?|roles?|scopes?|jwt|token|admin|staff|superuser|protect(?:ed)?"
    r"|signed|api_?key)(?:_|$)",
    re.IGNORECASE,
)


def guards(view: Any, middleware: Sequence[str] = ()) -> list[str]:
    """Names of what is asked for; empty where nothing is."""
    kind = getattr(view, "view_class", None) or getattr(view, "cls", None)
    found = [*_permission_classes(kind), *_mixins(kind), *_decorators(view)]
    by_default = any(name.endswith(".LoginRequiredMiddleware") for name in middleware)
    if by_default and getattr(view, "login_required", True):
        found.append("LoginRequiredMiddleware")
    return list(dict.fromkeys(found))


def _permission_classes(kind: Any) -> list[str]:
    classes = getattr(kind, "permission_classes", None)
    if not isinstance(classes, list | tuple):
        return []
    names = [str(getattr(one, "__name__", type(one).__name__)) for one in classes]
    return [name for name in names if name not in _OPEN]


def _mixins(kind: Any) -> list[str]:
    return [base.__name__ for base in getattr(kind, "__mro__", ()) if base.__name__ in _MIXINS][:1]


def _decorators(view: Any) -> list[str]:
    found: list[str] = []
    kind = getattr(view, "view_class", None)
    for decorator in (*_listed(kind, "decorators"), *_listed(kind, "method_decorators")):
        found += named_as_guards([getattr(decorator, "__qualname__", "")])
    for _ in range(20):
        code = getattr(view, "__code__", None)
        if code is not None and code.co_filename.replace("\\", "/").endswith(_DECORATOR_FILES):
            found.append("login_required")
        elif code is not None and ".<locals>." in code.co_qualname:
            found += named_as_guards(code.co_qualname.split(".<locals>.")[:-1])  # around the function itself
        view = getattr(view, "__wrapped__", None)
        if view is None:
            break
    return list(dict.fromkeys(found))[:3]


def _listed(kind: Any, name: str) -> Sequence[Any]:
    listed = getattr(kind, name, ())
    return listed if isinstance(listed, list | tuple) else ()


def named_as_guards(functions: Sequence[str]) -> list[str]:
    """Of these qualified names of decorators or hooks those that promise to keep somebody out."""
    names = [name.rpartition(".")[2] for name in functions]
    return [name for name in names if _CALLED_SO.search(name)]

"""Secrets among the parts of a path: those that the route gives to a parameter whose name promises one, such as
`/reset/<uidb64>/<token>/`. What looks like a secret by itself is told by `secret_shapes`.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from tracestitch.secret_names import REDACTED, is_secret_key

_PARAMETER = re.compile(r"\(\?P<(\w{1,80})>|<(?:[\w.]{1,80}(?:\([^)]{0,200}\))?:)?(\w{1,80})>")
_MOST_PATHS = 32
_NAMES = re.compile(r"(?:^|_)(?:uidb64|uid64|key|code|hash|nonce|hmac|signed)$", re.IGNORECASE)


@lru_cache(maxsize=4096)
def secret_parameters(route: str) -> tuple[str, ...]:
    """The names of a route of Django or Flask whose values are not for telemetry."""
    names = [first or second for first, second in _PARAMETER.findall(route)]
    return tuple(name for name in names if is_secret_key(name) or _NAMES.search(name))


def without(path: str, names: tuple[str, ...], values: Mapping[str, Any]) -> str:
    """The path with the values of these parameters replaced, as whole parts of it wherever they can be."""
    for name in names:
        value = str(values.get(name) or "")
        for form in {value, quote(value)} - {""}:
            path = re.sub(rf"(?<![^/.,;:@=-]){re.escape(form)}(?![^/.,;:@=-])", REDACTED, path)
    return path


class ServedPaths:
    """The last paths that held a secret: the server is about to write them into its access log."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def remember(self, path: str, cleaned: str) -> None:
        if path == cleaned:
            return
        for form in {path, quote(path)}:
            self.known.pop(form, None)
            self.known[form] = cleaned
        for oldest in list(self.known)[: max(0, len(self.known) - _MOST_PATHS)]:
            self.known.pop(oldest, None)

    def cleaned(self, text: str) -> str:
        for path, cleaned in list(self.known.items()):
            if path in text:
                text = text.replace(path, cleaned)
        return text


# One process has one access log.
SERVED_PATHS = ServedPaths()

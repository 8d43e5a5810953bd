"""The addresses of our own pages. Nothing that telemetry says is ever linked as an address."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode


def query(parameters: Mapping[str, object]) -> str:
    """`?a=1&b=2`; empty values are left out."""
    kept = {key: value for key, value in parameters.items() if value not in ("", None, False)}
    return f"?{urlencode(kept, errors='replace')}" if kept else ""


def service_path(name: str) -> str:
    """A service may have any name, so one that a browser or our own suffix would misread goes into the query."""
    misread = (
        name == "-"
        or name.endswith(".json")
        or "%" in name
        or not name.isprintable()
        or any(p in ("", ".", "..") for p in name.split("/"))
    )
    if misread:
        return f"/services/-?name={quote(name, safe='', errors='replace')}"
    return f"/services/{quote(name, safe='', errors='replace')}"


def with_query(path: str, parameters: Mapping[str, object]) -> str:
    more = query(parameters)
    return path + (more.replace("?", "&", 1) if "?" in path else more)

"""What people type into the search box: `inventory error http.route=/stock >200ms "no such item"`."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from tracestitch_collector.store.store import AttributeFilter
from tracestitch_dashboard.errors import BadQuery

_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")
_TOKEN = re.compile(r'(?:[^\s"]*"[^"]*"?|\S+)+?(?=\s|$)')
_CONDITION = re.compile(r"([A-Za-z_][\w.\-]{0,200})(!=|<=|>=|=|<|>|~)(.*)", re.DOTALL)
_NAMED = re.compile(r"(status|service|method|route)[:=](.+)", re.DOTALL)
"""`status:error`, `service=pricing`: names that people try, though attributes are called otherwise."""
_OUTCOMES = {"error": True, "ok": False}
_CALLED = {"status": "http.response.status_code", "method": "http.request.method", "route": "http.route"}
_DURATION_LIMIT = re.compile(r"([<>])=?([0-9.]{1,12})(ns|us|µs|ms|s|m|h)")
_LENGTH = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h)")
_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_Operator = Literal["=", "!=", "<", "<=", ">", ">=", "contains", "exists"]
LONGEST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    service: str = ""
    operation: str = ""
    error: bool | None = None
    min_duration_ns: int | None = None
    max_duration_ns: int | None = None
    attributes: tuple[AttributeFilter, ...] = ()
    text: str = ""


def trace_id_in(text: str) -> str:
    """The trace id that the text is, in lower case; empty when it is none."""
    bare = text.strip().replace("-", "")
    return bare.lower() if _TRACE_ID.fullmatch(bare) else ""


def parse(text: str, services: Collection[str], operations: Collection[str]) -> Words:
    """Known names are taken for what they name, the rest is looked for as text."""
    text = text.strip()[:LONGEST]
    if text in operations:
        return Words(operation=text)
    if text in services:
        return Words(service=text)
    service, error, least, most = "", None, None, None
    attributes: list[AttributeFilter] = []
    rest: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        limit = _DURATION_LIMIT.fullmatch(token)
        condition = _CONDITION.fullmatch(token)
        named = _NAMED.fullmatch(token)
        if limit:
            bound = length_ns(limit[2] + limit[3])
            least, most = (bound, most) if limit[1] == ">" else (least, bound)
        elif named and named[1] == "service":
            service = named[2].strip('"')
        elif named and named[2].lower() in _OUTCOMES:
            error = _OUTCOMES[named[2].lower()]
        elif named or condition:
            key, operator, value = (named[1], "=", named[2]) if named else condition.groups()  # type: ignore[union-attr] # one of them is
            attributes.append(_filter(_key(key, value), operator, value.strip('"')))
        elif token in services and not service:
            service = token
        elif token.lower() == "error":
            error = True
        else:
            rest.append(token.strip('"'))
    return Words(
        service=service,
        error=error,
        min_duration_ns=least,
        max_duration_ns=most,
        attributes=tuple(attributes),
        text=" ".join(rest),
    )


def _key(key: str, value: str) -> str:
    """`status=500` and `status>=500` are about the answer; an attribute `status` may hold a word."""
    if key == "status" and not value.strip('"').isdecimal():
        return key
    return _CALLED.get(key, key)


def _filter(key: str, operator: str, value: str) -> AttributeFilter:
    if operator == "=" and value == "*":
        return AttributeFilter(key=key, operator="exists")
    name = "contains" if operator == "~" else operator
    known: tuple[_Operator, ...] = get_args(_Operator)
    return AttributeFilter(key=key, operator=known[known.index(name)], value=value)


def length_ns(text: str) -> int:
    """`200ms`, `1.5s`, `300us`, as nanoseconds. Raises BadQuery for anything else."""
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        raise BadQuery(
            f"A duration is “{text[:40]}”; it is a number and a unit, such as 200ms, 1.5s or 300us."
        )
    return min(round(float(match[1]) * _NS[match[2]]), 2**63 - 1)

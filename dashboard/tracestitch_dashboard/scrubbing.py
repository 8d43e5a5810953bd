"""Takes secrets and personal data out of a trace before it leaves the machine. The agent does so before it sends;
this is for what other senders sent, and for what must not stand in a ticket.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

REDACTED = "REDACTED"

_SECRET_KEY = re.compile(
    r"password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|"
    r"authorization|cookie|session[_.-]?(?:id|key)|csrf|jwt|bearer|cvv|cvc|card[_-]?number|(?:^|[_.-])(?:auth|otp|ssn|"
    r"pin|pass|pwd)$",
    re.IGNORECASE,
)
_PERSONAL_KEY = re.compile(
    r"^(?:client\.address|client\.ip|enduser\..*|user\.(?:id|name|full_name|email|hash)|net\.(?:sock\.)?peer\.ip"
    r"|http\.client_ip|source\.address|http\.request\.header\.(?:x[-_]forwarded[-_]for|x[-_]real[-_]ip|forwarded))$",
    re.IGNORECASE,
)
_STATEMENTS = ("db.query.text", "db.statement", "repeated statement", "statement")
_LEFT_ALONE = frozenset(
    {"trace_id", "span_id", "parent_span_id", "span_ids", "fingerprint", "trace_state", "tracestitch.exception.frames"}
    | {"code.file.path", "code.function.name", "http.route", "time_ns", "check", "service"}
)  # fmt: skip
"""Ids and places, which are what the file is for."""

_LITERAL = re.compile(r"'(?:[^']|'')*'|\b(?<![\w.$:@])\d+(?:\.\d+)?\b")
_USER_INFO = re.compile(r"\b([a-zA-Z][a-zA-Z0-9+.-]{1,20}://)[^\s/?#@\"'<>]{1,512}@")
_QUERY = re.compile(r"\?(?=[\w.~%+\[\]-]{1,64}=)([^\s\"'<>#]{1,8192})")
_TOKENS = re.compile(
    r"\beyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,8192}(?:\.[A-Za-z0-9_-]{0,4096})?"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,255}\b|\bgithub_pat_[A-Za-z0-9_]{20,255}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,255}|\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,255}|\bAIza[0-9A-Za-z_-]{35}"
    r"|-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]{0,8192}"
)
_SCHEME = re.compile(r"\b(bearer|basic|digest)(\s{1,4})[A-Za-z0-9._~+/=-]{12,4096}", re.IGNORECASE)
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:set-)?cookie)([\"']?\s{0,4}[:=]\s{0,4}[\"']?)([^\r\n\"']{1,8192})",
    re.IGNORECASE,
)
_PAIR = re.compile(
    r"((?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|session[_-]?id|cvv)[\w.-]{0,32})"
    r"([\"']?\]?\s{0,4}(?:=>|[:=])\s{0,4})(\"[^\"]{1,4096}\"|'[^']{1,4096}'|[^\s\"',;&)}\]?%{]{1,4096})",
    re.IGNORECASE,
)
_MAIL = re.compile(r"\b[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}\b")
_CARD = re.compile(r"(?<![\w.-])[2-6](?:[ -]?\d){12,18}(?![\w-])")
_HOME = re.compile(r"(/home/|/Users/)[^/\s:\"']{1,64}(?=[/\s:\"']|$)")


def scrub(document: Any, key: str = "") -> Any:
    """The same document with what must not leave replaced. Nothing is deeper here than the store lets in."""
    if key in _LEFT_ALONE:
        return _HOME.sub(r"\1…", document) if isinstance(document, str) else document
    if key and (_SECRET_KEY.search(key) or _PERSONAL_KEY.match(key)):
        return _hidden(document)
    if isinstance(document, str):
        return _statement(document) if key in _STATEMENTS else scrub_text(document)
    if isinstance(document, Mapping):
        return {name: scrub(item, str(name)) for name, item in document.items()}
    if isinstance(document, list):
        if len(document) == 2 and key == "" and isinstance(document[0], str):  # [key, value]
            return [document[0], scrub(document[1], document[0])]
        inner = "" if key in ("duplicate_attributes", "details", "kvlist") else key
        return [scrub(item, inner) for item in document]
    return document


def _hidden(value: Any) -> Any:
    """The word for texts and numbers; that something was on or off is no secret, nor what there is none of."""
    return value if value is None or value == "" or isinstance(value, bool) else REDACTED


def scrub_text(text: str) -> str:
    """Every secret replaced that can be told by its shape or the name before it. Each pattern is linear."""
    text = _USER_INFO.sub(rf"\1{REDACTED}@", text)
    text = _QUERY.sub(lambda found: "?" + _scrub_query(found[1]), text)
    text = _TOKENS.sub(REDACTED, text)
    text = _HEADER.sub(rf"\1\2{REDACTED}", text)
    text = _SCHEME.sub(rf"\1\2{REDACTED}", text)
    text = _PAIR.sub(rf"\1\2{REDACTED}", text)
    text = _MAIL.sub(REDACTED, text)
    text = _HOME.sub(r"\1…", text)
    return _CARD.sub(_card, text)


def _scrub_query(query: str) -> str:
    parts = (part.partition("=") for part in query.split("&"))
    return "&".join(f"{name}={REDACTED}" if value else name for name, _, value in parts)


def _statement(text: str) -> str:
    """A statement without the values that other instrumentations leave in it."""
    return scrub_text(_LITERAL.sub("?", text))


def _card(found: re.Match[str]) -> str:
    digits = [int(character) for character in found[0] if character.isdigit()]
    doubled = (digit * 2 if place % 2 else digit for place, digit in enumerate(reversed(digits)))
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return REDACTED if total % 10 == 0 else found[0]


def replaced(before: Any, after: Any) -> int:
    """How many values differ between a document and what scrubbing made of it."""
    return sum(one != other for one, other in zip(_leaves(before), _leaves(after), strict=False))


def _leaves(document: Any) -> Iterable[Any]:
    if isinstance(document, Mapping):
        for item in document.values():
            yield from _leaves(item)
    elif isinstance(document, list):
        for item in document:
            yield from _leaves(item)
    else:
        yield document

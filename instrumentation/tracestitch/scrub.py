"""Secrets leave the process only as the word REDACTED: in texts, URLs, attribute values.

What a secret is, `secret_names` tells by the name before it and `secret_shapes` by its own looks. Every pattern is
linear in its input: quantifiers are bounded, or over classes that exclude what follows.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from opentelemetry.util.types import AttributeValue

from tracestitch import secret_names, secret_shapes
from tracestitch.secret_names import REDACTED, is_secret_key
from tracestitch.sql import template

__all__ = [
    "MAX_TEXT",
    "PLAIN_KEYS",
    "REDACTED",
    "Plain",
    "Scrubbed",
    "is_secret_key",
    "scrub_attribute",
    "scrub_attributes",
    "scrub_bytes",
    "scrub_query",
    "scrub_tail",
    "scrub_text",
    "scrub_url",
]

MAX_TEXT = 16_384
_DEEPEST = 12
_SHORTEST_CARD, _BEYOND_CARDS = 10**12, 10**19

_DEBUGGER_PIN = re.compile(r"(Debugger PIN: )[\d-]{3,32}")
# Short words and small numbers: nothing that a secret could be made of, but for the few words asked for below.
_PROSE = re.compile(r"(?:(?:[A-Za-z][A-Za-z_-]{0,18}+|\d{1,3}+)(?:[ ,.!]{1,3}+|$))*+")
# What database errors quote: SQLAlchemy its parameters, PostgreSQL and MySQL the value that is there already;
# a value may hold any bracket or quote, so the rest of the line goes.
_DATABASE_VALUES = re.compile(
    r"(\[parameters: )[^\n]{0,16384}|(\bKey \([^)\n]{1,512}\)=\()[^\n]{0,4096}|(\bDuplicate entry ')[^\n]{0,4096}"
)
_QUOTED_STATEMENT = re.compile(r"(\[SQL: )([^\]]{0,16384})")
# The password may hold any sign that ought to be escaped; a port number is none.
_USER_INFO = re.compile(
    r"\b([a-zA-Z][a-zA-Z0-9+.-]{1,20}://)"
    r"(?:[^\s/?#\"'<>]{1,512}@|[^\s/:@\"'<>]{0,128}:(?!\d{1,5}(?:[/?#]|$))[^\s\"'<>@]{1,256}@(?=[\w.-]{1,255}(?:[:/]|$)))"
)
_QUERY = re.compile(r"\?(?=[\w.~%+\[\]-]{1,64}=)([^\s\"'<>#]{1,8192})")

# Names and places of code, in which a word like `password` is no promise of a secret.
PLAIN_KEYS = frozenset(
    {
        "code.file.path",
        "code.function.name",
        "http.request.method",
        "http.route",
        "tracestitch.response.body_shape",
        "tracestitch.response.content_type",
        "tracestitch.exception.frames",
        "tracestitch.exception.locals",
        "tracestitch.profile",
        "tracestitch.response.raised_at",
        "tracestitch.http.client",
        "tracestitch.celery.task",
        "db.system.name",
        "db.operation.name",
        "db.collection.name",
        "db.query.summary",
        "messaging.message.id",
    }
)


class Scrubbed(tuple[str, ...]):
    """Texts out of which every secret has been taken already."""

    __slots__ = ()


class Plain(str):
    """A text of the agent's own making whose name is data and no key: a package called `pyjwt` has a version."""

    __slots__ = ()


_HARMLESS = (bool, Plain, Scrubbed)


def scrub_text(text: str) -> str:
    """The text with every secret that can be told by its shape or by the name before it replaced."""
    if len(text) <= 200:
        return _scrub_short(text)
    if len(text) > MAX_TEXT:
        text = _without_half_a_word(text[:MAX_TEXT]) + "…"
    return _scrub(text)


def scrub_tail(text: str) -> str:
    """The end of a text too long to send: whole lines, since a secret cut in two is not known any more."""
    if len(text) <= MAX_TEXT:
        return scrub_text(text)
    tail = text[-MAX_TEXT:]
    return scrub_text(tail[tail.find("\n") + 1 :])


def _without_half_a_word(text: str) -> str:
    end = max(text.rfind(space, len(text) - 512) for space in " \n\t")
    return text[:end] if end > 0 else text


@lru_cache(maxsize=4096)
def _scrub_short(text: str) -> str:
    return _scrub(text)


@lru_cache(maxsize=1024)
def _scrub_statement(text: str) -> str:
    """Statements are long, but an app has few of them."""
    return scrub_text(text)


def _scrub(text: str) -> str:
    # Most texts hold nothing: to see so is faster than the patterns.
    if _PROSE.fullmatch(text) is not None and "asic " not in text and "assw" not in text:
        return text
    if "://" in text:
        text = _USER_INFO.sub(rf"\1{REDACTED}@", text)
    if "?" in text:
        text = _QUERY.sub(lambda found: "?" + scrub_query(found[1]), text)
    if "[SQL: " in text:
        text = _QUOTED_STATEMENT.sub(lambda found: found[1] + template(found[2]), text)
    if "[parameters: " in text or "Key (" in text or "Duplicate entry" in text:
        text = _DATABASE_VALUES.sub(_database_value, text)
    if "Debugger PIN: " in text:  # Werkzeug logs it: who reads it can run code in the process
        text = _DEBUGGER_PIN.sub(rf"\1{REDACTED}", text)
    return secret_names.replaced(secret_shapes.replaced(text))


def _database_value(found: re.Match[str]) -> str:
    return (found[1] or found[2] or found[3]) + REDACTED


def scrub_query(query: str) -> str:
    """`a=1&b=2` as `a=REDACTED&b=REDACTED`; a part without a name is a value."""
    return "&".join(_query_part(part) for part in query.split("&"))


def scrub_url(url: str) -> str:
    """A URL without user information, query values and fragment."""
    address, _, _ = url.partition("#")
    address, question, query = address.partition("?")
    address = _USER_INFO.sub(rf"\1{REDACTED}@", address)
    return scrub_text(address) + (question + scrub_query(query) if query else "")


def scrub_attributes(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """The last defence before the wire: by key, then by value."""
    return {key: scrub_attribute(key, value) for key, value in attributes.items()}


def scrub_attribute(key: str, value: AttributeValue) -> AttributeValue:
    if isinstance(value, _HARMLESS):
        return value
    if isinstance(value, int | float):
        return _scrub_number(key, value)
    if key in PLAIN_KEYS:
        return secret_shapes.replaced(value) if isinstance(value, str) else value
    if is_secret_key(key):
        return REDACTED
    if isinstance(value, str):
        return _scrub_statement(value) if key == "db.query.text" else scrub_text(value)
    return _scrub_items(value, 0) if isinstance(value, list | tuple) else value


def scrub_bytes(value: bytes) -> bytes:
    text = value.decode("latin-1")
    scrubbed = scrub_text(text)
    return value if scrubbed == text else scrubbed.encode("utf-8")


def _scrub_number(key: str, value: float) -> AttributeValue:
    """A card's number may well be kept as one; `input_tokens` are words of a language model."""
    if is_secret_key(key) and not key.lower().endswith("tokens"):
        return REDACTED
    if _SHORTEST_CARD <= value < _BEYOND_CARDS and secret_shapes.is_card(str(int(value))):
        return REDACTED
    return value


def _scrub_items(items: Any, depth: int) -> Any:
    """Maps within are scrubbed by the encoder, which knows their keys."""
    if depth > _DEEPEST:
        return []
    scrubbed: list[Any] = []
    for item in items:
        if isinstance(item, str) and not isinstance(item, Plain):
            scrubbed.append(scrub_text(item))
        elif isinstance(item, list | tuple) and not isinstance(item, Scrubbed):
            scrubbed.append(_scrub_items(item, depth + 1))
        else:
            scrubbed.append(_scrub_number("", item) if type(item) in (int, float) else item)
    return scrubbed


def _query_part(part: str) -> str:
    name, equals, value = part.partition("=")
    if not equals:
        return REDACTED if name else ""
    name = scrub_text(name[:128])
    return f"{name}={REDACTED}" if value else f"{name}="

"""Secrets leave the process only as the word REDACTED: in texts, URLs, attribute values.

Every pattern is linear in its input: quantifiers are bounded, or over classes that exclude what follows.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from functools import lru_cache

from opentelemetry.util.types import AttributeValue

from tracestitch.sql import template

REDACTED = "REDACTED"
MAX_TEXT = 16_384

_NAMES_OF_SECRETS = (
    "password|passwd|passphrase|passcode|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|"
    "credential|authorization|cookie|session[_-]?id|session[_-]?key|csrf|jwt|bearer|cvv|cvc|card[_-]?number"
)
_SECRET_KEY = re.compile(rf"{_NAMES_OF_SECRETS}|(?:^|[_.-])(?:auth|otp|ssn|pin|pass)$", re.IGNORECASE)

_SCHEMES = re.compile(r"\b(bearer|basic|token|digest)(\s{1,4})([A-Za-z0-9._~+/=-]{6,4096})", re.IGNORECASE)
_KNOWN_TOKENS = re.compile(
    r"\beyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,8192}(?:\.[A-Za-z0-9_-]{0,4096})?"
    r"|\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,255}\b|\bgithub_pat_[A-Za-z0-9_]{20,255}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,255}"
    r"|\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,255}"
    r"|\bAIza[0-9A-Za-z_-]{35}"
    r"|-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]{0,8192}(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?"
)
_CARD = re.compile(r"(?<![\w.-])[2-6](?:[ -]?\d){12,18}(?![\w-])")
_DEBUGGER_PIN = re.compile(r"(Debugger PIN: )[\d-]{3,32}")
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:set-)?cookie)([\"']?\s{0,4}[:=]\s{0,4}[\"']?)([^\r\n\"']{1,8192})",
    re.IGNORECASE,
)
_PAIR = re.compile(
    rf"((?:{_NAMES_OF_SECRETS})[\w.-]{{0,32}})([\"']?\]?\s{{0,4}}(?::|=>|=)\s{{0,4}})"
    r"(\"[^\"]{0,4096}\"|'[^']{0,4096}'|[^\s\"',;&)}\]]{1,4096})",
    re.IGNORECASE,
)
_HINTS: tuple[str, ...] = (
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "cred",
    "auth",
    "cookie",
    "session",
    "csrf",
    "jwt",
    "bearer",
)
_HINTS += ("basic", "digest", "cvv", "cvc", "card")
_TOKEN_STARTS = (
    "eyJ",
    "AKIA",
    "ASIA",
    "AROA",
    "AIDA",
    "gh",
    "github_pat_",
    "xox",
    "k_",
    "AIza",
    "-----BEGIN",
)
# What database errors quote: SQLAlchemy its parameters, PostgreSQL and MySQL the value that is there already;
# a value may hold any bracket or quote, so the rest of the line goes.
_DATABASE_VALUES = re.compile(
    r"(\[parameters: )[^\n]{0,16384}|(\bKey \([^)\n]{1,512}\)=\()[^\n]{0,4096}|(\bDuplicate entry ')[^\n]{0,4096}"
)
_QUOTED_STATEMENT = re.compile(r"(\[SQL: )([^\]]{0,16384})")
# What stands for a value in a template is no secret: ? %s %(name)s {name} :name $1 NULL
_PLACEHOLDER = re.compile(
    r"""["']?(?:\?|%s|%r|%d|%\(\w{1,64}\)s|\{[\w.!:]{0,64}\}?|:\w{1,64}|\$\d{1,3}|NULL|None)["']?"""
)
_USER_INFO = re.compile(r"\b([a-zA-Z][a-zA-Z0-9+.-]{1,20}://)[^\s/?#@\"'<>]{1,512}@")
_QUERY = re.compile(r"\?(?=[\w.~%+\[\]-]{1,64}=)([^\s\"'<>#]{1,8192})")

# Names, places and shapes that the agent itself made: no value of the user's is in them.
PLAIN_KEYS = frozenset(
    {
        "code.file.path",
        "code.function.name",
        "http.request.method",
        "http.route",
        "tracestitch.response.body_shape",
        "tracestitch.response.content_type",
        "tracestitch.exception.frames",
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


_HARMLESS = (bool, int, float, Plain, Scrubbed)


@lru_cache(maxsize=2048)
def is_secret_key(name: str) -> bool:
    return _SECRET_KEY.search(name) is not None


def scrub_text(text: str) -> str:
    """The text with every secret that can be told by its shape or by the name before it replaced."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    return _scrub_short(text) if len(text) <= 200 else _scrub(text)


@lru_cache(maxsize=4096)
def _scrub_short(text: str) -> str:
    return _scrub(text)


@lru_cache(maxsize=1024)
def _scrub_statement(text: str) -> str:
    """Statements are long, but an app has few of them."""
    return scrub_text(text)


def _scrub(text: str) -> str:
    # Most texts hold nothing: a search for a few fixed strings is ten times faster than the patterns.
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
    if _holds(text, _TOKEN_STARTS):
        text = _KNOWN_TOKENS.sub(REDACTED, text)
    if _holds(text.lower(), _HINTS):
        text = _HEADER.sub(rf"\1\2{REDACTED}", text)
        text = _SCHEMES.sub(_scheme, text)
        text = _PAIR.sub(_pair, text)
    return _CARD.sub(_card, text)


def _holds(text: str, pieces: tuple[str, ...]) -> bool:
    for piece in pieces:  # noqa: SIM110 - any() and a generator take three times as long
        if piece in text:
            return True
    return False


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
    if key in PLAIN_KEYS or isinstance(value, _HARMLESS):
        return value
    if is_secret_key(key):
        return REDACTED
    if isinstance(value, str):
        return _scrub_statement(value) if key == "db.query.text" else scrub_text(value)
    if isinstance(value, list | tuple):
        return [scrub_text(item) if isinstance(item, str) else item for item in value]
    return value


def _query_part(part: str) -> str:
    name, equals, value = part.partition("=")
    if not equals:
        return REDACTED if name else ""
    return f"{name[:128]}={REDACTED}" if value else f"{name[:128]}="


def _pair(found: re.Match[str]) -> str:
    value = found[3]
    if _PLACEHOLDER.fullmatch(value) or value == REDACTED:
        return found[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{found[1]}{found[2]}{quote}{REDACTED}{quote}"


def _scheme(found: re.Match[str]) -> str:
    kind, space, value = found[1], found[2], found[3]
    if kind.lower() == "basic":
        secret = _is_basic(value)
    else:  # "bearer authentication" is prose; a token has a digit or is long
        secret = any(character.isdigit() for character in value) or len(value) >= 24
    return f"{kind}{space}{REDACTED}" if secret else found[0]


def _is_basic(value: str) -> bool:
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _card(found: re.Match[str]) -> str:
    digits = [int(character) for character in found[0] if character.isdigit()]
    total = 0
    for index, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if index % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return REDACTED if total % 10 == 0 else found[0]

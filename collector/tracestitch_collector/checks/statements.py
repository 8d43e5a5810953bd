"""SQL read just closely enough to tell whether two statements are the same, what they do and to which table.

Nothing here understands SQL in full; where a statement is cut off or too long the answer is "unknown", which
every check treats as "no finding".
"""

from __future__ import annotations

import re

from tracestitch_collector.model import Span

LONGEST = 20_000

WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"})

NOT_RELATIONAL = frozenset(
    {"redis", "memcached", "valkey", "elasticsearch", "mongodb", "dynamodb", "cassandra"}
)
"""Systems whose repeated commands are no ORM loop (and have a bulk form of their own)."""

_LITERAL = re.compile(
    r"'(?:[^']|'')*'"  # text
    r"|%\(\w+\)s|%s|\$\d+|(?<!:):[A-Za-z_]\w*"  # placeholders of the drivers
    r"|\b\d+(?:\.\d+)?\b"
)
_KEYS = re.compile(r"\bIN\s*\(([^()]*)\)", re.IGNORECASE)
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)*\s*\)")
_SPACE = re.compile(r"\s+")
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
_NAME = r"[`\"\[]?[\w$]+[`\"\]]?"
_TABLE = re.compile(rf"\b(?:FROM|INTO|UPDATE)\s+(?:ONLY\s+)?({_NAME}(?:\.{_NAME})*)", re.IGNORECASE)
_LOOKUP = re.compile(
    rf"\bWHERE\s+\(*\s*(?:\?\s*=\s*)?(?:{_NAME}\.)*({_NAME})\s*(?:=|IN\b|\)|$|\bAND\b|\bLIMIT\b|\bORDER\b)",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(r"[a-z_]+")
_PAGING = re.compile(r"\bOFFSET\b|\bFETCH\b|\bDECLARE\b", re.IGNORECASE)
_FIGURE = re.compile(
    r"^SELECT\s+(?:COUNT|SUM|MIN|MAX|AVG|EXISTS)\s*\(|^SELECT\s+(?:1|\?)\s+AS\b", re.IGNORECASE
)
_STORES = (("cache_key", "expires"), ("session_key", "session_data"), ("session_id", "expiry"))
"""Columns by which tables of caches and sessions are known: of Django's both and of Flask-Session."""
_QUOTES = str.maketrans("", "", '`"[]')


def normal(statement: str) -> str:
    """The statement without its values and layout; empty when it was cut off or is too long to judge."""
    if len(statement) > LONGEST or statement.rstrip().endswith(("...", "…")):
        return ""
    text = _COMMENT.sub(" ", statement)
    text = _LITERAL.sub("?", text)
    return _SPACE.sub(" ", _LIST.sub("(?)", text)).strip()


def operation(span: Span) -> str:
    """`SELECT`, `INSERT`, …; empty when it cannot be told."""
    named = span.text("db.operation.name")
    if named:
        return named.upper()
    word = _WORD.search(_COMMENT.sub(" ", span.text("db.query.text")[:LONGEST]))
    return word.group().upper() if word else ""


def table(span: Span) -> str:
    """The first table, unquoted, with its schema where one is named; empty when it cannot be told."""
    named = span.text("db.collection.name")
    if named:
        return named.translate(_QUOTES)
    found = _TABLE.search(span.text("db.query.text")[:LONGEST])
    return found.group(1).translate(_QUOTES) if found else ""


def lookup_column(statement: str) -> str:
    """The column that the first condition compares; empty when there is none."""
    found = _LOOKUP.search(statement[:LONGEST])
    return found.group(1).translate(_QUOTES) if found else ""


def is_by_key(statement: str) -> bool:
    """A look into a cache or a session that is kept in a table: each key is asked for on its own."""
    words = set(_IDENTIFIER.findall(statement[:LONGEST].lower()))
    return any(words.issuperset(columns) for columns in _STORES)


def is_for_many_keys(statement: str) -> bool:
    return _KEYS.search(statement[:LONGEST]) is not None


def keys_asked_for(statement: str) -> int:
    """How many values the longest `IN (…)` has, as far as they were not folded; 0 without one."""
    return max((len(found.split(",")) for found in _KEYS.findall(statement[:LONGEST])), default=0)


def is_page(statement: str) -> bool:
    """A step through a long result: an offset, a cursor."""
    return _PAGING.search(statement[:LONGEST]) is not None


def is_figure(statement: str) -> bool:
    """Asks how many there are, or whether there are any, and for no row."""
    return _FIGURE.match(statement[:LONGEST].lstrip()) is not None

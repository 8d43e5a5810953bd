"""SQL text without its data: the template of a statement (literals replaced by `?`, lists folded) and what it
does to which table. It reads text only, so Django's hook and SQLAlchemy's share it; where a quote is ambiguous
between dialects the rest of the statement is hidden rather than guessed."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, pairwise
from typing import NamedTuple

# Longer statements are cut before they are read: nobody reads 16,000 characters of SQL in a timeline.
LONGEST_STATEMENT = 16_384
LONGEST_TEMPLATE = 4_096
# Longer texts are seldom repeated word for word (bulk inserts, IN lists), and would fill the cache.
LONGEST_CACHED = 4_096

_QUOTED = r'"(?:[^"]|"")*(?:"|\Z)|`[^`]*(?:`|\Z)|\[[A-Za-z_][\w $]*\]'

_PIECE = re.compile(
    rf"""
      (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<escape>\bESCAPE\s+'\\')                                     # Django's LIKE … ESCAPE '\'
    | (?P<dollar>\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z))
    | (?P<text>(?:\b[NEXBnexb])?'(?:[^'\\]|''|\\(?!'))*(?:\\'.*|'|\Z))  # \' means two things: hide all that follows
    | (?P<compared>(?:[=<>]|\bLIKE\b)\s*"(?:[^"]|"")*(?:"(?!\s*\.)|\Z))  # MySQL writes strings like this
    | (?P<quoted>{_QUOTED})
    | (?P<placeholder>%\(\w+\)s|%s|(?<![\w:]):\w+|\$\d+|@\w+)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_KEPT = frozenset({"quoted", "placeholder", "word"})
_ONE_VALUE = r"(?:\?|%s|%\(\w+\)s|:\w+|\$\d+|@\w+|NULL|DEFAULT)"
_LIST = re.compile(rf"\bIN\s*\(\s*({_ONE_VALUE})(?:\s*,\s*{_ONE_VALUE})+\s*\)", re.IGNORECASE)
_ROW = rf"\(\s*{_ONE_VALUE}(?:\s*,\s*{_ONE_VALUE})*\s*\)"
_ROWS = re.compile(rf"(\bVALUES\s*{_ROW})(?:\s*,\s*{_ROW})+", re.IGNORECASE)
_SPACE = re.compile(r"\s+")

_TOKEN = re.compile(rf"(?P<name>(?:(?:{_QUOTED}|[^\W\d][\w$]*)\.?)+)|(?P<mark>[()])", re.DOTALL)
# Words that may stand between a verb and its table.
_SKIPPED = frozenset(
    {"ONLY", "LATERAL", "OR", "IGNORE", "REPLACE", "ROLLBACK", "ABORT", "FAIL", "LOW_PRIORITY", "DELAYED"}
    | {"HIGH_PRIORITY", "QUICK", "INTO", "TABLE", "IF", "NOT", "EXISTS", "TEMPORARY", "TEMP", "UNLOGGED"}
    | {"GLOBAL", "LOCAL", "VIEW", "MATERIALIZED", "CONCURRENTLY"}
)
_TABLE_AFTER = {
    "SELECT": "FROM",
    "EXPLAIN": "FROM",
    "DELETE": "FROM",
    "INSERT": "INTO",
    "REPLACE": "INTO",
    "MERGE": "INTO",
    "COPY": "COPY",
    "UPDATE": "UPDATE",
    "TRUNCATE": "TRUNCATE",
    "CREATE": "TABLE",
    "ALTER": "TABLE",
    "DROP": "TABLE",
}
# Enough to find the table of any statement a person wrote.
MOST_WORDS = 1_000
_VERBS_OF_WITH = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})


class _Word(NamedTuple):
    text: str
    depth: int


def template(text: str) -> str:
    """The statement with every literal replaced by `?`, comments dropped and lists of values folded to one, so
    that equal queries with other values have equal templates. Placeholders stay as they are."""
    return _template_cached(text) if len(text) <= LONGEST_CACHED else _template(text)


def operation_and_table(text: str) -> tuple[str, str]:
    """The verb in capitals and the first table (`schema.table` where written so), each empty where not told."""
    return _operation_cached(text) if len(text) <= LONGEST_CACHED else _operation(template(text))


def _template(text: str) -> str:
    without_literals = _PIECE.sub(_without_literal, text[:LONGEST_STATEMENT])
    one_line = _SPACE.sub(" ", without_literals).strip()
    folded = _ROWS.sub(r"\1", _LIST.sub(r"IN (\1)", one_line))
    return folded if len(folded) <= LONGEST_TEMPLATE else folded[: LONGEST_TEMPLATE - 1] + "…"


def _without_literal(piece: re.Match[str]) -> str:
    kind = piece.lastgroup
    if kind in _KEPT:
        return piece.group()
    if kind == "comment":
        return " "
    if kind == "escape":
        return "ESCAPE ?"
    if kind == "compared":
        return piece.group().partition('"')[0] + "?"
    return "?"


def _operation(text: str) -> tuple[str, str]:
    words = list(islice(_words(text), MOST_WORDS))
    if not words:
        return "", ""
    verb, outermost = words[0].text.upper(), words[0].depth
    if verb != "WITH":
        return verb, _table(verb, words, frozenset())
    named_here = frozenset(
        _unquoted(word.text) for word, following in pairwise(words) if following.text.upper() == "AS"
    )
    for position, word in enumerate(words):
        if word.depth == outermost and word.text.upper() in _VERBS_OF_WITH:
            main = word.text.upper()
            return main, _table(main, words[position:], named_here) or _table("SELECT", words, named_here)
    return verb, ""


def _table(verb: str, words: list[_Word], named_here: frozenset[str]) -> str:
    """The name after the verb's preposition: the statement's own first, then that of a derived table inside."""
    after = _TABLE_AFTER.get(verb)
    if after is None:
        return ""
    outermost = words[0].depth
    candidates = [position for position, word in enumerate(words) if word.text.upper() == after]
    own_first = sorted(candidates, key=lambda position: words[position].depth > outermost)
    for position in own_first:
        if words[position].depth > outermost and not _in_select(words, position):
            continue
        name = _name_after(words, position)
        if name and name not in named_here:
            return name
    return ""


def _in_select(words: list[_Word], position: int) -> bool:
    """Whether a nested FROM belongs to a SELECT, and not to EXTRACT(YEAR FROM x)."""
    depth = words[position].depth
    for word in reversed(words[max(0, position - 200) : position]):
        if word.depth < depth:
            return False
        if word.depth == depth and word.text.upper() == "SELECT":
            return True
    return False


def _name_after(words: list[_Word], position: int) -> str:
    for word in words[position + 1 : position + 6]:
        if word.text.upper() not in _SKIPPED:
            return _unquoted(word.text) if word.depth == words[position].depth else ""
    return ""


def _words(text: str) -> Iterator[_Word]:
    """Names and key words, each with the depth of parentheses it stands in."""
    depth = 0
    for token in _TOKEN.finditer(text):
        mark = token.group("mark")
        if mark is None:
            yield _Word(token.group("name"), depth)
        else:
            depth += 1 if mark == "(" else -1


def _unquoted(name: str) -> str:
    return name.translate(_QUOTES)


_QUOTES = str.maketrans("", "", '"`[]')
_template_cached = lru_cache(maxsize=1_024)(_template)
_operation_cached = lru_cache(maxsize=1_024)(lambda text: _operation(template(text)))

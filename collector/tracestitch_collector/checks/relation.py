"""The fix of a query loop in the words of the ORM that made it, with the table and column of the statement.

A join or a prefetch is proposed only where the statements show a relation; else the fix says what is known: the
same question again and again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tracestitch_collector.checks import lazy_load, statements, wording
from tracestitch_collector.checks.finding import Fix, Location
from tracestitch_collector.checks.framework import Orm
from tracestitch_collector.model import Span
from tracestitch_collector.traces.code import place

Kind: TypeAlias = Literal["forward", "reverse", "part", "count", "many", "unknown"]
"""The row that a foreign key names · the rows that name this one · some of these · how many · those on the other
side of a table in between · no relation seen."""

CANDIDATES = 50
"""Queries before a loop that may have brought the rows it goes over."""

_KEYS = ("id", "pk", "uuid")
_LABEL = re.compile(r"\bAS\s+\S+", re.IGNORECASE)
_FOREIGN_KEY = re.compile(r"\b(\w+)_id\b")
_THROUGH = re.compile(r"\bJOIN\b.*\bWHERE\b.*_id\W{0,3}\s*(?:=|IN)\s*\(?\?", re.IGNORECASE | re.DOTALL)
_FILTERED = re.compile(r"\bAND\b|\bLIMIT\b", re.IGNORECASE)
_OF_SQLALCHEMY = re.compile(r"\bWHERE\s+\?\s*=", re.IGNORECASE)
"""How a lazy relationship of SQLAlchemy asks; nobody writes it so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    kind: Kind
    name: str
    """As Django's defaults or common habit name it in the model."""
    table: str
    model: str
    """Of the rows that are looped over."""
    related: str
    """The model of the table that is asked."""
    column: str
    asked: str
    """The line and statement, as a comment."""


def fix_for(repeated: Span, source: Span | None, location: Location | None, orm: Orm) -> Fix:
    relation = relation_of(repeated, source, location)
    if relation.kind == "unknown":
        return _unknown(relation, orm)
    return _sqlalchemy(relation) if orm == "sqlalchemy" else _django(relation)


def source_of(repeated: Span, before: Sequence[Span]) -> Span | None:
    """Of the queries before the loop, in time order, the one whose rows are looped over: the latest that the
    relation leads to or from; else the latest of another table."""
    statement = statements.normal(repeated.text("db.query.text"))
    selects = [span for span in before if statements.operation(span) == "SELECT"][-CANDIDATES:]
    selects.reverse()
    fitting = [span for span in selects if _fits(statement, repeated, span)]
    others = [span for span in selects if statements.table(span) != statements.table(repeated)]
    return next(iter(fitting or others or selects), None)


def _fits(statement: str, repeated: Span, source: Span) -> bool:
    """The list has a key that is named after the table asked, or the table asked one named after the list."""
    column = statements.lookup_column(statement).lower()
    if column in _KEYS:
        return _named_after(statements.table(repeated), _foreign_keys(source)) != ""
    if _THROUGH.search(statement) and statements.table(source) == statements.table(repeated):
        return False  # all there are to choose from, not the rows that these belong to
    return _is_list_of(statement, statements.table(source))


def _is_list_of(statement: str, table: str) -> bool:
    """The statement names a key after this table."""
    keys = (key.rsplit("_", 1)[-1] for key in _FOREIGN_KEY.findall(statement))
    return bool(table) and _short(table) in keys


def relation_of(repeated: Span, source: Span | None, location: Location | None) -> Relation:
    statement = statements.normal(repeated.text("db.query.text"))
    table = statements.table(repeated) or "related"
    outer = statements.table(source) if source is not None else ""
    column = statements.lookup_column(statement).lower()
    keys = _foreign_keys(source) if source is not None else ()
    kind = _kind(statement, column, outer, keys)
    label = repeated.text(lazy_load.MODEL)
    if kind == "forward" and label:
        kind = "unknown"  # the agent sees lazy loads, and this is none: the code asks for the row by its key
    line = place(location)
    text = wording.shortened(" ".join(repeated.text("db.query.text").split()), 90)
    return Relation(
        kind=kind,
        name=_forward_name(table, keys) if kind == "forward" else _short(table),
        table=table,
        model=(_model(outer) if kind == "forward" or _is_list_of(statement, outer) else "") or "Model",
        related=label.rpartition(".")[2] or _model(table) or "Model",
        column=column or "id",
        asked=f"{line}: {text}" if line else text,
    )


def _kind(statement: str, column: str, outer: str, keys: tuple[str, ...]) -> Kind:
    names_a_row = column.endswith("_id") and column != "content_type_id"
    if statements.is_figure(statement):
        return "count" if names_a_row else "unknown"
    if column in _KEYS and keys:
        return "forward"
    if _OF_SQLALCHEMY.search(statement):
        return "reverse"
    if outer and _THROUGH.search(statement):
        return "many"
    if names_a_row and outer:
        where = statement.upper().rpartition(" WHERE ")[2]
        return "part" if _FILTERED.search(where) else "reverse"
    return "unknown"


def _foreign_keys(source: Span) -> tuple[str, ...]:
    """What the columns of the first statement that end in `_id` are named after; SQLAlchemy's labels are none."""
    text = _LABEL.sub("", source.text("db.query.text")[: statements.LONGEST])
    return tuple(dict.fromkeys(name.lower() for name in _FOREIGN_KEY.findall(text)))


def _forward_name(table: str, keys: tuple[str, ...]) -> str:
    """The foreign key that is named after the table; the only one there is; else after the table all the same."""
    return _named_after(table, keys) or (keys[0] if len(keys) == 1 else _short(table))


def _named_after(table: str, keys: tuple[str, ...]) -> str:
    name = _short(table)
    return next((key for key in keys if key == name or key.rsplit("_", 1)[-1] == name), "")


def _django(relation: Relation) -> Fix:
    model, name, table = relation.model, relation.name, relation.table
    if relation.kind == "count":
        return Fix(
            text=f"Let the list's own query bring the figure from {table}: annotate(…) with Count, Sum or Exists, "
            "one query instead of one per row.",
            before=f"for row in {model}.objects.all():\n    row.{name}_set.count()  # {relation.asked}",
            after=f'for row in {model}.objects.annotate(number=Count("{name}")):\n    row.number  # no further query',
        )
    if relation.kind == "part":
        return Fix(
            text=f"Load the rows of {table} that are wanted together with the list: Prefetch(…) with the filter in "
            "its queryset (a filter or slice on the relation itself asks again for each row), or a subquery where "
            "one row each is wanted.",
            before=f"for row in {model}.objects.all():\n    row.{name}_set.filter(…)  # {relation.asked}",
            after=f'wanted = Prefetch("{name}_set", {relation.related}.objects.filter(…), to_attr="wanted")\n'
            f"for row in {model}.objects.prefetch_related(wanted):\n    row.wanted  # no further query",
        )
    forward = relation.kind == "forward"
    attribute = name if forward else f"{name}s" if relation.kind == "many" else f"{name}_set"
    method = "select_related" if forward else "prefetch_related"
    use = f"row.{attribute}" if forward else f"list(row.{attribute}.all())"
    return Fix(
        text=f"Load the rows of {table} together with the list: {method}(…) on the queryset, "
        + ("one join instead of a query per row." if forward else "two queries whatever the length.")
        + f" If the relation has another name in your model, put that in place of {attribute!r}.",
        before=f"for row in {model}.objects.all():\n    {use}  # {relation.asked}",
        after=f'for row in {model}.objects.{method}("{attribute}"):\n    {use}  # no further query',
    )


def _sqlalchemy(relation: Relation) -> Fix:
    model, table = relation.model, relation.table
    if relation.kind in ("count", "part", "many"):
        return Fix(
            text=f"Ask {table} once for all rows of the list: one statement with in_(…), grouped by "
            f"{relation.column} where only a figure is wanted.",
            before=f"for row in rows:\n    session.scalar(…)  # {relation.asked}",
            after=f"query = select({relation.related}).where({relation.related}.{relation.column}.in_(ids))\n"
            f"by_key = group(session.scalars(query), key=lambda one: one.{relation.column})",
        )
    forward = relation.kind == "forward"
    name = relation.name if forward else f"{relation.name}s"
    loader = "joinedload" if forward else "selectinload"
    use = f"row.{name}"
    return Fix(
        text=f"Load the rows of {table} together with the list: {loader}(…) in the query's options, "
        + ("one join instead of a query per row." if forward else "two queries whatever the length.")
        + f" If the relationship has another name in your model, put that in place of {name!r}.",
        before=f"for row in session.scalars(select({model})):\n    {use}  # {relation.asked}",
        after=f"from sqlalchemy.orm import {loader}\n\n"
        f"query = select({model}).options({loader}({model}.{name}))\n"
        f"for row in session.scalars(query):\n    {use}  # no further query",
    )


def _unknown(relation: Relation, orm: Orm) -> Fix:
    """The statements show no relation that a join could follow."""
    model, column = relation.related, relation.column
    by_column = (
        f"{{one.{column}: one for one in {model}.objects.filter({column}__in=keys)}}"
        if orm == "django"
        else f"{{one.{column}: one for one in session.scalars(select({model}).where({model}.{column}.in_(keys)))}}"
    )
    return Fix(
        text=f"The same question is put to {relation.table} again and again; which relation it follows, the "
        "statements do not show. Ask once before the loop for everything it needs, or keep the answer if it is "
        "the same each time.",
        before=f"for key in keys:\n    …  # {relation.asked}",
        after=f"found = {by_column}\nfor key in keys:\n    found.get(key)  # no further query",
    )


def _short(table: str) -> str:
    """`shop_customer` and `customers` → `customer`: Django puts the app's name before the model's."""
    name = table.rsplit(".", 1)[-1].lower().rsplit("_", 1)[-1]
    return name if name.endswith("ss") else name.removesuffix("s")


def _model(table: str) -> str:
    return table.rsplit(".", 1)[-1].rsplit("_", 1)[-1].capitalize()

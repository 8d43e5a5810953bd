"""The fix of a query loop in the words of the ORM that made it, with the table and column of the statement."""

from __future__ import annotations

from tracestitch_collector.checks import statements, wording
from tracestitch_collector.checks.finding import Fix, Location
from tracestitch_collector.checks.framework import Orm
from tracestitch_collector.model import Span
from tracestitch_collector.traces.code import place

_KEYS = ("id", "pk", "uuid")


def fix_for(repeated: Span, source: Span | None, location: Location | None, orm: Orm) -> Fix:
    table = statements.table(repeated) or "related"
    statement = repeated.text("db.query.text")
    column = statements.lookup_column(statements.normal(statement))
    forward = column.lower() in _KEYS or not column
    outer = statements.table(source) if source is not None else ""
    if orm == "sqlalchemy":
        return _sqlalchemy(table, outer, forward, statement, place(location))
    return _django(table, outer, forward, statement, place(location))


def _django(table: str, outer: str, forward: bool, statement: str, line: str) -> Fix:
    name, model = _relation(table), _model(outer)
    relation = name if forward else f"{name}_set"
    method = "select_related" if forward else "prefetch_related"
    use = f"row.{relation}" if forward else f"list(row.{relation}.all())"
    asked = _comment(statement, line)
    return Fix(
        text=f"Load the rows of {table} together with the list: {method}(…) on the queryset, "
        + ("one join instead of a query per row." if forward else "two queries whatever the length.")
        + f" If the relation has another name in your model, put that in place of {relation!r}.",
        before=f"for row in {model}.objects.all():\n    {use}  # {asked}",
        after=f'for row in {model}.objects.{method}("{relation}"):\n    {use}  # no further query',
    )


def _sqlalchemy(table: str, outer: str, forward: bool, statement: str, line: str) -> Fix:
    name, model = _relation(table), _model(outer)
    relation = name if forward else f"{name}s"
    loader = "joinedload" if forward else "selectinload"
    use = f"row.{relation}"
    return Fix(
        text=f"Load the rows of {table} together with the list: {loader}(…) in the query's options, "
        + ("one join instead of a query per row." if forward else "two queries whatever the length.")
        + f" If the relationship has another name in your model, put that in place of {relation!r}.",
        before=f"for row in session.scalars(select({model})):\n    {use}  # {_comment(statement, line)}",
        after=f"from sqlalchemy.orm import {loader}\n\n"
        f"query = select({model}).options({loader}({model}.{relation}))\n"
        f"for row in session.scalars(query).unique():\n    {use}  # no further query",
    )


def _comment(statement: str, line: str) -> str:
    text = wording.shortened(" ".join(statement.split()), 90)
    return f"{line}: {text}" if line else text


def _relation(table: str) -> str:
    """`shop_customer` → `customer`: Django puts the app's name before the model's."""
    name = table.rsplit(".", 1)[-1].lower()
    return name.rsplit("_", 1)[-1] if name.count("_") else name.removesuffix("s") or name


def _model(table: str) -> str:
    words = table.rsplit(".", 1)[-1].split("_")
    return "".join(word.capitalize() for word in words[-1:] if word) or "Model"

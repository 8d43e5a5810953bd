"""SQLAlchemy: one client span for each statement that reaches a driver, from listeners on every engine.

A statement counts as inside a transaction when the user began one (`begin()`, a savepoint) or when the connection
has written since its last commit: SQLAlchemy opens a transaction before the first SELECT, so that one says nothing.
"""

import sys
from types import FrameType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue

from tracestitch import calls, databases, frames, sql, transactions
from tracestitch.patching import replace
from tracestitch.safety import guard, safely

_SPAN = "_tracestitch_span"
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "COPY"})


class Statements:
    """The listeners, and what each engine's URL says, read once."""

    def __init__(self) -> None:
        self._engines: WeakKeyDictionary[Any, dict[str, AttributeValue]] = WeakKeyDictionary()

    def before(
        self, connection: Any, _cursor: Any, statement: str, _parameters: Any, execution: Any, _many: bool
    ) -> None:
        with guard("SQLAlchemy statement"):
            operation, table = sql.operation_and_table(statement)
            in_transaction = transactions.is_open(connection)
            if operation in _WRITES and not _autocommits(connection):
                transactions.opened(connection)
            if execution is None or not calls.in_trace() or calls.suppressed():
                return
            summary = f"{operation} {table}".strip() or "SQL"
            attributes: dict[str, AttributeValue] = {
                **self._engine_attributes(connection.engine),
                "db.query.text": sql.template(statement),
                "db.query.summary": summary,
                "db.operation.name": operation,
                "tracestitch.db.in_transaction": in_transaction,
            }
            if table:
                attributes["db.collection.name"] = table
            setattr(
                execution, _SPAN, calls.start(summary, SpanKind.CLIENT, attributes, elsewhere=_awaiting_frame)
            )

    def after(
        self, _connection: Any, cursor: Any, statement: str, _parameters: Any, execution: Any, _many: bool
    ) -> None:
        with guard("SQLAlchemy statement"):
            span = _taken(execution)
            if span is None:
                return
            # Drivers that fetch while they execute know the number of rows; the others say -1.
            if sql.operation_and_table(statement)[0] == "SELECT" and cursor.rowcount >= 0:
                span.set_attribute("db.response.returned_rows", cursor.rowcount)
            span.end()

    def failed(self, failure: Any) -> None:
        with guard("SQLAlchemy statement"):
            span = _taken(failure.execution_context)
            if span is None:
                return
            calls.fail(span, failure.original_exception, failure.sqlalchemy_exception)
            span.end()

    def _engine_attributes(self, engine: Any) -> dict[str, AttributeValue]:
        known = self._engines.get(engine)
        if known is None:
            database = databases.of_url(engine.dialect.name, engine.url)
            databases.SEEN.add(database)
            known = database.attributes()
            self._engines[engine] = known
        return known


def patch_engine(module: ModuleType) -> None:
    import sqlalchemy.event as event

    statements = Statements()
    engine = module.Engine
    event.listen(engine, "before_cursor_execute", statements.before)
    event.listen(engine, "after_cursor_execute", statements.after)
    event.listen(engine, "handle_error", statements.failed)
    for name in ("commit", "rollback", "commit_twophase", "rollback_twophase"):
        event.listen(engine, name, _ended)
    event.listen(engine, "savepoint", _began)
    replace(module.Connection, "begin", _noting_explicit_begin)


def patch_orm(module: ModuleType) -> None:
    import sqlalchemy.event as event

    event.listen(module.Session, "after_begin", _session_began)


def _taken(execution: Any) -> Span | None:
    span = getattr(execution, _SPAN, None)
    if span is None:
        return None
    delattr(execution, _SPAN)
    return span if isinstance(span, Span) else None


def _ended(connection: Any, *_: Any) -> None:
    transactions.closed(connection)


def _began(connection: Any, *_: Any) -> None:
    transactions.opened(connection)


@safely("SQLAlchemy transaction")
def _session_began(_session: Any, transaction: Any, connection: Any) -> None:
    # 1.4 does not tell why a session began; there only writes and savepoints count.
    origin = getattr(getattr(transaction, "origin", None), "name", "AUTOBEGIN")
    if origin != "AUTOBEGIN":
        transactions.opened(connection)


def _noting_explicit_begin(original: Any) -> Any:
    def begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        transaction = original(self, *args, **kwargs)
        with guard("SQLAlchemy transaction"):
            if _is_explicit(sys._getframe().f_back):
                transactions.opened(self)
        return transaction

    return begin


def _is_explicit(caller: FrameType | None) -> bool:
    """SQLAlchemy calls `begin()` for its own beginnings too. An asynchronous `begin()` starts a stack of its own."""
    while caller is not None and caller.f_code.co_qualname == "Connection.begin":
        caller = caller.f_back  # 1.4 has one in front of the other
    return caller is None or caller.f_code.co_qualname == "Engine.begin" or frames.is_user_code(caller.f_code)


def _autocommits(connection: Any) -> bool:
    level = connection.get_execution_options().get("isolation_level")
    return (level or getattr(connection.dialect, "_on_connect_isolation_level", None)) == "AUTOCOMMIT"


def _awaiting_frame() -> FrameType | None:
    """Asynchronous engines run the statement in a greenlet of its own; the user waits in its parent."""
    module = sys.modules.get("greenlet")
    parent = module.getcurrent().parent if module is not None else None
    return parent.gr_frame if parent is not None else None
